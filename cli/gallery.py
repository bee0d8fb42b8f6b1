"""mifid gallery"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from .options import common, device, json_option, make_progress
from .tables import print_json, print_text

if TYPE_CHECKING:
    from mifid.baseline import ModelGallery

__all__ = ["gallery"]


@click.command()
@click.argument("models", nargs=-1, required=True, metavar="[NAME=]MODEL...")
@click.option(
    "--photos",
    required=True,
    multiple=True,
    metavar="PATH",
    callback=lambda _ctx, _param, given: given[0] if len(given) == 1 else list(given),
    help="The photos: a folder, zip, tar, TFRecords, .npy, .npz, a picture, or a glob pattern (in "
    "quotes). If given several times, all together are one set.",
)
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(),
    metavar="FILE",
    help="Write FILE.html, a page; or FILE.png or .jpg, a plain sheet.",
)
@click.option(
    "--limit",
    type=click.IntRange(1, 100),
    default=12,
    show_default=True,
    metavar="N",
    help="Show at most N photos, drawn with --seed.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0, max=2**32 - 1),
    default=2020,
    show_default=True,
    metavar="N",
    help="Seed of the photos that --limit draws, and of the noise that some models are given.",
)
@click.option(
    "--size",
    type=click.IntRange(16, 4096),
    metavar="N",
    help="Pixels per side at which generators of other programs paint, since their files do not "
    "say it.  [default: 256]",
)
@device
@json_option
@common
def gallery(*, as_json: bool, quiet: bool, **settings: Any) -> None:
    """Show the same photos painted by several models side by side.

    A MODEL is the folder of a run or its best.safetensors, or the weights of the CycleGAN
    repository, of CUT or of U-GAT-IT. NAME is its label; without it, the name of the file or
    folder. Models may paint at different sizes. Maps of where a model looks get columns of their
    own.

    \b
    mifid gallery run/ --photos photo_jpg/ -o sheet.html
    mifid gallery ours=run/ theirs=latest_net_G_B.pth --photos photo_jpg/ --limit 6 -o sheet.png
    """
    from mifid.baseline import gallery as write_gallery

    made = write_gallery(progress=make_progress(silent=quiet), **settings)
    if as_json:
        print_json(json.dumps(_as_dict(made), indent=2))
    else:
        _print(made)


def _as_dict(made: ModelGallery) -> dict[str, Any]:
    return {
        "path": str(made.path),
        "photos": made.photos,
        "of": made.of,
        "seed": made.seed,
        "models": [asdict(model) for model in made.models],
    }


def _print(made: ModelGallery) -> None:
    print_text(f"{made.path}: {made.drawn}")
    for model in made.models:
        score = f"; {model.score}" if model.score else ""
        print_text(f"{model.label}: {model.origin}, at {model.size} x {model.size}{score}")
        for note in model.notes:
            print_text(f"  Note: {note}.")
