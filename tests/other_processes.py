"""What tests run in processes that they start: these import it by its name."""

import os
import signal
from contextlib import contextmanager

from toys import colours

from mifid.baseline.config import Data
from mifid.baseline.data.store import store_pixels
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
    progress = Counting()
    found = store_pixels(
        open_images(given),
        label="photos",
        data=Data(size=size, fit="exact"),
        progress=progress,
        workers=2,
    )
    queue.put((found.sha256, int(found.pixels.sum()), len(progress.tasks)))


class Logging:
    """colours(), which writes a line a batch into a file, and may end its process at one."""

    fingerprint = "logging 1"

    def __init__(self, folder, *, dies=()):
        self.log, self.folder, self.dies = folder / "log", folder, dies

    def __call__(self, batch):
        with self.log.open("a") as file:
            file.write(f"{int(batch.long().sum())}\n")
        for number, total in enumerate(self.dies):
            mark = self.folder / f"died-{number}"
            if total == int(batch.long().sum()) and not mark.exists():
                mark.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        return colours(batch)

    def lines(self):
        return self.log.read_text().split()


def killed(batch):
    os.kill(os.getpid(), signal.SIGKILL)


killed.fingerprint = "killed 1"
