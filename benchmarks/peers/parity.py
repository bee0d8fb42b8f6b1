"""Agreement of mifid with other tools that compute FID, on the same pictures and weights.

    python -m benchmarks.peers.parity                                  drawn pictures, a few minutes
    python -m benchmarks.peers.parity --generated mine/ --reference monet_jpg/
    python -m benchmarks.peers.parity --tools mifid,torch-fidelity --draw 6 6

Each tool runs in a separate process, one after the other, on the CPU, with a common batch size. The
other tools get the weights in their own way (see job.py), so nothing is downloaded.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click

from benchmarks.machine import (
    again,
    check_outputs,
    describe_machine,
    markdown_table,
    write_section,
)
from benchmarks.peers.job import Job, describe_inputs, input_options, make_job, prepare
from benchmarks.peers.tools import (
    TOLERANCE,
    TOOLS,
    Result,
    choose,
    differences,
    run_cold,
    run_mifid,
)


def run_all(tools: list[str], job: Job) -> dict[str, Result]:
    """Run every tool once; mifid also with the sides exchanged, for the reversed distance."""
    prepare(job, script="clean-fid-tensorflow" in tools)
    swapped = replace(job, generated=job.reference, reference=job.generated)
    found = {}
    for tool in tools:
        click.echo(tool, err=True)
        if TOOLS[tool].package == "mifid":
            with tempfile.TemporaryDirectory() as cache:
                found[tool] = run_mifid(tool, job, cache)
                other = run_mifid(tool, swapped, cache).distance
            found[tool] = replace(found[tool], reversed=other)
        else:
            found[tool] = run_cold(tool, job)
    return found


def report(found: Mapping[str, Result], *, about: str, repeat: str) -> str:
    """Return the section."""
    notes = "\n".join(f"- **{tool}**: {TOOLS[tool].note}" for tool in found)
    return f"""\
## Agreement with other tools

{about}. Every tool ran once, in a separate process, on the CPU.

Machine: {describe_machine(("torch", "numpy", "scipy", "pillow"))}.

{_table(found)}

Tools with mifid's resize must agree with it within {TOLERANCE:g}, or the benchmark fails. The other
tools give different numbers, because their networks get different pixels. The memorization distance
is Kaggle's: a mean over the generated pictures of the smallest distance to a reference picture. The
reversed one, which torchmetrics computes, is a mean over the reference pictures of the smallest
distance to a generated picture. MiFID uses epsilon 0.1.

{notes}

To repeat this:

```sh
pip install -e '.[peers]'
{repeat}
```"""


def _table(found: Mapping[str, Result]) -> str:
    header = "Tool|Version|Resize|FID|Relative to mifid's|Memorization distance|Reversed|MiFID"
    ours = found["mifid"].fid
    rows = []
    for tool, one in found.items():
        difference = "" if tool == "mifid" else f"{one.fid / ours - 1:+.1e}"
        numbers = (one.fid, one.distance, one.reversed, one.mifid)
        shown = ["" if number is None else f"{number:.8g}" for number in numbers]
        name = [tool, version(TOOLS[tool].package), TOOLS[tool].resize]
        rows.append([*name, shown[0], difference, *shown[1:]])
    return markdown_table(header.split("|"), rows)


@click.command()
@input_options(draw=(96, 64))
@click.option("--tools", default=",".join(TOOLS), show_default=True, help="Separated by commas.")
@click.option("--batch-size", type=click.IntRange(1), default=32, show_default=True)
def main(
    tools: str,
    draw: tuple[int, int],
    batch_size: int,
    docs: Path,
    json_file: Path | None,
    **given: Any,
) -> None:
    """Run mifid and other tools on the same pictures and weights; write the table into --docs.

    If a tool fails, or has mifid's resize but other numbers, the exit code is 1, and --docs is not
    changed.
    """
    chosen = choose(tools)
    check_outputs(docs, json_file)
    with tempfile.TemporaryDirectory() as folder:
        found = run_all(chosen, make_job(Path(folder), given, draw=draw, batch_size=batch_size))
    about = describe_inputs(given, found["mifid"].pictures or (0, 0))
    about += f", in batches of {batch_size}"
    text = report(found, about=about, repeat=again("peers.parity"))
    click.echo(text)
    if json_file:
        json_file.write_text(json.dumps({name: asdict(one) for name, one in found.items()}))
    if said := differences(found, found["mifid"]):
        raise click.ClickException("\n".join(said))
    write_section(docs, "parity", text)


if __name__ == "__main__":
    main()
