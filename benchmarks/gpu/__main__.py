"""Checks and measurements on a GPU, in stages: each in a separate process with a time limit.

    python -m benchmarks.gpu --device cuda --out found/                    all stages
    python -m benchmarks.gpu parity network --device cuda --out found/
    python -m benchmarks.gpu --toy --device cpu --out found/               a quick test
    python -m benchmarks.gpu --report --out found/ --docs docs/benchmarks.md

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
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from benchmarks.gpu.report import describe
from benchmarks.gpu.stage import (
    DRAWN,
    PREPARATIONS,
    REAL,
    STAGES,
    TOY,
    WITHOUT_PICTURES,
    Plan,
    last_lines,
    write_json,
)
from benchmarks.machine import write_section
from benchmarks.processes import ROOT, child, path

LOOK = 0.5
"""Seconds between readings of a stage's results."""


class Results:
    """File results.json in a folder: the machine, and the outcome of each stage.

    Raises:
        click.ClickException: it holds results of another device or size.
    """

    def __init__(self, folder: Path, *, device: str, toy: bool) -> None:
        self._path = folder / "results.json"
        self.values: dict[str, Any] = {"device": device, "toy": toy, "machine": {}, "stages": {}}
        if self._path.is_file():
            kept = json.loads(self._path.read_text())
            for key in ("device", "toy"):
                if kept[key] != self.values[key]:
                    raise click.ClickException(
                        f"{self._path}: its {key} is {kept[key]}, not {self.values[key]}; "
                        "give another --out"
                    )
            self.values = kept

    @property
    def stages(self) -> dict[str, dict[str, Any]]:
        """Outcomes by stage."""
        stages: dict[str, dict[str, Any]] = self.values["stages"]
        return stages

    def keep(self, name: str, outcome: Mapping[str, Any]) -> None:
        """Save the outcome of a stage, also an incomplete one."""
        if self.stages.get(name) != outcome:
            self.stages[name] = dict(outcome)
            write_json(self._path, self.values)

    def describe(self, machine: Mapping[str, Any]) -> None:
        """Save the description of the machine."""
        self.values["machine"] = dict(machine)
        write_json(self._path, self.values)


# --- stages --------------------------------------------------------------------------------------


def run_stages(names: Sequence[str], plan: Plan, results: Results, *, limit: float) -> bool:
    """Run stages; return whether all stages and all their checks passed."""
    machine = run_stage("machine", plan, limit=limit)
    results.describe(machine["found"])
    if not machine["found"].get("ready"):
        click.echo(machine["error"], err=True)
        return False
    before = () if set(names) <= WITHOUT_PICTURES else ("pictures",)
    for name in (*before, *names):
        click.echo(name, err=True)
        outcome = run_stage(name, plan, limit=limit, results=results)
        line = f"{name}: {outcome['status']} in {outcome['seconds']:.0f} s. {outcome['error']}"
        click.echo(line, err=True)
        if name in before and outcome["status"] != "passed":
            return False
    return all(results.stages[name]["status"] == "passed" for name in names)


def run_stage(
    name: str, plan: Plan, *, limit: float, results: Results | None = None
) -> dict[str, Any]:
    """Run a stage; return its outcome, which ``results`` saves continuously.

    An outcome is ``"status"`` (passed, failed, timed out, or stopped while it still runs),
    ``"seconds"``, ``"limit_seconds"``, ``"error"``, and what :class:`stage.Recorder` keeps.
    """
    found, log = plan.work / f"{name}.json", plan.work / f"{name}.log"
    found.unlink(missing_ok=True)
    given = {"function": (STAGES | PREPARATIONS)[name], "plan": asdict(plan), "result": found}
    start = time.monotonic()
    with log.open("w") as said:
        process = subprocess.Popen(
            child("gpu.stage:run_stage", given),
            stdout=said,
            stderr=subprocess.STDOUT,
            env=environment(plan),
            start_new_session=True,  # so that its child processes can be stopped with it
        )
        try:
            while process.poll() is None and time.monotonic() - start < limit:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(min(LOOK, limit))
                if results is not None:
                    results.keep(name, _outcome(found, "stopped", start, limit))
            code = process.returncode
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    outcome = _outcome(found, "timed out" if code is None else "passed", start, limit)
    wrong = outcome["errors"] or not all(check["passed"] for check in outcome["checks"])
    if code or (code == 0 and wrong):
        outcome["status"] = "failed"
    outcome["error"] = _anonymous(_why(outcome, log), plan)
    for error in outcome["errors"]:
        error["error"] = _anonymous(error["error"], plan)
    if results is not None:
        results.keep(name, outcome)
    return outcome


