"""A million pictures: what was simulated, what would be needed, and what would break first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from growth_pictures import STREAMED, Line
from machine import markdown_table

__all__ = ["Measurements", "paper", "simulation"]

MILLION = 1_000_000
MIB, GIB = 1 << 20, 1 << 30
GB = 1e9


@dataclass(frozen=True)
class Measurements:
    """What the numbers on paper are computed from.

    Attributes:
        picture_bytes: mean size of a picture's file.
        seconds: a variant's line of seconds against pictures.
        memory: a variant's line of MiB against pictures.
        hashing: seconds a picture.
        archive: what `growth_archive.open_archive` found.
        simulated: what `growth_million.simulate` found.
        machine_bytes: memory of this machine.
    """

    picture_bytes: float
    seconds: Mapping[str, Line]
    memory: Mapping[str, Line]
    hashing: float
    archive: Mapping[str, Any]
    simulated: Mapping[str, Any]
    machine_bytes: float


def simulation(found: Mapping[str, Any]) -> str:
    """Return what was simulated, in words and a table."""
    seconds, gflop, peaks = found["seconds"], found["gflop"], found["peak_mib"]
    rows = []
    for part, name in (
        ("drawing", "drawing the rows, not part of the library"),
        ("statistics", "mean and covariance"),
        ("distance", f"memorization distance against {found['references']:,}"),
        ("fid", "FID from them"),
    ):
        rate = gflop[part] / seconds[part] if part in gflop else None
        rows.append(
            [
                name,
                f"{seconds[part]:.2f}",
                f"{gflop[part] / 1000:.3g}" if rate else "",
                f"{rate:.0f}" if rate else "",
                f"{rate / found['product']:.0%}" if rate else "",
            ]
        )
    header = ["part", "seconds", "TFLOP", "GFLOP/s", "of a float64 matrix product"]
    return f"""\
Synthetic features, {found["n"]:,} × {found["width"]:,} float32, in blocks of {found["rows"]:,} that
are not kept, against {found["references"]:,} reference rows. They are not a network's: each is a
mixture of two of {found["rows"]:,} rows (drawn once, not negative, sparse, correlated) in a random
proportion, so that no two are the same and drawing them is cheap.

{markdown_table(header, rows)}

