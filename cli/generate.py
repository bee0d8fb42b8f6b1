"""mifid generate"""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from .options import common, force, json_option, make_progress
from .tables import print_json, print_text

if TYPE_CHECKING:
    from mifid.baseline.generation import Generated

__all__ = ["generate"]


@click.command()
@click.option(
    "--checkpoint",
    required=True,
    type=click.Path(),
    metavar="PATH",
    help="A trained generator: a run's folder, or its best.safetensors.",
)
@click.option(
    "--photos",
    required=True,
    metavar="PATH",
    help="What to paint: a folder, zip, tar, TFRecords, .npy, .npz or a glob pattern (in quotes).",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False),
    default="images.zip",
    show_default=True,
    metavar="FILE",
    help="The submission to write.",
)
@click.option(
    "--ema/--raw",
    "averaged",
    default=None,
    help="Paint with the averaged weights, or with those of the last step. Default: the best.",
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1 or mps.")
@click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    metavar="N",
    help="Photos at a time. Default: 32 on CUDA; on a CPU 8 for a U-Net, else 1.",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    metavar="N",
    help="Threads that decode and encode. Default: one a core, at least two.",
)
@click.option(
    "--quality",
    type=click.IntRange(1, 100),
    default=95,
    show_default=True,
    metavar="N",
    help="Of JPEG.",
)
@click.option(
    "--limit", type=click.IntRange(min=1), metavar="N", help="Only the first N photos by name."
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    metavar="N",
    help="Of the noise that a dcgan paints from.",
)
@force
@json_option
@common
@click.pass_context
def generate(
    ctx: click.Context,
    /,
    averaged: bool | None,
    as_json: bool,
    quiet: bool,
    **settings: Any,
) -> None:
    """Paint photos with a trained generator into a submission, and check it.

    Pictures get the photos' names. A run that was ended goes on where it was when the same command
    is given again. An archive that is there is replaced only if the same job made it. The exit code
    is 1 when Kaggle would refuse the submission.

    \b
    mifid generate --checkpoint run/ --photos photo_jpg/ -o images.zip
    """
    from mifid.baseline.generation import generate as generate_pictures

    which = None if averaged is None else ("ema" if averaged else "raw")
    try:
        made = generate_pictures(which=which, progress=make_progress(silent=quiet), **settings)
    except KeyboardInterrupt:
        print_text("\nInterrupted. Give the same command again: it goes on from here.", err=True)
        ctx.exit(130)
    if as_json:
        print_json(json.dumps(_as_dict(made), indent=2))
    else:
        _print(made)
    ctx.exit(0 if made.check.accepted else 1)


def _as_dict(made: Generated) -> dict[str, Any]:
    return {
        "path": str(made.path),
        "pictures": made.pictures,
        "resumed": made.resumed,
        "weights": made.which,
        "seconds": made.seconds,
        "network_seconds": made.network_seconds,
        "notes": made.notes,
        "accepted": made.check.accepted,
        "findings": [asdict(finding) for finding in made.check.findings],
    }


def _print(made: Generated) -> None:
    from .check import print_findings

    painted = made.pictures - made.resumed
    noun = "picture" if made.pictures == 1 else "pictures"
    weights = "averaged (EMA)" if made.which == "ema" else "raw"
    print_text(
        f"{made.path}: {made.pictures:,} {noun} with the {weights} weights, "
        f"{painted:,} of them in {made.seconds:.1f} s ({painted / made.seconds:.1f} a second)"
    )
    if made.resumed:
        print_text(f"The other {made.resumed:,} were there from an earlier run.")
    print_findings(made.check)
    if made.check.accepted:
        print_text(f"Next: mifid score {shlex.quote(str(made.path))} --ref monet_jpg/")
