"""mifid zip"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from .options import common, json_option, make_progress, quality
from .tables import print_json, print_text

if TYPE_CHECKING:
    from mifid.submission import Zipped

__all__ = ["zip_pictures"]


@click.command("zip")
@click.argument("pictures", metavar="SOURCE")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False),
    default="images.zip",
    show_default=True,
    metavar="FILE",
    help="The submission to write. Kaggle accepts only the name images.zip.",
)
@click.option(
    "--fit",
    type=click.Choice(["exact", "crop", "stretch"]),
    default="exact",
    show_default=True,
    help="Pictures that are not 256 x 256: exact refuses them, crop scales them and cuts out the "
    "middle, stretch scales both sides separately.",
)
@quality("JPEG quality of pictures that are converted. JPEGs that Kaggle accepts are not changed.")
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    metavar="N",
    help="Number of threads. Default: one per core, at least two.",
)
@click.option("--force", is_flag=True, help="Replace FILE.")
@json_option
@common
@click.pass_context
def zip_pictures(ctx: click.Context, /, as_json: bool, quiet: bool, **settings: Any) -> None:
    """Write the pictures of SOURCE into a submission that Kaggle accepts.

    SOURCE is a folder, zip, tar, TFRecords, .npy, .npz or a glob pattern (in quotes). PNG, WebP and
    other formats are converted to JPEG, grey and transparent pictures to RGB; folders are
    flattened. Pictures of another size, a wrong number of pictures (7,000 to 10,000 are accepted),
    two pictures of one name and damaged pictures are refused before anything is written.

    \b
    mifid zip painted/ -o images.zip
    mifid zip painted/ -o images.zip --fit crop
    """
    from mifid.submission import zip_pictures as zip_all

    made = zip_all(progress=make_progress(silent=quiet), **settings)
    if as_json:
        print_json(json.dumps(_as_dict(made), indent=2))
    else:
        _print(made)
    ctx.exit(0 if made.check.accepted else 1)


def _as_dict(made: Zipped) -> dict[str, Any]:
    return {
        "path": str(made.path),
        "pictures": made.pictures,
        "unchanged": made.unchanged,
        "resized": made.resized,
        "converted": made.converted,
        "accepted": made.check.accepted,
        "findings": [asdict(finding) for finding in made.check.findings],
    }


def _print(made: Zipped) -> None:
    from mifid.formatting import listed

    from .check import print_findings

    converted = [f"{count:,} {kind}" for kind, count in made.converted.items()]
    print_text(
        f"{made.path}: {made.pictures:,} pictures, {made.unchanged:,} of them unchanged, "
        f"{made.resized:,} resized; converted: {listed(converted) if converted else 'none'}"
    )
    print_findings(made.check)
