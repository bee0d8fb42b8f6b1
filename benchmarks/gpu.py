"""Every check and measurement that needs a GPU, as stages of under nine minutes.

    python benchmarks/gpu.py run --device cuda --out found/            all stages
    python benchmarks/gpu.py run parity network --device cuda --out found/
    python benchmarks/gpu.py run --toy --device cpu --out found/       does it run?
    python benchmarks/gpu.py report found/ more/ --docs docs/benchmarks.md
    python benchmarks/gpu.py wheels wheels/ --python 3.12              where there is a network
    python benchmarks/gpu.py install wheels/                           where there is none

`run` leaves results.json and results.md in --out, as soon as there is something to tell and
whatever fails later. It exits with 1 if a stage or a check failed. Nothing is downloaded: pictures
are drawn, weights come from a seed. On a machine without click, `run` says so; see `wheels`.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import zipfile
from contextlib import ExitStack
from pathlib import Path

from gpu_child import STAGES
from gpu_pictures import DRAWN
from gpu_plan import REAL, TOY, Plan
from gpu_report import describe
from gpu_results import NAME, Results, merged
from gpu_runner import run_stages
from gpu_wheels import SITE, WHEELS, download, install
from machine import write_section

LIMIT = 540.0


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    given = _parser().parse_args(arguments)
    return int(given.command(given))


def _run(given: argparse.Namespace) -> int:
    given.out.mkdir(parents=True, exist_ok=True)
    try:
        results = Results(given.out, device=given.device, toy=given.toy)
    except ValueError as error:
        sys.exit(str(error))
    if given.packages is not None:  # of `install`
        paths = [str(given.packages / SITE), os.environ.get("PYTHONPATH", "")]
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    with ExitStack() as stack:
        work = given.work or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        work.mkdir(parents=True, exist_ok=True)
        size = TOY if given.toy else REAL
        plan = Plan(
            device=given.device,
            toy=given.toy,
            photos=_folder(given.photos, work / DRAWN / f"photos-{size.photos}"),
            paintings=_folder(given.reference, work / DRAWN / f"paintings-{size.paintings}"),
            work=work.resolve(),
            out=given.out.resolve(),
        )
        try:
            passed = run_stages(given.stages or list(STAGES), plan, results, limit=given.limit)
        finally:
            text = _write([given.out], given.docs)
    print(text)
    return 0 if passed else 1


def _folder(given: Path | None, otherwise: Path) -> Path:
    """Return a folder of JPEGs: what was given, or a zip of them taken apart, or drawn ones."""
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


def _report(given: argparse.Namespace) -> int:
    for folder in given.folders:
        if not (folder / NAME).is_file():
            sys.exit(f"{folder} holds no {NAME}: name folders that were --out of `run`")
    print(_write(given.folders, given.docs))
    return 0


def _write(folders: list[Path], docs: Path | None) -> str:
    """Tell the results of folders; of none, that nothing was measured."""
    text = describe(merged(folders))
    for folder in folders:
        if (folder / NAME).is_file():
            (folder / "results.md").write_text(f"{text}\n")
    if docs is not None:
        write_section(docs, "gpu", text)
    return text


def _wheels(given: argparse.Namespace) -> int:
    mib = download(given.folder, python=given.python, leave_out=tuple(given.leave_out))
    print(f"{mib:.1f} MiB of wheels in {given.folder}")
    return 0


def _install(given: argparse.Namespace) -> int:
    try:
        site = install(given.folder)
    except FileNotFoundError as error:
        sys.exit(str(error))
    print(f"Installed. Give `--packages {given.folder}` to run, or export PYTHONPATH={site}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="measure")
    # Not choices=: with nargs="*" argparse would hold the empty list against it.
    run.add_argument("stages", nargs="*", type=_stage, help=f"default: {' '.join(STAGES)}")
    run.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    run.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="for what is found")
    run.add_argument("--toy", action="store_true", help="everything once, at sizes for a CPU")
    run.add_argument("--photos", type=Path, help="folder or zip of JPEGs; else some are drawn")
    run.add_argument("--reference", type=Path, help="folder or zip of JPEGs; else some are drawn")
    run.add_argument("--packages", type=Path, metavar="FOLDER", help="of `install`")
    run.add_argument("--work", type=Path, metavar="FOLDER", help="keep drawn pictures there")
    run.add_argument("--limit", type=float, default=LIMIT, help="seconds a stage (%(default)s)")
    run.add_argument("--docs", type=Path, metavar="FILE", help="write the section into this file")
    run.set_defaults(command=_run)

    report = commands.add_parser("report", help="tell results again; of no results, that")
    report.add_argument("folders", nargs="*", type=Path, help="later ones count over earlier")
    report.add_argument("--docs", type=Path, metavar="FILE")
    report.set_defaults(command=_report)

    wheels = commands.add_parser("wheels", help="fetch what a machine without a network needs")
    wheels.add_argument("folder", type=Path)
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    wheels.add_argument("--python", default=here, help="that machine's (%(default)s)")
    wheels.add_argument("--leave-out", nargs="*", default=[], choices=WHEELS, metavar="PACKAGE")
    wheels.set_defaults(command=_wheels)

    installing = commands.add_parser("install", help="install them, there")
    installing.add_argument("folder", type=Path)
    installing.set_defaults(command=_install)
    return parser


def _stage(name: str) -> str:
    if name not in STAGES:
        raise argparse.ArgumentTypeError(f"unknown: {name}. There are: {', '.join(STAGES)}")
    return name


if __name__ == "__main__":
    # So that what runs is ended too, and what it found is told.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    sys.exit(main())
