"""How fast mifid and its peers are, from process start to number, beside what the machine can do.

    python -m benchmarks.peers.speed                    drawn pictures, 40 minutes on two cores
    python -m benchmarks.peers.speed --generated mine/ --reference monet_jpg/ --limit 1000
    python -m benchmarks.peers.speed --draw 8 8 --rounds 1 --tools torch-fidelity      a first look

Each tool runs as a process of its own, one after the other, on the CPU, with the batch size and the
number of decoding workers that are its own defaults. The peers get the weights in their own way
(see job.py), so nothing is downloaded.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import click

from benchmarks.machine import again, write_section
from benchmarks.peers.job import (
    FILE,
    FOLDER,
    Job,
    check_outputs,
    make_job,
    name_of,
    prepare,
)
from benchmarks.peers.roof import LIBRARIES, cost_of_a_picture, network_rate, product_rate
from benchmarks.peers.speed_report import (
    PLOT,
    Round,
    Speed,
    describe_speed,
    disagreements,
    plot_speed,
)
from benchmarks.peers.tools import TOOLS, choose, run_states
from benchmarks.pictures import pictures_of
from benchmarks.processes import run

DEFAULT = "mifid,mifid-torch,torch-fidelity,pytorch-fid,clean-fid-tensorflow,torchmetrics-fid"

STARTS = {"mifid --help": ["-m", "mifid_cli", "--help"], "import mifid": ["-c", "import mifid"]}
STARTED = 7
"""How often each."""

DRAWN = (1000, 300)


def measure(
    tools: Sequence[str],
    job: Job,
    *,
    rounds: int,
    libraries: Sequence[str],
    roof_seconds: float,
) -> Speed:
    """Run everything in each round; what was prepared is in ``job``."""

    def products() -> dict[str, float]:
        _say("matrix products")
        return {library: product_rate(library, roof_seconds) for library in libraries}

    found: list[Round] = []
    before = products()
    for number in range(rounds):
        runs, networks = {}, {}
        # Backwards every other round: a machine that slows down must not tell against the last.
        for tool in tools if number % 2 == 0 else reversed(tools):
            _say(f"round {number + 1} of {rounds}: {tool}")
            runs[tool] = run_states(tool, job)
        for tool in _with_networks(tools):
            _say(f"round {number + 1} of {rounds}: the network of {tool} by itself")
            networks[tool] = network_rate(tool, job, 3 * roof_seconds)
        after = products()
        # A roof is the most that could be: other work on the machine must not lower it.
        best = {library: max(before[library], after[library]) for library in libraries}
        found.append(Round({tool: runs[tool] for tool in tools}, best, networks))
        before = after
    return Speed(found, _starts(), cost_of_a_picture(job))


def _with_networks(tools: Sequence[str]) -> list[str]:
    # The stock extractor is what backend torch is measured by.
    return ["mifid", "mifid-torch", "torch-fidelity"] if "mifid-torch" in tools else ["mifid"]


def _starts() -> dict[str, list[float]]:
    found = {}
    for name, arguments in STARTS.items():
        _say(name)
        found[name] = [run([sys.executable, *arguments]).seconds for _ in range(STARTED)]
    return found


def _say(what: str) -> None:
    click.echo(what, err=True)


def _first(folder: Path, limit: int, into: Path) -> Path:
    """Return a folder of links to the first pictures of another, by name."""
    into.mkdir()
    for file in pictures_of(folder)[:limit]:
        (into / file.name).symlink_to(file.resolve())
    return into


@click.command()
@click.option("--generated", type=FOLDER, help="Folder of generated pictures; else some are drawn.")
@click.option("--reference", type=FOLDER, help="Folder of real pictures; else some are drawn.")
@click.option("--draw", type=(int, int), default=DRAWN, show_default=True, help="How many.")
@click.option("--limit", type=click.IntRange(2), help="Only the first so many of --generated.")
@click.option("--about", help="What the pictures are, for the report.")
@click.option("--weights", type=FILE, help="A state dict; else mifid's inception-random.")
@click.option(
    "--tools", default=DEFAULT, show_default=True, help=f"By commas. All: {', '.join(TOOLS)}."
)
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True)
@click.option("--batch-size", type=click.IntRange(1), help="For all. Default: each tool's own.")
@click.option(
    "--libraries",
    default=",".join(LIBRARIES),
    show_default=True,
    help="Whose matrix products give the roof.",
)
@click.option(
    "--roof-seconds",
    type=click.FloatRange(0),
    default=1.5,
    show_default=True,
    help="How long each matrix product is timed; the network alone three times as long.",
)
@click.option("--docs", type=FILE, default=Path("docs/benchmarks.md"), show_default=True)
@click.option("--json", "json_file", type=FILE, help="Where to keep every round's numbers.")
def main(
    generated: Path | None,
    reference: Path | None,
    draw: tuple[int, int],
    limit: int | None,
    about: str | None,
    weights: Path | None,
    tools: str,
    rounds: int,
    batch_size: int | None,
    libraries: str,
    roof_seconds: float,
    docs: Path,
    json_file: Path | None,
) -> None:
    """Time mifid and its peers as whole processes; write tables and a plot into --docs.

    Exits with 1, and leaves --docs as it is, if a tool fails, or disagrees though its resize is
    mifid's.
    """
    chosen = choose(tools, TOOLS)
    asked = _libraries(libraries)
    check_outputs(docs, json_file)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        job = make_job(
            folder,
            generated=generated,
            reference=reference,
            weights=weights,
            draw=draw,
            batch_size=batch_size,
        )
        _say("preparing pictures and weights")
        prepare(job, script="clean-fid-tensorflow" in chosen)
        if limit is not None:
            job = replace(job, generated=_first(job.generated, limit, folder / "first"))
        speed = measure(
            chosen,
            job,
            rounds=rounds,
            libraries=asked,
            roof_seconds=roof_seconds,
        )
    if about is None:
        about = "{:,} generated pictures against {:,}".format(*speed.pictures)
        about += "" if generated and reference else ", drawn by mifid"
    about += f", with {name_of(weights)}"
    text = describe_speed(speed, about=about, repeat=again("peers.speed"))
    click.echo(text)
    if json_file:
        json_file.write_text(json.dumps({"about": about, **asdict(speed)}, indent=1))
    if said := [line for one in speed.rounds for line in disagreements(one)]:
        raise click.ClickException("\n".join(said))
    plot_speed(speed, docs.parent / PLOT)
    write_section(docs, "speed", text)


def _libraries(names: str) -> list[str]:
    given = [name for name in names.split(",") if name]
    if unknown := sorted(set(given) - set(LIBRARIES)):
        there = ", ".join(sorted(LIBRARIES))
        raise click.UsageError(f"--libraries: unknown: {', '.join(unknown)}. There are: {there}.")
    return given


if __name__ == "__main__":
    main()
