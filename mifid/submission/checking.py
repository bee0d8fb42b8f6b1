"""Check of images.zip before the upload: every entry is read and decoded."""

from __future__ import annotations

import os
import shlex
import zipfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import Literal

from mifid.errors import InputError, PictureError
from mifid.files import given_path, no_such_file
from mifid.formatting import terminal_safe
from mifid.images import (
    ENCRYPTED,
    OTHER_METHOD,
    ArchiveEntry,
    Inspection,
    LocalFile,
    climbs_out,
    decode,
    default_workers,
    digest,
    files_of,
    is_picture,
    is_symlink,
    open_header,
    open_zip_file,
    read_entry,
    refuse_bombs,
    unread_method,
    webp_size,
)
from mifid.progress import Progress, choose
from mifid.submission.writer import MONET, Rules

__all__ = ["Check", "Finding", "check"]

Level = Literal["ok", "warning", "refused"]

_EXAMPLES = 3

_MOST_PIXELS = 1 << 20
"""Larger pictures, if the rules require smaller ones, are refused by their header."""


@dataclass(frozen=True)
class Finding:
    """The result for one rule.

    Attributes:
        level: ``"ok"``, ``"warning"`` (Kaggle accepts it), ``"refused"``.
        rule: what was checked.
        found: what was found.
        advice: what to do; empty if nothing.
    """

    level: Level
    rule: str
    found: str
    advice: str = ""


@dataclass(frozen=True)
class Check:
    """All findings for one archive."""

    path: Path
    rules: Rules
    findings: tuple[Finding, ...]

    @property
    def accepted(self) -> bool:
        """Whether nothing was found that Kaggle refuses."""
        return all(finding.level != "refused" for finding in self.findings)

    @property
    def verdict(self) -> str:
        """One sentence: whether the competition would accept it."""
        taken = "accepted" if self.accepted else "refused"
        return f"{self.path} would be {taken} by '{self.rules.competition}'."

    def text(self) -> str:
        """Return one line per finding, and the verdict."""
        lines = [
            f"{finding.level:<8} {finding.rule}: {finding.found}"
            + (f" {finding.advice}" if finding.advice else "")
            for finding in self.findings
        ]
        return terminal_safe("\n".join([*lines, self.verdict]))

    __str__ = text


@dataclass
class _Picture:
    """What was found in one entry."""

    name: str
    digest: bytes = b""
    format: str | None = None
    size: tuple[int, int] = (0, 0)
    mode: str = ""
    blank: bool = False
    decoded: bool = True
    broken: str = ""


def check(
    path: str | os.PathLike[str],
    *,
    rules: Rules = MONET,
    workers: int | None = None,
    progress: Progress | bool | None = None,
) -> Check:
    """Check an archive before it is uploaded: read, verify (CRC) and decode every entry.

    Raises:
        InputError: the file is missing, is not a zip, or is a decompression bomb.
    """
    file = Path(given_path(path))
    if not file.is_file():
        raise _no_file(file, rules)
    with open_zip_file(LocalFile(file), otherwise=_ANOTHER_KIND) as archive:
        entries = files_of(archive)
        kept = [info for info in entries if not is_picture(info.filename)]
        refuse_bombs(
            (ArchiveEntry(info.filename, info.file_size, info) for info in kept),
            description=f"zip {file}",
            archive_bytes=file.stat().st_size,
        )
        sealed = _sealed(kept)
        readable = [info for info in kept if not any(info in found for found in sealed.values())]
        inspection, lock = Inspection(), Lock()

        def look(info: zipfile.ZipInfo) -> _Picture:
            return _inspect(archive, info, rules, inspection, lock)

        with (
            choose(progress).task("check", len(readable), "picture") as task,
            ThreadPoolExecutor(workers or default_workers()) as pool,
        ):
            pictures = []
            for picture in pool.map(look, readable):
                task.advance()
                pictures.append(picture)
    findings = [
        _name_finding(file, rules),
        _count_finding(len(kept), rules),
        *_entry_findings(entries, kept),
        *_sealed_findings(sealed),
        *_picture_findings(pictures, rules, inspection),
    ]
    return Check(file, rules, tuple(findings))


