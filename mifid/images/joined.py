"""Several sets as one: lists of paths, in Python or in a text file, and the shards of a set."""

from __future__ import annotations

import glob
import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from math import prod
from pathlib import Path

from mifid.errors import InputError
from mifid.files import is_url, listed_lines, no_such_file, without_secrets
from mifid.images.folder import FolderSource, matching, no_match
from mifid.images.ranges import ValueRange
from mifid.images.signatures import LENGTH, kind_of
from mifid.images.source import Decoded, Source, is_picture

__all__ = [
    "JoinedSource",
    "accepts_list",
    "accepts_shards",
    "files",
    "open_list",
    "open_paths",
    "open_shards",
]

_LISTS = (".txt", ".lst", ".list")
_ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".zip", ".parquet")
_BRACES = re.compile(r"\{([^{}]*)\}")
_NUMBERS = re.compile(r"(\d{1,18})\.\.(\d{1,18})")
_MOST = 100_000
"""Paths that braces may stand for."""


class JoinedSource(Source):
    """Several sets as one, sorted by name. A picture's name begins with the path of its set."""

    def __init__(self, prefixes: Sequence[str], sources: Sequence[Source]) -> None:
        self.description = " and ".join(source.description for source in sources)
        self.skipped = sum((source.skipped for source in sources), Counter())
        self.travels = all(source.travels for source in sources)
        self.doubts = tuple(doubt for source in sources for doubt in source.doubts)
        self.ranged = any(source.ranged for source in sources)
        self._sources = sources
        self._prefixes = prefixes
        self._places = sorted(
            (f"{prefix.rstrip('/')}/{name}" if prefix else name, number, index)
            for number, (prefix, source) in enumerate(zip(prefixes, sources, strict=True))
            for index, name in enumerate(source.names)
        )
        self.names = [name for name, _, _ in self._places]

    def read(self, index: int) -> bytes | Decoded:
        """Return picture ``index`` of all."""
        _, number, place = self._places[index]
        return self._sources[number].read(place)

    def container_sha256(self) -> bytes | None:
        """Return the hash of what all sets are known by, and of what orders their pictures.

        None if one of them is not a single file, or changed since it was opened.
        """
        digest = hashlib.sha256()
        for prefix, source in zip(self._prefixes, self._sources, strict=True):
            whole = source.container_sha256()
            if whole is None:
                return None
            digest.update(f"{prefix!r} {type(source).__name__} {whole.hex()}\n".encode())
        return digest.digest()

    def close(self) -> None:
        """Close all sets."""
        for source in self._sources:
            source.close()


def open_paths(
    paths: Sequence[str], value_range: ValueRange | None = None, *, below: str = ""
) -> Source:
    """Open picture files as one set, and join it with the other sets given.

    Args:
        paths: of pictures and of sets, or their URLs.
        value_range: the values of black and white in floats.
        below: folder that the names of pictures leave out.

    Raises:
        InputError: a path that cannot be opened, or a set that is given twice.
    """
    from mifid.images import open_images

    sets, pictures, seen = [], [], set()
    for path in paths:
        if os.path.isfile(path) and is_picture(os.path.basename(path)) is None:
            pictures.append(path)
            continue
        place = path if is_url(path) else os.path.realpath(path)
        if place in seen:
            raise InputError(
                f"the set {without_secrets(path)} is given twice",
                hint="Its pictures would count twice; give each set once.",
            )
        seen.add(place)
        sets.append(path)
    opened: list[Source] = []
    try:
        for path in sets:
            found = open_images(path, value_range=value_range)
            assert isinstance(found, Source)  # a path
            opened.append(found)
        if pictures:
            opened.append(files([Path(path) for path in pictures]))
    except BaseException:
        for source in opened:
            source.close()
        raise
    prefixes = [without_secrets(path.removeprefix(below)) for path in sets] + [""] * bool(pictures)
    return opened[0] if len(opened) == 1 else JoinedSource(prefixes, opened)


def files(paths: Sequence[Path]) -> FolderSource:
    """Open picture files, sorted by their path below the folder that they have in common."""
    root = Path(os.path.commonpath([path.absolute().parent for path in paths]))
    absolute = [path.absolute() for path in paths]
    return FolderSource(f"{len(paths):,} files in {root}", root, absolute)


def accepts_list(given: object) -> bool:
    """Return whether this is a text file that ends in .txt, .lst or .list."""
    if not isinstance(given, str | os.PathLike) or not os.path.isfile(given):
        return False
    if not os.fspath(given).lower().endswith(_LISTS):
        return False
    try:
        with Path(given).open("rb") as file:
            kind = kind_of(file.read(LENGTH))
    except OSError:
        return False
    return kind is not None and kind.words == "a text"


