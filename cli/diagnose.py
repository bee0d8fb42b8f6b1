"""mifid diagnose"""

from __future__ import annotations

from typing import Any

import click

from .failures import unshown
from .options import (
    common,
    extraction,
    json_option,
    limit,
    make_progress,
    reference,
    seed,
)
from .tables import print_json, print_table, print_text

__all__ = ["diagnose"]


@click.command()
@click.argument("images")
@reference("IMAGES may have. With a file of `mifid reference build`, resizes are not measured.")
@limit
@seed
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
    reference: str | list[str],
    as_json: bool,
    output: str | None,
    quiet: bool,
    **settings: Any,
) -> None:
    """Measure how FID changes under other resizes and encodings of the same pictures.

    Both sides are resized as in pytorch-fid and in clean-fid. The generated IMAGES are saved as
    JPEG of quality 75, 90 and 95, and as PNG. The table gives advice on each change.

    \b
    mifid diagnose images.zip --ref monet_jpg/ -o diagnose.png
    mifid diagnose images.zip --ref monet_jpg/ --limit 1000
    """
    from mifid.diagnosis import HEADINGS, check_output, save_diagnosis
    from mifid.diagnosis import diagnose as diagnose_images

    if output is not None:
        check_output(output)
    diagnosis = diagnose_images(
        images,
        reference,
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
