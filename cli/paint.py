"""mifid paint"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from .options import common, json_option, make_progress, painting, quality
from .tables import print_json, print_text

if TYPE_CHECKING:
    from mifid.painting import PaintedFiles

__all__ = ["paint"]


@click.command()
@click.argument("photos", nargs=-1, required=True, metavar="PHOTO...")
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(),
    metavar="PATH",
    help="The painting of one photo (.jpg, .png or .webp), or a folder for paintings with the "
    "names of the photos.",
)
@click.option(
    "--painter",
    type=click.Path(),
    metavar="NAME|PATH",
    help="A name that `mifid painters` lists, the folder of a run, its best.safetensors, or the "
    "weights of the CycleGAN repository, of CUT or of U-GAT-IT. Default: monet, which comes with "
    "mifid.",
)
@painting
@click.option(
    "--size",
    type=click.IntRange(min=1),
    metavar="N",
    help="Pixels of the painting's shorter side. Brush strokes have a size in pixels: the smaller "
    "N, the larger they look. Default: the photo's own size.",
)
@click.option(
    "--strength",
    type=float,
    default=1.0,
    show_default=True,
    metavar="X",
    help="0 is the photo, 1 the painting, up to 1.5 beyond it.",
)
@click.option(
    "--variants",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="N",
    help="Paint each photo N times, into files ending in -1, -2, ...: with other random numbers, "
    "if the painter has noise or dropout; else mirrored, and at other strengths (up to 8).",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    metavar="N",
    help="Seed of a painter's noise, and of --dropout. Variant 2 has the next seed, and so on.",
)
@click.option(
    "--format",
    type=click.Choice(["jpg", "png", "webp"]),
    help="Format of the paintings in a folder. Default: that of the photo, jpg for others.",
)
@quality("JPEG and WebP quality.")
@click.option(
    "--exif",
    type=click.Choice(["without-place", "all", "none"]),
    default="without-place",
    show_default=True,
    help="What of a photo's EXIF its painting keeps: camera, date and settings without GPS, with "
    "GPS (all), or nothing.",
)
@click.option(
    "--profile/--no-profile",
    default=True,
    show_default=True,
    help="Keep the photo's ICC profile; without it, colours may look different.",
)
@click.option("--force", is_flag=True, help="Replace paintings that exist; photos never.")
@json_option
@common
@click.pass_context
def paint(ctx: click.Context, /, as_json: bool, quiet: bool, **settings: Any) -> None:
    """Paint photos of any size, each as a painting of its aspect.

    PHOTO is a file, a folder or an archive. Photos are turned upright as their EXIF says. One that
    cannot be painted does not stop the others; it is reported at the end, and the exit code is 1.

    \b
    mifid paint photo.jpg -o painting.jpg
    mifid paint holiday/ -o paintings/ --painter van-gogh --size 512 --strength 0.8
    """
    from mifid.painting import paint_files

    made = paint_files(progress=make_progress(silent=quiet), **settings)
    if as_json:
        print_json(json.dumps(_as_dict(made), indent=2))
    else:
        _print(made)
    for failure in made.failed:
        named = "" if failure.photo in failure.reason else f"{failure.photo}: "
        print_text(f"Error: {named}{failure.reason}", err=True)
        if failure.hint:
            print_text(failure.hint, err=True)
    ctx.exit(1 if made.failed else 0)


def _as_dict(made: PaintedFiles) -> dict[str, Any]:
    return {
        "painter": made.origin,
        "weights": made.which,
        "loading_seconds": made.loading_seconds,
        "painted": [
            {**asdict(photo), "outputs": [str(path) for path in photo.outputs]}
            for photo in made.painted
        ],
        "failed": [asdict(photo) for photo in made.failed],
        "notes": made.notes,
    }


def _print(made: PaintedFiles) -> None:
    for photo in made.painted:
        width, height = photo.size
        for path, variant in zip(photo.outputs, photo.variants, strict=True):
            what = f", {variant}" if len(photo.outputs) > 1 else ""
            print_text(f"{path}: {width:,} x {height:,}{what}")
    if made.painted:
        count = len(made.painted)
        seconds = sum(photo.seconds for photo in made.painted)
        network = sum(photo.network_seconds for photo in made.painted)
        print_text(
            f"{count:,} photo{'s' * (count != 1)} in {seconds:.1f} s, {network:.1f} s of them in "
            f"the network, by {made.origin}"
        )
    for note in made.notes:
        print_text(f"Note: {note}", err=True)
