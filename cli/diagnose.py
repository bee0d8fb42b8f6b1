"""mifid diagnose"""

from __future__ import annotations

from typing import Any

import click

from .failures import unshown
from .options import common, extraction, json_option, make_progress, prepare_extractor
from .tables import print_json, print_table, print_text

__all__ = ["diagnose"]


@click.command()
@click.argument("images")
@click.option(
    "--ref",
    "reference",
    required=True,
    metavar="PATH",
    help="The real pictures: anything that IMAGES may be. With a file of `mifid reference build` "
    "resizes are omitted.",
)
@click.option(
    "--limit",
    type=click.IntRange(min=2),
    metavar="N",
    help="Use N evenly chosen pictures a side. Default: all; seven runs over them.",
)
@json_option
@click.option(
    "-o",
    "--output",
    type=click.Path(),
    metavar="FILE",
    help="Write the plot to FILE.png, or all numbers to FILE.json.",
)
@extraction
@common
def diagnose(
    *,
    images: str,
    reference: str,
    limit: int | None,
    as_json: bool,
    output: str | None,
    extractor: str,
    no_cache: bool,
    quiet: bool,
    **settings: Any,
) -> None:
    """Measure how far FID moves when the same pictures are resized or encoded otherwise.

    Both sides resized as pytorch-fid and as clean-fid do; the generated IMAGES saved as JPEG of
    quality 75, 90 and 95, and as PNG. The table says what to do about each.

    \b
    mifid diagnose images.zip --ref monet_jpg/ -o diagnose.png
    mifid diagnose images.zip --ref monet_jpg/ --limit 1000
    """
    from mifid.diagnosing import diagnose as diagnose_images
    from mifid.evidence.variants import HEADINGS
    from mifid.evidence.variants_plot import check_output, save_diagnosis

    if output is not None:
        check_output(output)
    diagnosis = diagnose_images(
        images,
        reference,
        limit=limit,
        extractor=prepare_extractor(extractor),
        cache=not no_cache,
        progress=make_progress(silent=quiet),
        **settings,
    )
    try:
        if as_json:
            print_json(diagnosis.to_json())
        else:
            print_text("\n".join(diagnosis.sides()))
            print_table(HEADINGS, diagnosis.rows())
            print_text("\n".join(unshown(diagnosis).lines()))
    finally:
        if output is not None:
            save_diagnosis(diagnosis, output)
            print_text(f"Wrote {output}", err=True)
