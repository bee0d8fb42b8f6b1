"""mifid check"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .options import common, json_option, make_progress
from .tables import print_json, print_table, print_text

if TYPE_CHECKING:
    from mifid.progress import Progress
    from mifid.submission import Check, Rules

__all__ = ["check", "check_json", "print_check", "print_findings"]


@click.command()
@click.argument("archive", type=click.Path())
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    metavar="N",
    help="Number of threads. Default: one per core.",
)
@json_option
@common
@click.pass_context
def check(
    ctx: click.Context, archive: str, workers: int | None, as_json: bool, quiet: bool
) -> None:
    """Check a submission before it is uploaded.

    Every entry of ARCHIVE is read. The check covers number, names, checksums, format, size, colour
    mode, copies and blank pictures. The exit code is 1 if Kaggle would refuse the submission.
    """
    from mifid.submission import check as check_archive

    progress = make_progress(silent=quiet)
    if as_json:
        result = check_archive(archive, workers=workers, progress=progress)
        print_json(check_json(result))
    else:
        result = print_check(archive, workers=workers, progress=progress)
    ctx.exit(0 if result.accepted else 1)


def check_json(result: Check) -> str:
    """Return a check as JSON, for --json."""
    findings = [asdict(finding) for finding in result.findings]
    return json.dumps({"accepted": result.accepted, "findings": findings}, indent=2)


def print_check(
    archive: str | Path,
    *,
    rules: Rules | None = None,
    workers: int | None = None,
    progress: Progress,
    to_stderr: bool = False,
) -> Check:
    """Check an archive and print its findings."""
    from mifid.submission import MONET
    from mifid.submission import check as check_archive

    result = check_archive(archive, rules=rules or MONET, workers=workers, progress=progress)
    print_findings(result, to_stderr=to_stderr)
    return result


def print_findings(result: Check, *, to_stderr: bool = False) -> None:
    """Print the findings of a check, and its verdict."""
    print_table(
        ["", "checked", "found", "what to do"],
        [(f.level, f.rule, f.found, f.advice) for f in result.findings],
        to_stderr=to_stderr,
    )
    print_text(result.verdict, err=to_stderr)
