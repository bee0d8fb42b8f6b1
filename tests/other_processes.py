"""What tests run in processes that they start: these import it by its name."""

from contextlib import contextmanager

from mifid.cache import Cache
from mifid.images import open_images


def store_often(folder, key, arrays):
    cache = Cache(folder)
    for _ in range(40):
        cache.store(key, arrays)


class Counting:
    """A progress that counts what is decoded."""

    def __init__(self):
        self.tasks = []

    @contextmanager
    def task(self, label, total, unit):
        self.tasks.append([label, total, unit, 0])
        yield self

    def advance(self, steps=1):
        self.tasks[-1][-1] += steps


def store_counting(given, size, queue):
    from mifid.baseline.config import Data
    from mifid.baseline.data.store import store_pixels

    progress = Counting()
    found = store_pixels(
        open_images(given),
        label="photos",
        data=Data(size=size, fit="exact"),
        progress=progress,
        workers=2,
    )
    queue.put((found.sha256, int(found.pixels.sum()), len(progress.tasks)))
