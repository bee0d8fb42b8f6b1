"""Photos to paint: opened, checked before the long job, loaded at the generator's size."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any, TypeVar

from mifid.baseline.config import Data
from mifid.baseline.data.fitting import fit_picture
from mifid.errors import InputError, PictureError, setting, warn
from mifid.images import Decoded, Pixels, Source, Subset, decode, digest, open_images, stated_for
from mifid.inputs import of_side
from mifid.progress import Progress
from mifid.submission import Rules, entry_names

__all__ = ["Photos", "paintable"]

T = TypeVar("T")


class Photos:
    """Photos as a generator takes them.

    Args:
        given: whatever :func:`mifid.images.open_images` opens, but a stream.
        data: the size, and how pictures of another size are brought to it.
        limit: take only so many, the first by name; None: all.

    Attributes:
        names: one for each photo.

    Raises:
        InputError: no photos, or a stream.
    """

    def __init__(self, given: Any, *, data: Data, limit: int | None) -> None:
        with stated_for(None), of_side(setting("photos")):
            source = open_images(given)
        if not isinstance(source, Source):
            raise InputError(
                f"photos are given as {source.description}; expected pictures that can "
                "be read twice",
                hint="Give a path, an array (N, H, W, 3), a tensor or PIL images.",
            )
        self._source = source
        self._data = data
        self._close = source is not given
        self.names: Sequence[str] = source.names[:limit]

    def close(self) -> None:
        """Close the photos, if they were opened here."""
        if self._close:
            self._source.close()

    def load(self, index: int) -> Pixels:
        """Return photo ``index`` (S, S, 3) uint8.

        Raises:
            PictureError: it is damaged, or of a size that the configuration refuses.
        """
        return self._fitted(index, self._read(index))

    def examine(self, *, workers: int, progress: Progress) -> list[str]:
        """Load every photo once, so that a fault of one is reported before the long job.

        Returns:
            For each photo the SHA-256 of its content.

        Raises:
            PictureError: as :meth:`load`.
        """

        def examined(index: int) -> str:
            content = self._read(index)
            self._fitted(index, content)
            return digest(content).hex()

        return list(self._over(examined, workers, progress))

    def damaged(self, *, workers: int, progress: Progress) -> dict[int, PictureError]:
        """Load every photo once; return the errors of those that :meth:`load` refuses."""

        def problem(index: int) -> PictureError | None:
            try:
                self.load(index)
            except PictureError as error:
                return error
            return None

        errors = enumerate(self._over(problem, workers, progress))
        return {index: error for index, error in errors if error is not None}

    def _over(self, look: Callable[[int], T], workers: int, progress: Progress) -> Iterator[T]:
        """Yield what ``look`` returns for every photo, in order."""
        with (
            progress.task("check photos", len(self.names), "photo") as task,
            ThreadPoolExecutor(workers) as pool,
        ):
            for found in pool.map(look, range(len(self.names))):
                task.advance()
                yield found

    def _read(self, index: int) -> bytes | Decoded:
        with self._blamed():
            return self._source.read(index)

    @contextmanager
    def _blamed(self) -> Iterator[None]:
        """Add to an error where the photo is, and that no photo can be left out."""
        try:
            yield
        except PictureError as error:
            raise PictureError(
                f"{self._source.description}: {error.message}", hint="Repair or remove it."
            ) from error

    def _fitted(self, index: int, content: bytes | Decoded) -> Pixels:
        name = self.names[index]
        with self._blamed():
            decoded = decode(content, name) if isinstance(content, bytes) else content
        size, fit = self._data.size, self._data.fit
        try:
            return fit_picture(decoded.pixels, size=size, fit=fit, name=name)
        except PictureError as error:
            # Its own hint names settings of training, which cannot be changed any more.
            hint = "Remove it, or give a larger one."
            if fit == "exact":
                hint = f"The generator was trained on pictures of {size} x {size} only; resize it."
            raise PictureError(f"{self._source.description}: {error.message}", hint=hint) from error


def paintable(
    source: Source,
    *,
    data: Data,
    limit: int,
    skip_bad: bool,
    rules: Rules,
    workers: int,
    progress: Progress,
) -> Source:
    """Return the photos that a submission will be made of, after loading each of them once.

    Args:
        source: all photos.
        data: their size, and how others are brought to it.
        limit: the first so many by name; 0: all.
        skip_bad: leave out those that cannot be loaded, with a warning.
        rules: of the competition, which name the pictures.

    Raises:
        InputError: two photos would have one name in the submission; too few are left.
        PictureError: a photo cannot be loaded.
    """
    with closing(Photos(source, data=data, limit=limit or None)) as given:
        entry_names(given.names, rules=rules)
        damaged = given.damaged(workers=workers, progress=progress)
        if damaged and not skip_bad:
            raise next(iter(damaged.values()))
        kept = [index for index in range(len(given.names)) if index not in damaged]
    if len(kept) < 2:
        raise InputError(
            f"{source.description}: {len(kept)} photos are left to paint; expected 2 or more",
            hint="FID needs at least two pictures.",
        )
    if damaged:
        first = next(iter(damaged.values()))
        warn(
            f"{len(damaged):,} photos cannot be painted and will be missing in "
            f"{rules.file_name}; the first of them: {first.message}"
        )
    return Subset(source, kept)