_ANOTHER_KIND = (
    "Expected a zip: give images.zip, or make it from pictures: zip -X -j images.zip out/*.jpg"
)


def _no_file(path: Path, rules: Rules) -> InputError:
    expected = f"Expected a zip named {rules.file_name}."
    if not path.is_dir():
        return no_such_file(path, hint=expected)
    if (path / rules.file_name).is_file():
        return InputError(
            f"{path} is a folder; expected a zip",
            hint=f"Give the zip in it: {path / rules.file_name}",
        )
    endings = sorted(Path(name).suffix for name in os.listdir(path) if is_picture(name) is None)
    pattern = f"{shlex.quote(str(path))}/*{endings[0] if endings else '.jpg'}"
    return InputError(
        f"{path} is a folder; expected a zip",
        hint=f"{expected} Make it from the pictures: zip -X -j {rules.file_name} {pattern}",
    )


def _sealed(kept: Sequence[zipfile.ZipInfo]) -> dict[str, list[zipfile.ZipInfo]]:
    """Return the entries that neither mifid nor Kaggle can read, by reason."""
    found: dict[str, list[zipfile.ZipInfo]] = {"encrypted": [], "links": [], "compression": []}
    for info in kept:
        if info.flag_bits & ENCRYPTED:
            found["encrypted"].append(info)
        elif is_symlink(info):
            found["links"].append(info)
        elif unread_method(info):
            found["compression"].append(info)
    return found


def _inspect(
    archive: zipfile.ZipFile,
    info: zipfile.ZipInfo,
    rules: Rules,
    inspection: Inspection,
    lock: Lock,
) -> _Picture:
    picture = _Picture(info.filename)
    try:
        content = read_entry(archive, info)  # checks the CRC
        picture.digest = digest(content)
        size = webp_size(content)
        if size is not None and _is_too_large(size, rules):  # even opening it needs much memory
            return replace(picture, format="WEBP", size=size, mode=rules.mode, decoded=False)
        with open_header(content, info.filename) as header:
            picture.format, picture.size, picture.mode = header.format, header.size, header.mode
        if _is_too_large(picture.size, rules):
            return replace(picture, decoded=False)
        decoded = decode(content, info.filename)
    except PictureError as error:
        picture.broken = error.message
        return picture
    picture.mode = decoded.mode
    picture.blank = bool((decoded.pixels == decoded.pixels[0, 0]).all())
    with lock:
        inspection.add(decoded.pixels[None])
    return picture


def _is_too_large(size: tuple[int, int], rules: Rules) -> bool:
    """Return whether a picture is refused for its size, and is slow to decode."""
    width, height = rules.size
    return size[0] * size[1] > max(_MOST_PIXELS, width * height)


def _name_finding(file: Path, rules: Rules) -> Finding:
    if file.name == rules.file_name:
        return Finding("ok", "name", file.name)
    return Finding("refused", "name", file.name, f"Rename it to {rules.file_name}.")


def _count_finding(count: int, rules: Rules) -> Finding:
    found = f"{count:,} picture" + "s" * (count != 1)
    if rules.at_least <= count <= rules.at_most:
        return Finding("ok", "number", found)
    return Finding("refused", "number", found, f"Hand in {rules.at_least:,} to {rules.at_most:,}.")


