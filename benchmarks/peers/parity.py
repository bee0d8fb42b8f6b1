"""Agreement of mifid with other tools that compute FID, on the same pictures and weights.

    python -m benchmarks.peers.parity                                  drawn pictures, a few minutes
    python -m benchmarks.peers.parity --generated mine/ --reference monet_jpg/
    python -m benchmarks.peers.parity --tools mifid,torch-fidelity --draw 6 6

Each tool runs in a separate process, one after the other, on the CPU, with a common batch size and
its own default number of decoding workers. The other tools get the weights in their own way (see
job.py), so nothing is downloaded.
"""

from __future__ import annotations

import json
import statistics
import tempfile
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click

from benchmarks.machine import again, describe_machine, markdown_table, write_section
from benchmarks.peers.job import (
    FILE,
    FOLDER,
    STAGES,
    TOLERANCE,
    Job,
    check_outputs,
    differences,
    make_job,
    name_of,
    prepare,
)
from benchmarks.peers.tools import TF1, TOOLS, choose
from benchmarks.processes import call

Round = dict[str, dict[str, Any]]
"""Tool -> its numbers, its seconds by stage, its CPU seconds and memory."""


def _run_all(tools: list[str], job: Job, rounds: int) -> list[Round]:
    prepare(job, script="clean-fid-tensorflow" in tools, convert=True)
    found: list[Round] = []
    for number in range(rounds):
        found.append({})
        for tool in tools:
            click.echo(f"round {number + 1} of {rounds}: {tool}", err=True)
            given = {"tool": tool, "job": asdict(job)}
            numbers, done = call("peers.tools:run_stages", env=job.environment, **given)
            costs = {key: done.costs[key] for key in ("cpu_seconds", "peak_mib")}
            found[-1][tool] = {**numbers, **costs, "total_seconds": done.seconds}
    return found


def disagreements(found: Round) -> list[str]:
    """Return messages on tools with other pictures than mifid, or other numbers at its resize."""
    ours = found["mifid"]
    return [
        line
        for tool, theirs in found.items()
        for line in differences(tool, theirs, ours, same_resize=TOOLS[tool].resize == TF1)
    ]


def _report(rounds: list[Round], *, about: str, repeat: str) -> str:
    tools = list(rounds[0])
    times = "once" if len(rounds) == 1 else f"{len(rounds)} times, in turn"
    machine = describe_machine(("torch", "numpy", "scipy", "pillow"))
    notes = "\n".join(f"- **{tool}**: {TOOLS[tool].note}" for tool in tools)
    return f"""\
## Agreement with other tools

{about}. Every tool ran {times}, in a separate process, on the CPU.

Machine: {machine}.

{_numbers_table(rounds[0])}

{_costs_table(rounds)}

Tools with mifid's resize must agree with it within {TOLERANCE:g}, or the benchmark fails. The other
tools give different numbers, because their networks get different pixels. The memorization distance
is Kaggle's: a mean over the generated pictures of the smallest distance to a reference picture. The
reversed one, which torchmetrics computes, is a mean over the reference pictures of the smallest
distance to a generated picture. MiFID uses epsilon 0.1.

Ratios are relative to mifid in the same round. CPU seconds include the decoding processes. Use
their ratio to compare tools: if other programs used the cores (CPU seconds far below the total
times the cores), the total depends on them. The total includes starting and ending Python. Peak
memory is that of a tool's largest process. For mifid, which decodes in threads, it includes
decoding; the decoding processes of the other tools need more memory on top.

{notes}

To repeat this:

```sh
pip install -e '.[peers]'
{repeat}
```"""


def _numbers_table(found: Round) -> str:
    header = "Tool|Version|Resize|FID|Relative to mifid's|Memorization distance|Reversed|MiFID"
    ours = found["mifid"]["fid"]
    rows = []
    for tool, row in found.items():
        difference = "" if tool == "mifid" else f"{row['fid'] / ours - 1:+.1e}"
        shown = [_digits(row[key]) for key in ("fid", "distance", "reversed", "mifid")]
        name = [tool, version(TOOLS[tool].package), TOOLS[tool].resize]
        rows.append([*name, shown[0], difference, *shown[1:]])
    return markdown_table(header.split("|"), rows)


def _costs_table(rounds: list[Round]) -> str:
    header = "Tool|Workers|Import s|Load s|Extract s|Distance s|Total s|Ratio|CPU s|Ratio"
    header += "|Peak MiB|Ratio"
    rows = []
    for tool in rounds[0]:
        shown = [tool, str(rounds[0][tool]["workers"])]
        for stage in STAGES:
            seconds = statistics.median(found[tool]["seconds"][stage] for found in rounds)
            shown.append(f"{seconds:.2f}")
        for key, digits in (("total_seconds", 1), ("cpu_seconds", 1), ("peak_mib", 0)):
            value = statistics.median(found[tool][key] for found in rounds)
            # Ratios within a round, since the load of the machine is most similar there.
            ratio = statistics.median(found[tool][key] / found["mifid"][key] for found in rounds)
            shown += [f"{value:.{digits}f}", f"{ratio:.2f}"]
        rows.append(shown)
    return markdown_table(header.split("|"), rows)


def _digits(number: float | None) -> str:
    return "" if number is None else f"{number:.8g}"


@click.command()
@click.option("--generated", type=FOLDER, help="Folder of generated pictures. Default: drawn.")
@click.option("--reference", type=FOLDER, help="Folder of real pictures. Default: drawn.")
@click.option(
    "--draw", type=(int, int), default=(96, 64), show_default=True, help="Numbers to draw."
)
@click.option("--about", help="Description of the pictures, for the report.")
@click.option("--weights", type=FILE, help="A state dict. Default: mifid's inception-random.")
@click.option(
    "--tools", default=",".join(TOOLS), show_default=True, help="Names, separated by commas."
)
@click.option("--rounds", type=click.IntRange(1), default=1, show_default=True)
@click.option("--batch-size", type=click.IntRange(1), default=32, show_default=True)
@click.option("--docs", type=FILE, default=Path("docs/benchmarks.md"), show_default=True)
@click.option("--json", "json_file", type=FILE, help="Write the numbers of all rounds.")
def main(
    generated: Path | None,
    reference: Path | None,
    draw: tuple[int, int],
    about: str | None,
    weights: Path | None,
    tools: str,
    rounds: int,
    batch_size: int,
    docs: Path,
    json_file: Path | None,
) -> None:
    """Run mifid and other tools on the same pictures and weights; write the tables into --docs.

    If a tool fails, or has mifid's resize but other numbers, the exit code is 1, and --docs is not
    changed.
    """
    chosen = choose(tools, TOOLS)
    check_outputs(docs, json_file)
    with tempfile.TemporaryDirectory() as temporary:
        job = make_job(
            Path(temporary),
            generated=generated,
            reference=reference,
            weights=weights,
            draw=draw,
            batch_size=batch_size,
        )
        found = _run_all(chosen, job, rounds)
    if about is None:
        about = "{} generated pictures against {}".format(*found[0]["mifid"]["pictures"])
        about += "" if generated and reference else ", drawn by mifid"
    about += f", in batches of {batch_size}, with {name_of(weights)}"
    text = _report(found, about=about, repeat=again("peers.parity"))
    click.echo(text)
    if json_file:
        json_file.write_text(json.dumps({"about": about, "rounds": found}, indent=1))
    said = [line for one in found for line in disagreements(one)]
    if said:
        raise click.ClickException("\n".join(said))
    write_section(docs, "parity", text)


if __name__ == "__main__":
    main()
