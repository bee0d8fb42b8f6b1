"""Stages one after the other, each in a process with a time limit; none takes another down."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from gpu_child import PREPARATIONS, STAGES, WITHOUT_PICTURES
from gpu_plan import ROOT, Plan
from gpu_recorder import last_lines
from gpu_results import Results

__all__ = ["environment", "run_stage", "run_stages"]

LOOK = 0.5
"""Seconds between looks at what a stage has found."""


def run_stages(names: Sequence[str], plan: Plan, results: Results, *, limit: float) -> bool:
    """Run stages; return whether all of them, and all of their checks, passed.

    Args:
        names: of :data:`gpu_child.STAGES`.
        plan: what they are told.
        results: where outcomes are kept, as soon as there are any.
        limit: seconds, for each.
    """
    machine = run_stage("machine", plan, limit=limit)
    results.describe(machine["found"])
    if not machine["found"].get("ready"):
        _say(machine["error"])
        return False
    if not set(names) <= WITHOUT_PICTURES:
        _say("pictures")
        drawn = run_stage("pictures", plan, limit=limit)
        results.keep("pictures", drawn)
        if drawn["status"] != "passed":
            _say(drawn["error"])
            return False
    for name in names:
        _say(name)
        outcome = run_stage(name, plan, limit=limit, results=results)
        _say(f"{name}: {outcome['status']} in {outcome['seconds']:.0f} s. {outcome['error']}")
    return all(results.stages[name]["status"] == "passed" for name in names)


def run_stage(
    name: str, plan: Plan, *, limit: float, results: Results | None = None
) -> dict[str, Any]:
    """Run a stage; return its outcome, which ``results`` keeps while it grows.

    An outcome is ``"status"`` (passed, failed, timed out, or stopped while it still runs),
    ``"seconds"``, ``"limit_seconds"``, ``"error"``, and what :class:`gpu_recorder.Recorder` keeps.
    """
    told, found, log = (plan.work / f"{name}.{kind}" for kind in ("plan", "json", "log"))
    plan.write(told)
    found.unlink(missing_ok=True)
    command = [sys.executable, str(Path(__file__).with_name("gpu_child.py"))]
    command += [(STAGES | PREPARATIONS)[name], str(told), str(found)]
    start = time.monotonic()
    with log.open("w") as said:
        process = subprocess.Popen(
            command,
            stdout=said,
            stderr=subprocess.STDOUT,
            env=environment(plan),
            start_new_session=True,  # so that what it starts can be stopped with it
        )
        try:
            while process.poll() is None and time.monotonic() - start < limit:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(min(LOOK, limit))
                if results is not None:
                    results.keep(name, _outcome(found, "stopped", start, limit))
            status = {None: "timed out", 0: "passed"}.get(process.returncode, "failed")
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    outcome = _outcome(found, status, start, limit)
    outcome["error"] = _anonymous(_why(outcome, status, limit, log), plan)
    for error in outcome["errors"]:
        error["error"] = _anonymous(error["error"], plan)
    if results is not None:
        results.keep(name, outcome)
    return outcome


def environment(plan: Plan) -> dict[str, str]:
    """This checkout's mifid and its command, whether or not it is installed; caches of its own."""
    links = plan.work / "links"
    links.mkdir(exist_ok=True)
    if not (links / "mifid_cli").is_symlink():
        (links / "mifid_cli").symlink_to(ROOT / "cli")  # as setup.cfg names it
    paths = [str(ROOT), str(links), os.environ.get("PYTHONPATH", "")]
    caches = {
        "MIFID_CACHE": "cache",
        "TORCH_HOME": "torch",
        "TORCHINDUCTOR_CACHE_DIR": "compiled",
        "TRITON_CACHE_DIR": "triton",
        "MPLCONFIGDIR": "matplotlib",
    }
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
        **{name: str(plan.work / folder) for name, folder in caches.items()},
    }


def _outcome(found: Path, status: str, start: float, limit: float) -> dict[str, Any]:
    told: dict[str, Any] = {"found": {}, "checks": [], "errors": []}
    if found.is_file():
        told = json.loads(found.read_text())
    seconds = round(time.monotonic() - start, 1)
    return {"status": status, "seconds": seconds, "limit_seconds": limit, "error": "", **told}


def _why(outcome: dict[str, Any], status: str, limit: float, log: Path) -> str:
    """Say in a few lines what went wrong; nothing if nothing did."""
    if status == "passed":
        return ""
    if status == "timed out":
        return f"stopped after {limit:g} s"
    failed = [
        f"{check['name']} is {check['value']}, expected {check['bound']}"
        for check in outcome["checks"]
        if not check["passed"]
    ]
    raised = [f"{error['part']}: {error['error'].splitlines()[-1]}" for error in outcome["errors"]]
    return "\n".join([*failed, *raised]) or last_lines(log.read_text(errors="replace"))


def _anonymous(text: str, plan: Plan) -> str:
    """Leave out where the files are on this machine."""
    for folder, name in ((plan.work, "WORK"), (plan.out, "OUT"), (ROOT, "REPO")):
        text = text.replace(str(folder), name)
    return text.replace(sys.prefix, "PYTHON")


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)
