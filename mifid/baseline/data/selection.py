"""Lists of training pictures, and held-out pictures, which must not be among them."""

from __future__ import annotations

import difflib
import hashlib
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from mifid.errors import InputError, setting
from mifid.images import EXTENSIONS, BatchReader, Decoded, Source, Subset, digest, digests

__all__ = [
    "overlap",
    "select",
    "sha256_of",
]

_EXAMPLES = 3
_BYTES = 1 << 26  # a million long names; /dev/zero never ends


def select(names: Sequence[str], *, file: str, setting: str) -> list[int]:
    """Return the indices of the pictures that a file names, in the order of ``names``.

    A line is a picture's name, with or without its folder, with or without its ending; the more
    exact fit counts. Blank lines and lines that begin with ``#`` are ignored.

    Args:
        names: of all pictures.
        file: path of a UTF-8 text.
        setting: that the path was given as, for messages (``"data.select_photos"``).

    Raises:
        InputError: the file cannot be read; a name fits no picture, or several.
    """
    tables = [(form, _table(names, form)) for form in (str, _without_folder, _stem)]
    chosen: set[int] = set()
    unknown: list[tuple[int, str]] = []
    for line, entry in _entries(file, setting):
        found = next((table[form(entry)] for form, table in tables if form(entry) in table), [])
        if len(found) > 1:
            fitting = ", ".join(f"'{names[i]}'" for i in found[:_EXAMPLES])
            raise InputError(
                f"{setting}: '{entry}' (line {line} of {file}) fits {len(found)} pictures: "
                f"{fitting}{', ...' if len(found) > _EXAMPLES else ''}",
                hint="Give the picture's whole name, with its folder and ending.",
            )
        if found:
            chosen.add(found[0])
        else:
            unknown.append((line, entry))
    if unknown:
        raise _unknown(unknown, tables[-1][1], names, where=f"{setting}: {file}")
    return sorted(chosen)


def _entries(file: str, setting: str) -> list[tuple[int, str]]:
    """Return (line number, name) of each line that has a name."""
    hint = "Expected a text in UTF-8 that names one picture on each line."
    try:
        with Path(file).expanduser().open("rb") as opened:
            content = opened.read(_BYTES + 1)
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise InputError(
            f"{setting}: cannot read {file}: {error.strerror or error}", hint=hint
        ) from error
    except ValueError as error:
        raise InputError(f"{setting}: {file} is not a text in UTF-8", hint=hint) from error
    if len(content) > _BYTES:
        raise InputError(f"{setting}: {file} is longer than {_BYTES:,} bytes", hint=hint)
    lines = ((number, line.strip()) for number, line in enumerate(text.splitlines(), start=1))
    return [(number, line) for number, line in lines if line and not line.startswith("#")]


def _table(names: Sequence[str], form: Callable[[str], str]) -> dict[str, list[int]]:
    table = defaultdict(list)
    for index, name in enumerate(names):
        table[form(name)].append(index)
    return dict(table)


def _without_folder(name: str) -> str:
    return name.replace("\\", "/").rpartition("/")[2]


def _stem(name: str) -> str:
    stem, dot, ending = _without_folder(name).rpartition(".")
    return stem if (dot + ending).lower() in EXTENSIONS else _without_folder(name)


def _unknown(
    unknown: Sequence[tuple[int, str]],
    stems: Mapping[str, Sequence[int]],
    names: Sequence[str],
    *,
    where: str,
) -> InputError:
    shown = ", ".join(f"'{entry}' (line {line})" for line, entry in unknown[:_EXAMPLES])
    more = f" and {len(unknown) - _EXAMPLES:,} more" if len(unknown) > _EXAMPLES else ""
    near = [
        f"'{names[stems[match][0]]}' for '{entry}'"
        for _, entry in unknown[:_EXAMPLES]
        for match in difflib.get_close_matches(_stem(entry), stems, n=1)
    ]
    return InputError(
        f"{where} has {len(unknown):,} names that none of the {len(names):,} pictures has: "
        f"{shown}{more}",
        hint=f"Did you mean {', '.join(near)}?"
        if near
        else f"The pictures' names are '{names[0]}', ...",
    )


_BATCH = 64


def overlap(
    held_out: Source, paintings: Source, *, trained_on: Collection[str], workers: int | None
) -> str:
    """Return a warning if some held-out pictures are trained on; empty: none are.

    Pixels are compared, so that a copy is found in any file, archive or lossless format. Pictures
    that cannot be decoded are left out here, and reported when they are scored with.

    Args:
        held_out: the reference of the scores.
        paintings: all paintings that were given to train on.
        trained_on: names of those that are trained on.
        workers: decoding threads; None: one for each core, at least two.

    Raises:
        InputError: all held-out pictures are trained on.
    """
    chosen = set(trained_on)
    indices = [index for index, name in enumerate(paintings.names) if name in chosen]
    unseen = _contents(held_out, workers)
    seen = unseen & _contents(Subset(paintings, indices), workers)
    if not seen:
        return ""
    if seen == unseen:
        raise InputError(
            f"all held-out pictures ({held_out.description}) are trained on",
            hint=f"Give other paintings as {setting('held_out')}, or leave it out.",
        )
    return (
        f"{len(seen):,} of {len(unseen):,} held-out pictures are trained on: copies of them "
        "improve the scores"
    )


def sha256_of(source: Source) -> str:
    """Return a hash of the encoded pictures that does not depend on names, order and place."""
    known = sorted(content for content in digests(source) if content is not None)
    return hashlib.sha256(b"".join(known)).hexdigest()


def _contents(source: Source, workers: int | None) -> set[bytes]:
    reader = BatchReader(source, batch_size=_BATCH, workers=workers, skip_bad=True)
    return {digest(Decoded(pixels)) for batch in reader for pixels in batch.pixels}
