"""Speed of mifid and other tools, from process start to number.

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
from typing import Any

import click

from benchmarks.machine import again, check_outputs, write_section
from benchmarks.peers.job import Job, describe_inputs, input_options, make_job, prepare
from benchmarks.peers.speed_report import (
    PLOT,
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


def measure(tools: Sequence[str], job: Job, rounds: int) -> Speed:
    """Run all tools in each round; ``job`` holds the prepared inputs."""
    found = []
    for number in range(rounds):
        runs = {}
        # Every second round in reverse order, so that a slowing machine affects all tools alike.
        for tool in tools if number % 2 == 0 else reversed(tools):
            _say(f"round {number + 1} of {rounds}: {tool}")
            runs[tool] = run_states(tool, job)
        found.append({tool: runs[tool] for tool in tools})
    starts = {}
    for name, arguments in STARTS.items():
        _say(name)
        starts[name] = [run([sys.executable, *arguments]).seconds for _ in range(STARTED)]
    return Speed(found, starts)


def _say(what: str) -> None:
    click.echo(what, err=True)


def _first(folder: Path, limit: int, into: Path) -> Path:
    """Return a new folder of links to the first pictures of a folder, by name."""
    into.mkdir()
    for file in pictures_of(folder)[:limit]:
        (into / file.name).symlink_to(file.resolve())
    return into


@click.command()
@input_options(draw=(1000, 300))
@click.option("--limit", type=click.IntRange(2), help="Use only the first pictures of --generated.")
@click.option("--tools", default=DEFAULT, show_default=True, help=f"From: {', '.join(TOOLS)}.")
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True)
@click.option("--batch-size", type=click.IntRange(1), help="Default: each tool's own.")
def main(
    draw: tuple[int, int],
    limit: int | None,
    tools: str,
    rounds: int,
    batch_size: int | None,
    docs: Path,
    json_file: Path | None,
    **given: Any,
) -> None:
    """Time mifid and other tools as whole processes; write tables and a plot into --docs.

    If a tool fails, or has mifid's resize but other numbers, the exit code is 1, and --docs is not
    changed.
    """
    chosen = choose(tools)
    check_outputs(docs, json_file)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        job = make_job(folder, given, draw=draw, batch_size=batch_size)
        _say("preparing pictures and weights")
        prepare(job, script="clean-fid-tensorflow" in chosen)
        if limit is not None:
            job = replace(job, generated=_first(job.generated, limit, folder / "first"))
        speed = measure(chosen, job, rounds)
    about = describe_inputs(given, speed.pictures)
    text = describe_speed(speed, about=about, repeat=again("peers.speed"))
    click.echo(text)
    if json_file:
        json_file.write_text(json.dumps({"about": about, **asdict(speed)}, indent=1))
    if said := [line for one in speed.rounds for line in disagreements(one)]:
        raise click.ClickException("\n".join(said))
    plot_speed(speed, docs.parent / PLOT)
    write_section(docs, "speed", text)


if __name__ == "__main__":
    main()
