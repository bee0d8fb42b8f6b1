"""Lists of pictures to train on, and held-out pictures, which must not be among them."""

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

    A line is a picture's name, or it without its folder or its ending too; what fits more exactly
    goes first. Blank lines and lines that begin with ``#`` are passed over.

    Args:
        names: of all pictures.
        file: path of a UTF-8 text.
        setting: where the path was given, for messages (``"data.select_photos"``).

    Raises:
        InputError: the file cannot be read; a name that fits no picture, or several.
    """
    tables = [(form, _table(names, form)) for form in (_whole, _without_folder, _stem)]
    chosen: set[int] = set()
    unknown: list[tuple[int, str]] = []
    for line, entry in _entries(file, setting):
        found = next((table[form(entry)] for form, table in tables if form(entry) in table), [])
        if len(found) > 1:
            fitting = ", ".join(f"'{names[i]}'" for i in found[:_EXAMPLES])
            raise InputError(
                f"{setting}: '{entry}' (line {line} of {file}) fits {len(found)} pictures: "
                f"{fitting}{', ...' if len(found) > _EXAMPLES else ''}",
                hint="Give its whole name, folder and ending included.",
            )
        if found:
            chosen.add(found[0])
        else:
            unknown.append((line, entry))
    if unknown:
        raise _unknown(unknown, tables[-1][1], names, where=f"{setting}: {file}")
    return sorted(chosen)


def _entries(file: str, setting: str) -> list[tuple[int, str]]:
    """Return (line number, name)."""
    hint = "Expected a text in UTF-8 that names a picture on each line."
    try:
        with Path(file).expanduser().open("rb") as opened:
            content = opened.read(_BYTES + 1)
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise InputError(
            f"{setting}: cannot read {file}: {error.strerror or error}", hint=hint
        ) from error
    except ValueError as error:
        raise InputError(f"{setting}: {file} is no text in UTF-8", hint=hint) from error
    if len(content) > _BYTES:
        raise InputError(f"{setting}: {file} is longer than {_BYTES:,} bytes", hint=hint)
    lines = ((number, line.strip()) for number, line in enumerate(text.splitlines(), start=1))
    return [(number, line) for number, line in lines if line and not line.startswith("#")]


def _table(names: Sequence[str], form: Callable[[str], str]) -> dict[str, list[int]]:
    table = defaultdict(list)
    for index, name in enumerate(names):
        table[form(name)].append(index)
    return dict(table)


def _whole(name: str) -> str:
    return name


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
        f"{where} names {len(unknown):,} that are none of the {len(names):,} pictures: "
        f"{shown}{more}",
        hint=f"Did you mean {', '.join(near)}?" if near else f"They are called '{names[0]}', ...",
    )


_BATCH = 64


def overlap(
    held_out: Source, paintings: Source, *, trained_on: Collection[str], workers: int | None
) -> str:
    """Return what is to be warned of: that some held-out pictures are trained on; empty: none are.

    Pixels are compared, so that a copy is found in whatever file, archive or lossless format it
    lies. What cannot be decoded is passed over: whoever scores with it tells.

    Args:
        held_out: what is scored against.
        paintings: all that was given to train on.
        trained_on: names of those that are trained on.
        workers: decoding threads; None: one a core, at least two.

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
            hint=f"Give paintings with {setting('held_out')} that are not trained on, or leave it "
            "out.",
        )
    return (
        f"{len(seen):,} of {len(unseen):,} held-out pictures are trained on: the scores reward "
        "copying these"
    )


def sha256_of(source: Source) -> str:
    """Return a hash of the pictures as they are encoded, whatever their names, order and place."""
    known = sorted(content for content in digests(source) if content is not None)
    return hashlib.sha256(b"".join(known)).hexdigest()


def _contents(source: Source, workers: int | None) -> set[bytes]:
    reader = BatchReader(source, batch_size=_BATCH, workers=workers, skip_bad=True)
    return {digest(Decoded(pixels)) for batch in reader for pixels in batch.pixels}
