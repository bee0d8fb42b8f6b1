"""Time of what goes beyond one loop or process: metric objects, engines, and feature stores.

    python -m benchmarks.scale update --docs docs/loops.md
    python -m benchmarks.scale engines --extractor lite0 --docs docs/scale.md
    python -m benchmarks.scale store --docs docs/scale.md

`update` compares a metric object with its bare network, `engines` all engines with one process, and
`store` opens and merges a store of many large parts.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import click
import numpy as np

from benchmarks.machine import again, describe_machine, markdown_table, write_section
from benchmarks.pictures import draw_pictures
from benchmarks.processes import call

PACKAGES = ("mifid", "torch", "openvino", "numpy", "ray")
NETWORKS = ("lite0", "inception-random")


def in_turn(ways: dict[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Return seconds by way, run in turn, so that other load of the machine affects all alike."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            seconds[name].append(way())
            click.echo(f"{name}: {seconds[name][-1]:.2f} s", err=True)
    return seconds


def ratio(seconds: Sequence[float], others: Sequence[float]) -> str:
    """Return the median of the rounds' ratios, and their range."""
    found = [one / other for one, other in zip(seconds, others, strict=True)]
    return f"{median(found):.2f} ({min(found):.2f} to {max(found):.2f})"


def show(table: str, command: str, docs: Path | None, *, name: str | None = None) -> None:
    """Print a section, and write it into a file under its name, if not that of the command."""
    text = f"{table}\n\n`{again('scale ' + command)}`\n\n{describe_machine(PACKAGES)}"
    click.echo(text)
    if docs is not None:
        write_section(docs, f"scale: {name or command}", text)


# --- metric objects ------------------------------------------------------------------------------


def update_seconds(*, extractor: str, rounds: int, pictures: int = 64) -> dict[str, list[float]]:
    """Return seconds of the network alone and of `update()`, each for so many pictures."""
    from mifid.extractors import open_extractor
    from mifid.metric import FID

    pixels = np.random.RandomState(0).randint(0, 256, (pictures, 256, 256, 3), dtype=np.uint8)
    network = open_extractor(extractor)
    network.load()
    metric = FID(extractor=network)
    metric.update(pixels, real=False)

    def bare() -> float:
        start = time.perf_counter()
        for first in range(0, pictures, network.batch_size):
            network(pixels[first : first + network.batch_size])
        return time.perf_counter() - start

    def update() -> float:
        start = time.perf_counter()
        metric.update(pixels, real=False)
        return time.perf_counter() - start

    bare()
    return in_turn({"bare": bare, "update": update}, rounds)


# --- engines -------------------------------------------------------------------------------------


def engine_seconds(*, engine: str, pictures: str, extractor: str, shards: int) -> float:
    """Return seconds of one engine in this process; "" is no engine: this process alone."""
    from mifid.distributed import compute_shards

    if engine == "ray":  # its start is not timed
        import ray

        from mifid.machine import python_environment

        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        paths = {"PYTHONPATH": python_environment()["PYTHONPATH"]}
        ray.init(include_dashboard=False, log_to_driver=False, runtime_env={"env_vars": paths})
    with tempfile.TemporaryDirectory() as store:
        more = {"engine": engine, "shards": shards} if engine else {}
        start = time.perf_counter()
        compute_shards(pictures, store, extractor=extractor, progress=False, **more)
        return time.perf_counter() - start


# --- feature stores ------------------------------------------------------------------------------


def write_store(*, folder: str, parts: int, rows: int, width: int) -> None:
    """Write a store of parts of drawn features."""
    from mifid.statistics import Part, Provenance, Shard

    random = np.random.RandomState(0)
    drawn = random.standard_normal((rows, width)).astype(np.float32)
    for number in range(parts):
        first = number * rows
        arrays = {
            "features": np.roll(drawn, number, axis=1) + np.float32(number / parts),
            "names": np.array([f"{first + i:08}.png" for i in range(rows)]),
            "indices": np.arange(first, first + rows),
            "digests": random.randint(0, 256, (rows, 32)).astype(np.uint8),
            "readable": np.ones(rows, bool),
        }
        shard = Shard(number + 1, parts)
        facts = {"total": parts * rows, "n": rows, "width": width, "source": "drawn features"}
        provenance = Provenance(extractor="drawn", fingerprint="drawn")
        part = Part(shard, key=f"{number:016x}", provenance=provenance, arrays=arrays, **facts)
        part.write(Path(folder))


