"""A task in a process of its own: nothing may remain in memory from one to the next.

Tasks are the tools of peers.py and the preparations of prepared.py.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from machine import Measured, run_measured
from peer_job import Job, Stages
from peers import TOOLS
from prepared import PREPARATIONS

__all__ = ["environment", "prepare", "run_child"]


def prepare(tools: list[str], job: Job) -> None:
    """Draw pictures that are missing, and lay out the weights where these tools look for them."""
    run_child("prepare", job)
    if "clean-fid-tensorflow" in tools:
        run_child("script", job)


def run_child(task: str, job: Job) -> Measured:
    """Do a task; a tool prints its `Numbers` and seconds by stage as a line of JSON.

    Raises:
        click.ClickException: it failed.
    """
    command = [sys.executable, __file__, task, json.dumps(asdict(job), default=str)]
    measured = run_measured(command, env=environment(job))
    if measured.code:
        raise click.ClickException(f"{task} failed:\n{measured.stderr[-2000:]}")
    return measured


def environment(job: Job) -> dict[str, str]:
    """Where peers and mifid find what was prepared for them."""
    return {"TORCH_HOME": str(job.peers), "MIFID_CACHE": str(job.peers)}


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


if __name__ == "__main__":
    _be_child(*sys.argv[1:])