def open_list(given: str | os.PathLike[str], value_range: ValueRange | None = None) -> Source:
    """Open the files and sets that a text names, one on each line.

    Paths are relative to the folder of the text. Blank lines and lines that begin with ``#`` are
    ignored. The pictures are sorted by name, as those of a folder are.

    Raises:
        InputError: a line names nothing that exists, or what an earlier line names.
    """
    path = Path(given)
    lines = listed_lines(path, hint="Expected a text in UTF-8 with one path on each line.")
    if not lines:
        raise InputError(f"{path} names no file", hint="Expected one path on each line.")
    found: dict[str, int] = {}
    for number, line in lines:
        where = f"line {number} of {path}"
        place = line if is_url(line) else os.path.join(path.parent, os.path.expanduser(line))
        if place in found:
            raise InputError(
                f"{where} names the same file as line {found[place]}: {without_secrets(line)}",
                hint="Its pictures would count twice; give each once.",
            )
        if not (is_url(place) or os.path.lexists(place) or glob.has_magic(place)):
            missing = no_such_file(place)
            raise InputError(
                f"{where}: {missing.message}",
                hint=f"{missing.hint} Expected one path on each line, relative to the folder of "
                "the list.".strip(),
            )
        found[place] = number
    source = open_paths(list(found), value_range)
    source.description = f"list {path}"
    return source


def accepts_shards(given: object) -> bool:
    """Return whether this is a path with braces that is no file, or a pattern of archives."""
    if not isinstance(given, str | os.PathLike):
        return False
    text = os.fspath(given)
    if os.path.lexists(text):
        return False
    pattern = glob.has_magic(text) and text.lower().endswith(_ARCHIVES) and not is_url(text)
    several = (_NUMBERS.fullmatch(inside) or "," in inside for inside in _BRACES.findall(text))
    return pattern or any(several)


def open_shards(given: str | os.PathLike[str], value_range: ValueRange | None = None) -> Source:
    """Open what a path with braces stands for, or the archives that match a pattern, as one set.

    ``shard-{000..003}.tar`` and ``shard-00[0-3].tar`` are four files. Their pictures are sorted as
    if each shard were a folder.

    Raises:
        InputError: one of the files does not exist, or cannot be opened.
    """
    text = os.path.expanduser(given)
    named = list(_expanded(text))
    missing = [path for path in named if not (_is_there(path) or glob.has_magic(path))]
    if missing:
        raise InputError(
            f"{len(missing):,} of the {len(named):,} files that {text} stands for do not exist; "
            f"the first: {missing[0]}",
            hint="Shards that are missing are never left out silently. Is the range right?",
        )
    paths: list[str] = []
    for path in named:
        matches = [path] if _is_there(path) else sorted(matching(path))
        if not matches:
            raise no_match(path)
        paths.extend(matches)
    common = "" if is_url(text) else os.path.commonpath([os.path.dirname(path) for path in paths])
    source = open_paths(paths, value_range, below=f"{common}/" if common else "")
    if len(paths) > 1:
        source.description = f"{len(paths):,} files of {without_secrets(text)}"
    return source


def _is_there(path: str) -> bool:
    return is_url(path) or os.path.lexists(path)


def _expanded(text: str) -> Iterator[str]:
    """Yield what braces stand for, as a shell does: ``{08..10}`` and ``{a,b}``.

    Raises:
        InputError: they stand for more paths than any set has.
    """
    parts = _BRACES.split(text)  # text, content of braces, text, ...
    choices = [[part] if i % 2 == 0 else _choices(part) for i, part in enumerate(parts)]
    choices = [found or [f"{{{part}}}"] for found, part in zip(choices, parts, strict=True)]
    count = prod(map(len, choices))
    if count > _MOST:
        raise InputError(
            f"{without_secrets(text)} stands for {count:,} files; expected at most {_MOST:,}",
            hint="Is a number too long?",
        )
    found = [""]
    for options in choices:
        found = [before + option for before in found for option in options]
    yield from found


def _choices(content: str) -> Sequence[str]:
    """Return what the content of one pair of braces stands for; nothing: the braces stay."""
    numbers = _NUMBERS.fullmatch(content)
    if not numbers:
        return content.split(",") if "," in content else []
    first, last = numbers.groups()
    padded = any(number[0] == "0" and len(number) > 1 for number in (first, last))
    width = max(len(first), len(last)) if padded else 0
    count = abs(int(last) - int(first)) + 1
    step = 1 if int(last) >= int(first) else -1
    if count > _MOST:
        raise InputError(
            f"{{{content}}} stands for {count:,} files; expected at most {_MOST:,}",
            hint="Is a number too long?",
        )
    return [f"{int(first) + step * i:0{width}}" for i in range(count)]
