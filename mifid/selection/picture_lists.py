"""Lists of pictures: a text with a name on each line, as mifid select writes and training reads."""

from __future__ import annotations

import difflib
import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from mifid.errors import InputError, OutputError
from mifid.files import atomic_write, check_output, listed_lines, occupied
from mifid.formatting import spelled_out
from mifid.images import EXTENSIONS

__all__ = ["check_list_output", "indices_listed", "write_list"]

_EXAMPLES = 3
_BYTES = 1 << 26  # a million long names; /dev/zero never ends


def indices_listed(names: Sequence[str], *, file: str, setting: str) -> list[int]:
    """Return the indices of the pictures that a file names, in the order of ``names``.

    A line is a picture's name, with or without its folder, with or without its ending; the more
    exact fit counts. Line breaks and the like in a name may be escapes (``a\\nb.jpg``). Blank lines
    and lines that begin with ``#`` are ignored.

    Args:
        names: of all pictures.
        file: path of a UTF-8 text.
        setting: that the path was given as, for messages (``"data.select_photos"``).

    Raises:
        InputError: the file cannot be read; a name fits no picture, or several.
    """
    tables = [(form, _table(names, form)) for form in _FORMS]
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
    try:
        return listed_lines(
            file, hint="Expected a text in UTF-8 that names one picture on each line."
        )
    except InputError as error:
        raise InputError(f"{setting}: {error.message}", hint=error.hint) from error


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


_FORMS: tuple[Callable[[str], str], ...] = (str, spelled_out, _without_folder, _stem)
"""What a line and a name may have in common, the most exact first."""


_MARK = "# A list of pictures by mifid select, SHA-256 of the lines below: "


def check_list_output(path: str | os.PathLike[str], *, force: bool) -> Path:
    """Return the path of a list to write later, or raise now, before the long job.

    Raises:
        OutputError: it cannot be written; or, without ``force``, there is a file that
            :func:`write_list` did not write, or that was edited since.
    """
    file = check_output(path)
    if not force and file.exists() and not _is_unchanged(file):
        raise occupied(file, "which mifid select did not write, or which was edited since")
    return file


def _is_unchanged(file: Path) -> bool:
    with file.open("rb") as opened:
        content = opened.read(_BYTES + 1)
    first, _, rest = content.partition(b"\n")
    return first == (_MARK + hashlib.sha256(rest).hexdigest()).encode()


def write_list(
    path: str | os.PathLike[str],
    chosen: Sequence[str],
    *,
    among: Sequence[str],
    remarks: Sequence[str] = (),
    force: bool = False,
) -> None:
    """Write names of pictures, one on each line, that :func:`indices_listed` reads.

    Args:
        path: of the UTF-8 text, written whole or not at all.
        chosen: the names.
        among: the names of all pictures that were chosen from.
        remarks: lines before the names.
        force: replace any file.

    Raises:
        OutputError: as :func:`check_list_output`; or a name cannot be listed.
    """
    file = check_list_output(path, force=force)
    counts = Counter(map(spelled_out, among))
    lines = [f"# {spelled_out(remark)}" for remark in remarks]
    for name in chosen:
        line = spelled_out(name)
        if line != line.strip() or line.startswith("#") or counts[line] > 1:
            why = (
                f"{counts[line]} pictures have it"
                if counts[line] > 1
                else "a list loses spaces at its ends, and ignores what begins with #"
            )
            raise OutputError(
                f"cannot write {file}: '{line}' cannot be the name of a picture in a list: {why}",
                hint="Rename the picture.",
            )
        lines.append(line)
    content = "".join(f"{line}\n" for line in lines).encode()
    with atomic_write(file) as out:
        out.write((_MARK + hashlib.sha256(content).hexdigest() + "\n").encode() + content)