def environment(plan: Plan) -> dict[str, str]:
    """Return an environment with this checkout's mifid and command, and separate caches."""
    links = plan.work / "links"
    links.mkdir(exist_ok=True)
    if not (links / "mifid_cli").is_symlink():
        (links / "mifid_cli").symlink_to(ROOT / "cli")  # as setup.cfg names it
    caches = {
        "MIFID_CACHE": "cache",
        "TORCH_HOME": "torch",
        "TORCHINDUCTOR_CACHE_DIR": "compiled",
        "TRITON_CACHE_DIR": "triton",
        "MPLCONFIGDIR": "matplotlib",
    }
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([path()["PYTHONPATH"], str(links)]),
        **{name: str(plan.work / folder) for name, folder in caches.items()},
    }


def _outcome(found: Path, status: str, start: float, limit: float) -> dict[str, Any]:
    records: dict[str, Any] = {"found": {}, "checks": [], "errors": []}
    if found.is_file():
        records = json.loads(found.read_text())
    seconds = round(time.monotonic() - start, 1)
    return {"status": status, "seconds": seconds, "limit_seconds": limit, "error": "", **records}


def _why(outcome: dict[str, Any], log: Path) -> str:
    """Return a few lines on failures; empty if there are none."""
    if outcome["status"] == "passed":
        return ""
    if outcome["status"] == "timed out":
        return f"stopped after {outcome['limit_seconds']:g} s"
    failed = [
        f"{check['name']} is {check['value']}, expected {check['bound']}"
        for check in outcome["checks"]
        if not check["passed"]
    ]
    raised = [f"{error['part']}: {error['error'].splitlines()[-1]}" for error in outcome["errors"]]
    return "\n".join([*failed, *raised]) or last_lines(log.read_text(errors="replace"))


def _anonymous(text: str, plan: Plan) -> str:
    """Replace paths of this machine by names."""
    for folder, name in ((plan.work, "WORK"), (plan.out, "OUT"), (ROOT, "REPO")):
        text = text.replace(str(folder), name)
    return text.replace(sys.prefix, "PYTHON")


# --- the command ---------------------------------------------------------------------------------

PICTURES = click.Path(exists=True, path_type=Path)
FOLDER = click.Path(file_okay=False, path_type=Path)


@click.command()
@click.argument("stages", nargs=-1, type=click.Choice(list(STAGES)))
@click.option("--device", default="cuda", show_default=True, type=click.Choice(["cuda", "cpu"]))
@click.option("--out", required=True, type=FOLDER, help="Folder for the results.")
@click.option("--toy", is_flag=True, help="Run everything once, at sizes for a CPU.")
@click.option("--photos", type=PICTURES, help="Folder or zip of JPEGs. Default: drawn.")
@click.option("--reference", type=PICTURES, help="Folder or zip of JPEGs. Default: drawn.")
@click.option("--work", type=FOLDER, help="Folder for drawn pictures.")
@click.option("--limit", default=540.0, show_default=True, help="Seconds per stage.")
@click.option("--docs", type=click.Path(path_type=Path), help="Write the section into this file.")
@click.option("--report", is_flag=True, help="Run nothing; write the section again from --out.")
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
    report: bool,
) -> None:
    """Run stages (default: all), each in a separate process."""
    out.mkdir(parents=True, exist_ok=True)
    results = Results(out, device=device, toy=toy)
    passed = True
    with ExitStack() as stack:
        work = work or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        work.mkdir(parents=True, exist_ok=True)
        sizes = TOY if toy else REAL
        plan = Plan(
            device=device,
            toy=toy,
            photos=_folder(photos, work / DRAWN / f"photos-{sizes.photos}"),
            paintings=_folder(reference, work / DRAWN / f"paintings-{sizes.paintings}"),
            work=work.resolve(),
            out=out.resolve(),
        )
        try:
            if not report:
                passed = run_stages(stages or list(STAGES), plan, results, limit=limit)
        finally:
            text = describe(results.values)
            (out / "results.md").write_text(f"{text}\n")
            if docs is not None:
                write_section(docs, "gpu", text)
    click.echo(text)
    sys.exit(not passed)


def _folder(given: Path | None, otherwise: Path) -> Path:
    """Return a folder of JPEGs: the given one, the contents of a zip, or the drawn ones."""
    if given is None:
        return otherwise.resolve()
    if given.is_dir():
        return given.resolve()
    into = otherwise.parents[1] / f"{given.stem}-{otherwise.name}"
    into.mkdir(exist_ok=True)
    with zipfile.ZipFile(given) as archive:
        for name in archive.namelist():
            if name.lower().endswith(".jpg"):
                (into / Path(name).name).write_bytes(archive.read(name))
    return into.resolve()


if __name__ == "__main__":
    # SIGTERM also stops the running stage and reports its results.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    main()
