"""mifid painters"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from .failures import CommandGroup
from .options import common, json_option
from .tables import print_json, print_table, print_text

if TYPE_CHECKING:
    from mifid.painting import PainterEntry

__all__ = ["painters"]


@click.group(cls=CommandGroup, invoke_without_command=True)
@click.option(
    "--runs",
    multiple=True,
    type=click.Path(),
    metavar="FOLDER",
    help="Also list the painters of runs: a run's folder, or a folder that holds runs. May be "
    "given several times.",
)
@json_option
@click.pass_context
def painters(ctx: click.Context, runs: tuple[str, ...], as_json: bool) -> None:
    """List the painters that `mifid paint --painter NAME` knows; add or remove some."""
    if ctx.invoked_subcommand is not None:
        return
    from mifid.painting import painters as painters_at_hand
    from mifid.painting import painters_folder

    found = painters_at_hand(runs)
    if as_json:
        listed = [
            {**asdict(each), "path": str(each.path), "scores_note": _NOTE if each.scores else None}
            for each in found
        ]
        print_json(json.dumps(listed, indent=2))
        return
    print_table(["painter", "from", "source", "step", "score"], map(_row, found), names=0)
    if any(each.scores for each in found):
        print_text(_NOTE)
    print_text(f"Added painters are in {painters_folder()}.")


_NOTE = (
    "Scores were measured in training, by the network that its run chose: they are not comparable "
    "with Kaggle, nor with each other."
)


def _row(entry: PainterEntry) -> tuple[str, ...]:
    if entry.problem:
        return entry.name, entry.kind, f"cannot be used: {entry.problem}", "", ""
    step = "" if entry.step is None else f"{entry.step:,}"
    scores = entry.scores or {}
    named = (("MiFID", "mifid"), ("FID", "fid"))
    score = next((f"{text} {scores[name]:.1f}" for text, name in named if name in scores), "")
    return entry.name, entry.kind, entry.source, step, score


@painters.command()
@click.argument("file", type=click.Path())
@click.option(
    "--name",
    required=True,
    metavar="NAME",
    help="To paint with: small letters, digits, '-', '_' and '.'.",
)
@click.option("--force", is_flag=True, help="Replace the painter of this name.")
@common
def add(file: str, name: str, force: bool, quiet: bool) -> None:
    """Copy the painter FILE to those at hand.

    FILE is what `mifid paint --painter` takes as a path. Only weights are kept, never code.

    \b
    mifid painters add run/ --name van-gogh
    """
    del quiet
    from mifid.painting import add_painter

    entry = add_painter(file, name, force=force)
    print_text(f"{entry.path}: {entry.source}")
    print_text(f"Next: mifid paint photo.jpg -o painting.jpg --painter {name}")


@painters.command()
@click.argument("name")
@common
def remove(name: str, quiet: bool) -> None:
    """Remove the added painter NAME."""
    del quiet
    from mifid.painting import remove_painter

    print_text(f"Removed {remove_painter(name)}")
