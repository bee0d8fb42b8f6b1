"""The same pictures and the same weights through mifid and the tools that compute FID.

    python benchmarks/parity.py                                  drawn pictures, a few minutes
    python benchmarks/parity.py --generated mine/ --reference monet_jpg/
    python benchmarks/parity.py --tools mifid,torch-fidelity --draw 6 6

Each tool runs as a process of its own, one after the other, on the CPU, with the batch size that
is given to all and the number of decoding workers that is its own default. The peers get the
weights in their own way (see prepared.py), so nothing is downloaded.
"""

from __future__ import annotations

import hashlib
import json
import statistics
import sys
import tempfile
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import click
from machine import Measured, describe_machine, markdown_table, run_measured, write_section
from peers import STAGES, TF1, TOOLS, Job, Stages
from prepared import PREPARATIONS

TOLERANCE = 1e-4
"""How far a tool with the same resize may be from mifid, relative."""

Round = dict[str, dict[str, Any]]
"""By tool: its numbers, its seconds by stage, and what else it cost."""


def _run_all(tools: list[str], job: Job, rounds: int) -> list[Round]:
    _child("prepare", job)
    if "clean-fid-tensorflow" in tools:
        _child("script", job)
    found: list[Round] = []
    for number in range(rounds):
        found.append({})
        for tool in tools:
            click.echo(f"round {number + 1} of {rounds}: {tool}", err=True)
            measured = _child(tool, job)
            found[-1][tool] = {
                **json.loads(measured.stdout.splitlines()[-1]),
                "total_seconds": measured.seconds,
                "cpu_seconds": measured.cpu_seconds,
                "peak_mib": measured.peak_mib,
            }
    return found


def _child(task: str, job: Job) -> Measured:
    """Do a task in a process of its own; nothing may remain in memory from one to the next."""
    command = [sys.executable, __file__, "--child", task, json.dumps(asdict(job), default=str)]
    measured = run_measured(
        command, env={"TORCH_HOME": str(job.peers), "MIFID_CACHE": str(job.peers)}
    )
    if measured.code:
        raise click.ClickException(f"{task} failed:\n{measured.stderr[-2000:]}")
    return measured


def _be_child(task: str, given: str) -> None:
    values: dict[str, Any] = json.loads(given)
    paths = {key: Path(value) for key, value in values.items() if isinstance(value, str)}
    job = Job(**{**values, **paths})
    if task in PREPARATIONS:
        PREPARATIONS[task](job)
        return
    stages = Stages()
    numbers = TOOLS[task].run(job, stages)
    print(json.dumps({**asdict(numbers), "seconds": stages.seconds}))


def disagreements(found: Round) -> list[str]:
    """Say which tools met other pictures than mifid, or differ though their resize is the same."""
    ours, said = found["mifid"], []
    for tool, theirs in found.items():
        if theirs["pictures"] != ours["pictures"]:
            said.append(f"{tool} met {theirs['pictures']} pictures, mifid {ours['pictures']}")
        for key in ("fid", "distance", "reversed"):
            if TOOLS[tool].resize == TF1 and theirs[key] is not None:
                difference = theirs[key] / ours[key] - 1
                if not abs(difference) <= TOLERANCE:  # so, NaN is caught
                    said.append(f"{tool}: {key} is {difference:+.1e} from mifid's, relative")
    return said


# --- the report ----------------------------------------------------------------------------------


