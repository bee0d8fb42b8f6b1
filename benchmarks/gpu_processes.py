"""Whole processes: mifid's command, timed and read."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from machine import Measured, run_measured

__all__ = ["Scored", "import_seconds", "ran", "score"]

IMPORTS = (
    "import mifid_cli.main, mifid.scoring, mifid.uncertainty.assessment, torch\n"
    "import mifid.extractors.backends.torch_backend, mifid.extractors.inception\n"
    "import torch_fidelity.feature_extractor_inceptionv3\n"
)
"""What `mifid score` imports on its way, most of it torch."""


@dataclass(frozen=True)
class Scored:
    """What a run of `mifid score` found, ``told`` as its JSON, and took."""

    told: dict[str, Any]
    seconds: float
    cpu_seconds: float
    peak_mib: float


def score(
    images: Path,
    reference: Path,
    *options: str,
    env: Mapping[str, str] | None = None,
) -> Scored:
    """Run `mifid score IMAGES --ref REFERENCE --json` with more options.

    Raises:
        RuntimeError: it failed; the message is what it said.
    """
    command = [sys.executable, "-m", "mifid_cli", "score", str(images), "--ref", str(reference)]
    done = ran([*command, "--json", *options], env=env)
    return Scored(json.loads(done.stdout), done.seconds, done.cpu_seconds, done.peak_mib)


def import_seconds(env: Mapping[str, str] | None = None) -> float:
    """Return the time of a process that starts, imports what `mifid score` does, and ends."""
    return ran([sys.executable, "-c", IMPORTS], env=env).seconds


def ran(
    command: Sequence[str], *, env: Mapping[str, str] | None = None, codes: Sequence[int] = (0,)
) -> Measured:
    """Run a command.

    Raises:
        RuntimeError: its exit code is another than one of ``codes``.
    """
    done = run_measured(command, env=env)
    if done.code not in codes:
        said = f"{done.stdout[-500:]}\n{done.stderr[-1500:]}"
        raise RuntimeError(f"{' '.join(command[1:4])} ended with {done.code}:\n{said}")
    return done
