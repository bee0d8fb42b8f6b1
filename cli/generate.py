"""mifid generate"""

from __future__ import annotations

import json
import shlex
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from .options import common, force, json_option, make_progress, painting, quality
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
    help="A trained generator: the folder of a run, or its best.safetensors; or the weights of the "
    "CycleGAN repository (latest_net_G_A.pth), of CUT (latest_net_G.pth) or of U-GAT-IT.",
)
@click.option(
    "--photos",
    required=True,
    metavar="PATH",
    help="The photos: a folder, zip, tar, TFRecords, .npy, .npz or a glob pattern (in quotes).",
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
@painting
@click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    metavar="N",
    help="Photos per batch. Default: 32 on CUDA; on a CPU 8 for a U-Net, else 1.",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    metavar="N",
    help="Threads that decode and encode. Default: one per core, at least two.",
)
@quality("JPEG quality.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    metavar="N",
    help="Paint only the first N photos by name.",
)
@click.option(
    "--size",
    type=click.IntRange(16, 4096),
    metavar="N",
    help="Pixels per side at which another program's generator paints, since its file does not say "
    "it. Photos of another size are stretched.  [default: 256]",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    metavar="N",
    help="Seed of noise, of the choice of maps, and of --dropout.",
)
@click.option(
    "--variants",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="N",
    help="Paint N versions of each photo, with the seeds SEED, SEED + 1, ...: images.zip, "
    "variant-2/images.zip, ... For generators with noise, maps or --dropout.",
)
@click.option(
    "--like",
    type=click.Path(),
    metavar="FILE",
    help="Paint with the map of this picture (generators of bayes-sfm). Default: for each photo "
    "that of one of the 16 paintings in the generator's file.",
)
@force
@json_option
@common
@click.pass_context
def generate(
    ctx: click.Context,
    /,
    as_json: bool,
    quiet: bool,
    **settings: Any,
) -> None:
    """Paint photos with a trained generator, write a submission and check it.

    Pictures get the names of the photos. After an interruption, the same command continues. An
    existing archive is replaced only if the same job made it. The exit code is 1 if Kaggle would
    refuse the submission.

    \b
    mifid generate --checkpoint run/ --photos photo_jpg/ -o images.zip
    """
    from mifid.baseline.generation import generate as generate_pictures

    try:
        made = generate_pictures(progress=make_progress(silent=quiet), **settings)
    except KeyboardInterrupt:
        print_text("\nInterrupted. Give the same command again to continue.", err=True)
        ctx.exit(130)
    if as_json:
        print_json(json.dumps(_as_dict(made), indent=2))
    else:
        _print(made)
    ctx.exit(0 if all(each.check.accepted for each in (made, *made.variants)) else 1)


def _as_dict(made: Generated) -> dict[str, Any]:
    others = {"variants": [_as_dict(each) for each in made.variants]} if made.variants else {}
    return {
        "path": str(made.path),
        "pictures": made.pictures,
        "resumed": made.resumed,
        "weights": made.which,
        "origin": made.origin,
        "seconds": made.seconds,
        "network_seconds": made.network_seconds,
        "notes": made.notes,
        "accepted": made.check.accepted,
        "findings": [asdict(finding) for finding in made.check.findings],
        **others,
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
    print_text(f"The weights are those of {made.origin}.")
    if made.resumed:
        print_text(f"The other {made.resumed:,} are from an earlier run.")
    print_findings(made.check)
    if made.check.accepted:
        print_text(f"Next: mifid score {shlex.quote(str(made.path))} --ref monet_jpg/")
    for variant in made.variants:
        print_text("")
        _print(variant)
