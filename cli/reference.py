"""mifid reference"""

from __future__ import annotations

from typing import Any

import click

from .failures import CommandGroup
from .options import (
    common,
    extraction_of_one,
    force,
    limit,
    make_progress,
    seed,
)
from .tables import print_text


@click.group(cls=CommandGroup)
def reference() -> None:
    """Compute the features of your real pictures once, for many scores.

    (Published references have names: `mifid references` lists them.)
    """


@reference.command()
@click.argument("images")
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(),
    metavar="FILE",
    help="The .npz file to write; the ending may be left out.",
)
@click.option(
    "--spatial", is_flag=True, help="Also write Inception's spatial features, which sfid needs."
)
@limit
@seed
@extraction_of_one(default="inception")
@force
@common
def build(
    images: str,
    output: str,
    quiet: bool,
    **settings: Any,
) -> None:
    """Compute the features and statistics of IMAGES and write them to a file.

    pytorch-fid and clean-fid can read mu and sigma from it. An existing file is replaced only if it
    holds the same features.

    \b
    mifid reference build monet_jpg/ -o monet.npz
    mifid score images.zip --ref monet.npz
    """
    from mifid.pipeline import build_reference, reference_file

    file = reference_file(output)
    built = build_reference(
        images,
        file,
        progress=make_progress(silent=quiet),
        **settings,
    )
    drawn = f" drawn from {built.available:,}" if built.available else ""
    left_out = f", {len(built.bad)} bad left out" if built.bad else ""
    print_text(
        f"{file}: {len(built):,} pictures{drawn}{left_out}, {built.values.shape[1]} features each, "
        f"extractor {built.provenance.extractor}"
    )