def _report(rounds: list[Round], *, about: str, repeat: str) -> str:
    tools = list(rounds[0])
    times = "once" if len(rounds) == 1 else f"{len(rounds)} times, in turn"
    machine = describe_machine(("torch", "numpy", "scipy", "pillow"))
    notes = "\n".join(f"- **{tool}**: {TOOLS[tool].note}" for tool in tools)
    return f"""\
## The same pictures and weights through other tools

{about}. Every tool ran {times}, as a process of its own, on the CPU.

Machine: {machine}.

{_numbers_table(rounds[0])}

{_costs_table(rounds)}

Tools with mifid's resize have to agree with it within {TOLERANCE:g}, or the benchmark fails. The
others' numbers are other numbers, because they show the network other pixels. The memorization
distance is Kaggle's, a mean over the generated pictures of the least distance to a reference
picture; reversed, it is a mean over the reference pictures of the least distance to a generated
one, which is what torchmetrics takes. MiFID is with epsilon 0.1.

Ratios are to mifid's, within a round. CPU seconds include the decoding processes, and their ratio
is the one to quote: where other work had the cores (CPU seconds far below the total times the
cores), the total and its ratio say more about that than about the tool. The total includes starting
and ending Python. Peak memory is that of a tool's largest process: mifid decodes in threads, so it
includes them; the peers' decoding processes come on top of theirs.

{notes}

To repeat it:

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
            # Ratios within a round, when the machine is most alike.
            ratio = statistics.median(found[tool][key] / found["mifid"][key] for found in rounds)
            shown += [f"{value:.{digits}f}", f"{ratio:.2f}"]
        rows.append(shown)
    return markdown_table(header.split("|"), rows)


def _digits(number: float | None) -> str:
    return "" if number is None else f"{number:.8g}"


# --- the command ---------------------------------------------------------------------------------

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.option("--generated", type=FOLDER, help="Folder of generated pictures; else some are drawn.")
@click.option("--reference", type=FOLDER, help="Folder of real pictures; else some are drawn.")
@click.option("--draw", type=(int, int), default=(96, 64), show_default=True, help="How many.")
@click.option("--about", help="What the pictures are, for the report.")
@click.option("--weights", type=FILE, help="A state dict; else mifid's inception-random.")
@click.option("--tools", default=",".join(TOOLS), show_default=True, help="Which, by commas.")
@click.option("--rounds", type=click.IntRange(1), default=1, show_default=True)
@click.option("--batch-size", type=click.IntRange(1), default=32, show_default=True)
@click.option("--docs", type=FILE, default=Path("docs/benchmarks.md"), show_default=True)
@click.option("--json", "json_file", type=FILE, help="Where to keep every round's numbers.")
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
    """Run mifid and its peers on the same pictures and weights; write the tables into --docs.

    Exits with 1, and leaves --docs as it is, if a tool fails, or disagrees though its resize is
    mifid's.
    """
    chosen = _choose(tools)
    for file in filter(None, (docs, json_file)):  # now, not after the work
        if not file.parent.is_dir():
            raise click.UsageError(f"{file}: there is no folder {file.parent}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        job = Job(
            generated=generated or folder / "generated",
            reference=reference or folder / "reference",
            weights=weights or folder / "inception-random.pth",
            peers=folder / "peers",
            batch_size=batch_size,
            draw=draw,
        )
        found = _run_all(chosen, job, rounds)
    if about is None:
        about = "{} generated pictures against {}".format(*found[0]["mifid"]["pictures"])
        about += "" if generated and reference else ", drawn by mifid"
    about += f", in batches of {batch_size}, with {_name_of(weights)}"
    repeat = "python benchmarks/parity.py" + "".join(
        f" {option} {placeholder}"
        for option, placeholder, given in (
            ("--generated", "FOLDER", generated),
            ("--reference", "FOLDER", reference),
            ("--weights", "FILE", weights),
            ("--rounds", rounds, rounds > 1),
        )
        if given
    )
    text = _report(found, about=about, repeat=repeat)
    click.echo(text)
    if json_file:
        json_file.write_text(json.dumps({"about": about, "rounds": found}, indent=1))
    said = [line for one in found for line in disagreements(one)]
    if said:
        raise click.ClickException("\n".join(said))
    write_section(docs, "parity", text)


def _choose(tools: str) -> list[str]:
    asked = {"mifid", *tools.split(",")}
    if unknown := sorted(asked - TOOLS.keys()):
        raise click.UsageError(f"unknown: {', '.join(unknown)}. There are: {', '.join(TOOLS)}.")
    chosen = [tool for tool in TOOLS if tool in asked]
    for tool in chosen:
        try:
            version(TOOLS[tool].package)
        except PackageNotFoundError as error:
            hint = "pip install -e '.[peers]', or leave it out with --tools"
            raise click.ClickException(f"{tool} is not installed: {hint}") from error
    return chosen


def _name_of(weights: Path | None) -> str:
    if weights is None:
        return "mifid's `inception-random` weights (seeded, not trained)"
    return f"weights of sha256 {hashlib.sha256(weights.read_bytes()).hexdigest()[:8]}..."


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        _be_child(*sys.argv[2:])
    else:
        main()