def store_seconds(*, folder: str) -> dict[str, float]:
    """Return seconds to open a store, and to merge its statistics."""
    from mifid.statistics import FeatureStore

    start = time.perf_counter()
    store = FeatureStore.open(folder)
    opened = time.perf_counter()
    store.statistics()
    return {"open": opened - start, "merge": time.perf_counter() - opened}


# --- commands ------------------------------------------------------------------------------------


@click.group(help=__doc__)
def main() -> None:
    """Run one of the commands."""


docs_option = click.option("--docs", type=click.Path(path_type=Path), help="Write the section.")


@main.command()
@click.option("--extractor", "names", multiple=True, default=NETWORKS, show_default=True)
@click.option("--rounds", default=20, show_default=True)
@docs_option
def update(names: tuple[str, ...], rounds: int, docs: Path | None) -> None:
    """`update()` of 64 pictures, divided by the bare network."""
    rows = []
    for name in names:
        found, _ = call("scale:update_seconds", extractor=name, rounds=rounds)
        rows.append(
            [f"`{name}`", f"{median(found['bare']):.2f}", ratio(found["update"], found["bare"])]
        )
    header = ["Network", "64 pictures by the network alone, s", "`FID.update`, times as long"]
    show(markdown_table(header, rows), "update", docs)


@main.command()
@click.option("--extractor", default="lite0", show_default=True)
@click.option("--pictures", default=8_192, show_default=True)
@click.option("--shards", default=16, show_default=True)
@click.option("--rounds", default=3, show_default=True)
@click.option("--engine", "names", multiple=True, default=("local", "ray"), show_default=True)
@docs_option
def engines(
    extractor: str,
    pictures: int,
    shards: int,
    rounds: int,
    names: tuple[str, ...],
    docs: Path | None,
) -> None:
    """Each engine, divided by one process with as many threads as there are cores."""
    with tempfile.TemporaryDirectory() as folder:
        drawn = str(Path(folder, "pictures"))
        draw_pictures(folder=drawn, count=pictures, kind="painting")

        def way(name: str) -> Callable[[], float]:
            given = {"pictures": drawn, "extractor": extractor, "shards": shards}
            return lambda: call("scale:engine_seconds", engine=name, **given)[0]

        found = in_turn({name: way(name) for name in ("", *names)}, rounds)
    alone = found.pop("")
    rows = [["one process", f"{median(alone):.1f}", "1"]]
    rows += [[f"`{name}`", f"{median(one):.1f}", ratio(one, alone)] for name, one in found.items()]
    title = f"{pictures:,} pictures of 256 x 256, `{extractor}`, {shards} shards"
    table = markdown_table([title, "seconds", "times as long as one process"], rows)
    show(table, "engines", docs, name=f"engines {extractor}")


@main.command()
@click.option("--parts", default=200, show_default=True)
@click.option("--rows", default=2_048, show_default=True, help="Pictures of each part.")
@click.option("--width", default=2_048, show_default=True, help="Features of each picture.")
@click.option("--rounds", default=3, show_default=True)
@docs_option
def store(parts: int, rows: int, width: int, rounds: int, docs: Path | None) -> None:
    """A store of large parts: opened and merged, from files in the memory of the system."""
    with tempfile.TemporaryDirectory() as folder:
        call("scale:write_store", folder=folder, parts=parts, rows=rows, width=width)
        found = [call("scale:store_seconds", folder=folder)[0] for _ in range(rounds)]
    table = markdown_table(
        [f"{parts} parts of {rows:,} pictures, {width:,} features", "seconds"],
        [
            ["opened", f"{median(one['open'] for one in found):.2f}"],
            ["merged to mean and covariance", f"{median(one['merge'] for one in found):.2f}"],
        ],
    )
    show(table, "store", docs)


if __name__ == "__main__":
    main()