The matrix product, {found["product"]:.0f} GFLOP/s, is the median of several within the run. A
covariance counts as half a product, since it is symmetric. FID {found["fid"]:.6g}, memorization
distance {found["distance"]:.6g}. Peak memory of the process was {peaks["a tenth"]:,.0f} MiB after a
tenth of the rows, {peaks["all"]:,.0f} MiB after all, and {peaks["fid"]:,.0f} MiB with FID. The
benchmark itself takes the mean of the blocks' distances: `mifid score` keeps all features where a
distance is asked for."""


def paper(given: Measurements) -> str:
    """Return a million pictures on paper, in words and two tables."""
    return "\n\n".join(
        [
            "Nothing here was run with a million pictures: all is what was measured above, times "
            "as many.",
            markdown_table(["a million pictures", "bytes", "where"], _bytes(given)),
            markdown_table(["a million pictures", "seconds", "hours"], _seconds(given)),
            _breaks(given),
        ]
    )


def _bytes(given: Measurements) -> list[list[str]]:
    width = given.simulated["width"]
    features, moments = 4 * width * MILLION, 8 * (width * width + width)
    directory, hashing = _archive_bytes(given)
    found = [
        ("their files", given.picture_bytes * MILLION, "disk"),
        ("a zip's directory and the names", directory, "memory, as measured"),
        ("the hashes' jobs and results", hashing, "memory, as measured"),
        ("of these the hashes themselves", 32 * MILLION, "memory, then the cache"),
        ("features, float32", features, "memory, then the cache; not for FID alone"),
        ("mean and covariance, float64", moments, "memory, then the cache; all that FID needs"),
    ]
    for variant, line in _keeping(given).items():
        beyond = line.each * MIB * MILLION
        where = f"memory: {beyond / features:.1f} times the features"
        found.append((f"all of `{variant}`, its line drawn on", beyond, where))
    return [[name, _size(count), where] for name, count, where in found]


def _keeping(given: Measurements) -> dict[str, Line]:
    """The lines of memory that go on as they begin: FID alone keeps features of few pictures.

    Lines that rise by less than the features are left out: at few pictures something else, such as
    the start or FID, is what most memory is taken for, and tells nothing of a million.
    """
    features = 4 * given.simulated["width"] / MIB
    return {
        name: line
        for name, line in given.memory.items()
        if name != STREAMED and line.each >= features
    }


def _seconds(given: Measurements) -> list[list[str]]:
    simulated = given.simulated
    times = MILLION / simulated["n"]
    found = [
        ("opening a zip", given.archive["open"]["seconds"] / given.archive["entries"] * MILLION),
        ("hashing", given.hashing * MILLION),
        *(
            (f"all of `{variant}`, its line drawn on", line.each * MILLION)
            for variant, line in given.seconds.items()
        ),
        ("of these the statistics, as simulated", simulated["seconds"]["statistics"] * times),
        ("of these the distance, as simulated", simulated["seconds"]["distance"] * times),
    ]
    return [[name, f"{count:,.1f}", f"{count / 3600:.2f}"] for name, count in found]


def _breaks(given: Measurements) -> str:
    """What breaks first: with features kept, and without."""
    width = given.simulated["width"]
    directory, hashing = _archive_bytes(given)
    machine = given.machine_bytes
    slowest = max(given.seconds.values(), key=lambda line: line.each)
    alone = given.seconds.get(STREAMED, slowest)
    one_copy = machine / (4 * width)
    streamed = machine / ((directory + hashing) / MILLION)
    said = [
        "What breaks first:",
        "- **With a distance asked for: memory, by the features.** One copy of them fills this "
        f"machine's {machine / GIB:.0f} GiB at {_round(one_copy)} pictures, and there are two "
        f"while they are put into the cache's order, or taken out of it. {_drawn_on(given)}"
        f"Their cache entry, {_size(4 * width * MILLION)}, is above the cache's default limit of "
        "4 GiB (`MIFID_CACHE_SIZE`): everything else is evicted for it, and it for the next.",
        "- **With FID alone: time.** Many pictures' features are added up as they come (`score` "
        "says from how many on), so memory grows by a zip's directory and the hashing alone: "
        f"{_size(directory + hashing)} a million, which fills {machine / GIB:.0f} GiB at "
        f"{_round(streamed)} pictures. Before that a million take "
        f"{alone.each * MILLION / 3600:.1f} hours here, and a run that is broken off begins "
        "again: what was computed is kept when a set is through, not before.",
        "- Nothing overflows on the way: zips beyond 65,535 entries are read, rows are counted in "
        "64 bits, and the sums are float64, merged by the pairwise update.",
    ]
    return "\n".join([said[0], "", *said[1:]])


def _drawn_on(given: Measurements) -> str:
    """Where what keeps features fills the machine, as it was measured."""
    growing = _keeping(given)
    if not growing:
        return ""
    name, line = max(growing.items(), key=lambda item: item[1].each)
    full = (given.machine_bytes / MIB - line.start) / line.each
    return f"As `{name}` was measured, with the copies that are made, at {_round(full)}. "


def _archive_bytes(given: Measurements) -> tuple[float, float]:
    """Bytes a million entries: of an open zip, and of hashing it."""
    each = MIB * MILLION / given.archive["entries"]
    return given.archive["open"]["mib"] * each, given.archive["hash"]["mib"] * each


def _size(count: float) -> str:
    return f"{count / GB:,.2f} GB" if count >= GB else f"{count / 1e6:,.1f} MB"


def _round(count: float) -> str:
    """Three digits: it is no more exact."""
    return f"{float(f'{count:.3g}'):,.0f}"
