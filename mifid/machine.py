"""A second Python, for what this process should not do itself."""

from __future__ import annotations

import os
import sys

__all__ = ["can_start_python", "python_environment"]


def can_start_python() -> bool:
    """Say whether ``sys.executable`` is Python: in frozen programs it is the program itself."""
    return bool(sys.executable) and not getattr(sys, "frozen", False)


def python_environment() -> dict[str, str]:
    """Let it import what this process can, and nothing from the working directory."""
    path = [entry or os.getcwd() for entry in sys.path]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path), "PYTHONSAFEPATH": "1"}
