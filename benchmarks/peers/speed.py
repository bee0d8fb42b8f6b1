"""Speed of mifid and other tools, from process start to number, and the limit of the machine.

    python -m benchmarks.peers.speed                    drawn pictures, 40 minutes on two cores
    python -m benchmarks.peers.speed --generated mine/ --reference monet_jpg/ --limit 1000
    python -m benchmarks.peers.speed --draw 8 8 --rounds 1 --tools torch-fidelity      a first look

Each tool runs in a separate process, one after the other, on the CPU, with its own default batch
size and number of decoding workers. The other tools get the weights in their own way (see job.py),
so nothing is downloaded.
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
"""Runs of each command."""

DRAWN = (1000, 300)


def measure(
    tools: Sequence[str],
    job: Job,
    *,
    rounds: int,
    libraries: Sequence[str],
    roof_seconds: float,
) -> Speed:
    """Run all tools in each round; ``job`` holds the prepared inputs."""

    def products() -> dict[str, float]:
        _say("matrix products")
        return {library: product_rate(library, roof_seconds) for library in libraries}

    found: list[Round] = []
    before = products()
    for number in range(rounds):
        runs, networks = {}, {}
        # Every second round in reverse order, so that a slowing machine affects all tools alike.
        for tool in tools if number % 2 == 0 else reversed(tools):
            _say(f"round {number + 1} of {rounds}: {tool}")
            runs[tool] = run_states(tool, job)
        for tool in _with_networks(tools):
            _say(f"round {number + 1} of {rounds}: the network of {tool} alone")
            networks[tool] = network_rate(tool, job, 3 * roof_seconds)
        after = products()
        # A roof is a maximum: other work on the machine must not lower it.
        best = {library: max(before[library], after[library]) for library in libraries}
        found.append(Round({tool: runs[tool] for tool in tools}, best, networks))
        before = after
    return Speed(found, _starts(), cost_of_a_picture(job))


def _with_networks(tools: Sequence[str]) -> list[str]:
    # Backend torch is compared with the stock extractor.
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
    """Return a new folder of links to the first pictures of a folder, by name."""
    into.mkdir()
    for file in pictures_of(folder)[:limit]:
        (into / file.name).symlink_to(file.resolve())
    return into


@click.command()
@click.option("--generated", type=FOLDER, help="Folder of generated pictures. Default: drawn.")
@click.option("--reference", type=FOLDER, help="Folder of real pictures. Default: drawn.")
@click.option("--draw", type=(int, int), default=DRAWN, show_default=True, help="Numbers to draw.")
@click.option("--limit", type=click.IntRange(2), help="Use only the first pictures of --generated.")
@click.option("--about", help="Description of the pictures, for the report.")
@click.option("--weights", type=FILE, help="A state dict. Default: mifid's inception-random.")
@click.option(
    "--tools", default=DEFAULT, show_default=True, help=f"Names from: {', '.join(TOOLS)}."
)
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True)
@click.option(
    "--batch-size", type=click.IntRange(1), help="For all tools. Default: each tool's own."
)
@click.option(
    "--libraries",
    default=",".join(LIBRARIES),
    show_default=True,
    help="Libraries whose matrix products give the roof.",
)
@click.option(
    "--roof-seconds",
    type=click.FloatRange(0),
    default=1.5,
    show_default=True,
    help="Time for each matrix product; the network alone takes three times as long.",
)
@click.option("--docs", type=FILE, default=Path("docs/benchmarks.md"), show_default=True)
@click.option("--json", "json_file", type=FILE, help="Write the numbers of all rounds.")
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
    """Time mifid and other tools as whole processes; write tables and a plot into --docs.

    If a tool fails, or has mifid's resize but other numbers, the exit code is 1, and --docs is not
    changed.
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