def _entry_findings(
    entries: Sequence[zipfile.ZipInfo],
    kept: Sequence[zipfile.ZipInfo],
) -> Iterator[Finding]:
    names = [info.filename for info in entries]
    pictures = {info.filename for info in kept}
    foreign = [name for name in names if name not in pictures]
    nested = [name for name in pictures if "/" in name or "\\" in name]
    seen: dict[str, int] = defaultdict(int)
    for name in names:
        seen[name] += 1
    twice = [name for name, count in seen.items() if count > 1]
    advice = "Zip only the pictures: zip -X -j images.zip out/*.jpg"
    if any(name.lower().endswith(".zip") for name in foreign):
        advice = "The zip inside may be the one to hand in: unzip this one first."
    yield _none_of(foreign, "foreign files", advice)
    yield _none_of(nested, "folders", "Zip without folders: zip -X -j images.zip out/*.jpg")
    yield _none_of([n for n in names if climbs_out(n)], "paths out of the zip", "Make it again.")
    yield _none_of(twice, "duplicate names", "Give every picture its own name.")


def _sealed_findings(sealed: dict[str, list[zipfile.ZipInfo]]) -> Iterator[Finding]:
    names = {reason: [info.filename for info in infos] for reason, infos in sealed.items()}
    yield _none_of(names["encrypted"], "encrypted", "Make the zip without a password.")
    yield _none_of(names["links"], "symbolic links", "Make the zip without -y.")
    yield _none_of(
        [f"{i.filename} ({unread_method(i)})" for i in sealed["compression"]],
        "compression that Python cannot read",
        OTHER_METHOD,
    )


def _values_finding(inspection: Inspection) -> Finding:
    narrow = inspection.narrow()
    if narrow is None:
        return Finding("ok", "values of pixels", "spread over 0 to 255")
    return Finding(
        "warning",
        "values of pixels",
        f"the pictures {narrow}",
        "Were floats cast to integers before they were scaled to 0..255?",
    )


def _picture_findings(
    pictures: Sequence[_Picture], rules: Rules, inspection: Inspection
) -> Iterator[Finding]:
    """Yield the findings for the pictures that could be read."""
    if not pictures:
        return
    yield _none_of([p.broken for p in pictures if p.broken], "damaged", "Write these again.")
    good = [p for p in pictures if not p.broken]
    if not good:
        return
    width, height = rules.size
    by_content: dict[bytes, list[str]] = defaultdict(list)
    for picture in good:
        by_content[picture.digest].append(picture.name)
    copies = [name for names in by_content.values() for name in sorted(names)[1:]]
    yield _none_of(
        [f"{p.name} ({p.format})" for p in good if p.format != rules.format],
        "format",
        f"Save them as {rules.format}; its ending alone is not enough.",
        wanted=rules.format,
    )
    yield _none_of(
        [f"{p.name} ({p.size[0]}x{p.size[1]})" for p in good if p.size != rules.size],
        "size",
        f"Resize to {width}x{height}.",
        wanted=f"{width}x{height}",
    )
    unread = [p.name for p in good if not p.decoded]
    if unread:
        advice = "Resize them, then check again."
        yield _none_of(unread, "too large to decode", advice, "warning")
    yield _none_of(
        [f"{p.name} ({p.mode})" for p in good if p.mode != rules.mode],
        "colour mode",
        f"Convert to {rules.mode} before saving.",
        wanted=rules.mode,
    )
    yield _none_of(copies, "byte-identical copies", "Did the generator collapse?", "warning")
    yield _none_of(
        [p.name for p in good if p.blank],
        "blank (one colour)",
        "Did the generator fail?",
        "warning",
    )
    if inspection.levels.any():
        yield _values_finding(inspection)


def _none_of(
    names: Sequence[str], rule: str, advice: str, level: Level = "refused", *, wanted: str = ""
) -> Finding:
    """Return the finding for a rule that ``names`` break; ``wanted`` is what it requires."""
    if not names:
        return Finding("ok", rule, f"all {wanted}" if wanted else "none")
    shown = ", ".join(sorted(names)[:_EXAMPLES])
    more = f" and {len(names) - _EXAMPLES:,} more" if len(names) > _EXAMPLES else ""
    fault = f" not {wanted}" if wanted else ""
    return Finding(level, rule, f"{len(names):,}{fault}: {shown}{more}", advice)
