"""Checks and measurements on a GPU, in stages: each in a separate process with a time limit.

    python -m benchmarks.gpu --device cuda --out found/                    all stages
    python -m benchmarks.gpu parity network --device cuda --out found/
    python -m benchmarks.gpu --toy --device cpu --out found/               a quick test

The results are in results.json and results.md in --out, also if a later stage fails; later runs add
to them. The exit code is 1 if a stage or a check failed. Nothing is downloaded: pictures are drawn,
weights come from a seed.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from benchmarks.gpu.report import describe
from benchmarks.gpu.stage import STAGES, WITHOUT_INPUTS, Plan, write_json
from benchmarks.machine import write_section
from benchmarks.processes import ROOT, child, path


def run_stages(asked: set[str], plan: Plan, results: dict[str, Any], limit: float) -> bool:
    """Run stages; return whether all of them and all their checks passed."""
    before = {"machine"} | ({"inputs"} if asked - WITHOUT_INPUTS else set())
    passed = True
    for name in (one for one in STAGES if one in asked | before):
        outcome = run_stage(name, plan, results, limit)
        line = f"{name}: {outcome['status']} in {outcome['seconds']:.0f} s. {outcome['why']}"
        click.echo(line, err=True)
        passed &= outcome["status"] == "passed"
        if name in before and not passed:
            break
    return passed


def run_stage(name: str, plan: Plan, results: dict[str, Any], limit: float) -> dict[str, Any]:
    """Run a stage in a process of its own; keep its outcome in ``results`` and in results.json.

    An outcome is ``"status"`` (passed, failed, timed out, or stopped with this process),
    ``"seconds"``, ``"why"`` it did not pass, and what :class:`stage.Recorder` wrote.
    """
    records, log = plan.out / f"{name}.json", plan.work / f"{name}.log"
    records.unlink(missing_ok=True)
    given = {"function": STAGES[name][0], "plan": asdict(plan), "file": records}
    command = child("gpu.stage:run_stage", given)
    outcome: dict[str, Any] = {"status": "stopped"}
    start = time.monotonic()
    with log.open("w") as out:
        # A session of its own, so that its child processes can be stopped with it.
        settings = {"stdout": out, "stderr": out, "start_new_session": True}
        process = subprocess.Popen(command, env=environment(plan), **settings)
        try:
            outcome["status"] = "passed" if process.wait(limit) == 0 else "failed"
        except subprocess.TimeoutExpired:
            outcome["status"] = "timed out"
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            outcome |= {"seconds": time.monotonic() - start, "found": {}, "checks": []}
            outcome |= json.loads(records.read_text()) if records.is_file() else {}
            if outcome["status"] == "passed" and not outcome["sound"]:
                outcome["status"] = "failed"
            outcome["why"] = _why(outcome, log, limit)
            results["stages"][name] = outcome
            write_json(plan.out / "results.json", results)
            records.unlink(missing_ok=True)
    return outcome


def _why(outcome: dict[str, Any], log: Path, limit: float) -> str:
    """Return why a stage did not pass: its time, failed checks and errors, or what it printed."""
    if outcome["status"] != "failed":
        return f"stopped after {limit:g} s" if outcome["status"] == "timed out" else ""
    failed = [
        f"{check['name']} is {check['value']}, expected {check['bound']}"
        for check in outcome["checks"]
        if not check["passed"]
    ]
    for error in outcome.get("errors", []):
        failed.append(f"{error['part']}: {error['error'].strip().splitlines()[-1]}")
    return " ".join(("; ".join(failed) or log.read_text(errors="replace")[-2000:]).split())


def environment(plan: Plan) -> dict[str, str]:
    """Return an environment with this checkout's mifid and command, and empty caches."""
    links = plan.work / "links"
    links.mkdir(exist_ok=True)
    if not (links / "mifid_cli").is_symlink():
        (links / "mifid_cli").symlink_to(ROOT / "cli")  # as setup.cfg names it
    caches = ("MIFID_CACHE", "TORCH_HOME", "TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR")
    given = {name: str(plan.work / name.lower()) for name in caches}
    return {**os.environ, **given, "PYTHONPATH": f"{path()['PYTHONPATH']}{os.pathsep}{links}"}


FOLDER = click.Path(file_okay=False, path_type=Path)
GIVEN = click.Path(exists=True, file_okay=False, path_type=Path, resolve_path=True)


@click.command()
@click.argument("stages", nargs=-1, type=click.Choice(list(STAGES)))
@click.option("--device", default="cuda", show_default=True, type=click.Choice(["cuda", "cpu"]))
@click.option("--out", required=True, type=FOLDER, help="Folder for the results.")
@click.option("--toy", is_flag=True, help="Run everything once, at sizes for a CPU.")
@click.option("--photos", type=GIVEN, help="Folder of JPEGs. Default: drawn.")
@click.option("--reference", type=GIVEN, help="Folder of JPEGs. Default: drawn.")
@click.option("--work", type=FOLDER, help="Folder for drawn pictures, kept. Default: temporary.")
@click.option("--limit", default=540.0, show_default=True, help="Seconds per stage.")
@click.option("--docs", type=click.Path(path_type=Path), help="Write the section into this file.")
def main(
    stages: tuple[str, ...],
    device: str,
    out: Path,
    toy: bool,
    photos: Path | None,
    reference: Path | None,
    work: Path | None,
    limit: float,
    docs: Path | None,
) -> None:
    """Run stages (default: all), each in a separate process."""
    out.mkdir(parents=True, exist_ok=True)
    results: dict[str, Any] = {"device": device, "toy": toy, "stages": {}}
    if (kept := out / "results.json").is_file():
        results = json.loads(kept.read_text())
        if (results["device"], results["toy"]) != (device, toy):
            raise click.UsageError(f"{kept} is of another --device or --toy; give another --out")
    with tempfile.TemporaryDirectory() as temporary:
        work = (work or Path(temporary)).resolve()
        work.mkdir(parents=True, exist_ok=True)
        photos, paintings = photos or work / "photos", reference or work / "paintings"
        plan = Plan(device, toy, photos, paintings, work=work, out=out.resolve())
        try:
            passed = run_stages(set(stages or STAGES), plan, results, limit)
        finally:
            text = describe(results)
            (out / "results.md").write_text(f"{text}\n")
            click.echo(text)
    if docs is not None:
        write_section(docs, "gpu", text)
    sys.exit(not passed)


if __name__ == "__main__":
    # SIGTERM also stops the running stage and reports its results.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    main()
