"""What is carried to a machine that has torch but no network: a few wheels."""

from __future__ import annotations

import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

__all__ = ["SITE", "WHEELS", "download", "install"]

SITE = "site"
"""Folder, beside the wheels, that they are installed into."""

NEEDED = (
    "click",
    "filelock",
    "google-crc32c",
    "jinja2",
    "markupsafe",
    "platformdirs",
    "rich",
    "markdown-it-py",
    "mdurl",
    "pygments",
    "safetensors",
    "threadpoolctl",
    "tomli-w",
    "tqdm",
    "torch-fidelity",
)
"""What mifid needs beside torch, NumPy and Pillow, and what that needs. Not matplotlib: below."""

PLOTS = (
    "matplotlib",
    "contourpy",
    "cycler",
    "fonttools",
    "kiwisolver",
    "packaging",
    "pyparsing",
    "python-dateutil",
    "six",
)
"""Stage train-short draws its curves."""

PEERS = (
    "pytorch-fid",
    "clean-fid",
    "requests",
    "certifi",
    "charset-normalizer",
    "idna",
    "urllib3",
    "torchmetrics",
    "lightning-utilities",
    "typing-extensions",
)
"""Stage peers; clean-fid imports requests."""

WHEELS = (*NEEDED, *PLOTS, *PEERS)
"""All of them: nothing else is fetched, torch least of all."""

PLATFORMS = ("manylinux_2_28", "manylinux_2_27", "manylinux_2_17", "manylinux2014", "manylinux1")


def download(folder: Path, *, python: str, leave_out: tuple[str, ...] = ()) -> float:
    """Fetch the wheels; return their size in MiB.

    The versions are those that are installed here, where they are.

    Args:
        folder: where to.
        python: version of the other machine's, such as ``"3.12"``.
        leave_out: what that machine has.

    Raises:
        subprocess.CalledProcessError: pip failed, and has said why.
    """
    # As setup.cfg has it: Python reads TOML by itself from 3.11 on.
    more = ("tomli",) if python == "3.10" else ()
    names = [_pinned(name) for name in (*WHEELS, *more) if name not in leave_out]
    where = [word for name in PLATFORMS for word in ("--platform", f"{name}_{platform.machine()}")]
    options = ["--no-deps", "--only-binary=:all:", "--implementation", "cp"]
    options += ["--python-version", python, *where, "--dest", str(folder)]
    folder.mkdir(parents=True, exist_ok=True)
    _pip("download", *options, *names)
    return sum(wheel.stat().st_size for wheel in folder.glob("*.whl")) / 2**20


def install(folder: Path) -> Path:
    """Install the wheels beside themselves, and nothing else; return what PYTHONPATH must name.

    Raises:
        FileNotFoundError: there are no wheels.
        subprocess.CalledProcessError: pip failed, and has said why.
    """
    wheels = sorted(map(str, folder.glob("*.whl")))
    if not wheels:
        raise FileNotFoundError(f"{folder} holds no wheels: fetch them with gpu.py wheels")
    site = folder / SITE
    options = ["--no-index", "--no-deps", "--no-compile", "--upgrade", "--target", str(site)]
    _pip("install", *options, *wheels)
    return site


def _pinned(name: str) -> str:
    try:
        return f"{name}=={version(name)}"
    except PackageNotFoundError:
        return name


def _pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", arguments[0], "--quiet", "--disable-pip-version-check"]
    subprocess.run([*command, *arguments[1:]], check=True)
