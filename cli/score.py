"""mifid score"""

from __future__ import annotations

from typing import Any

import click

from .options import common, extraction, json_option, make_progress, prepare_extractor


@click.command()
@click.argument("images")
@click.option(
    "--ref",
    "reference",
    required=True,
    metavar="PATH",
    help="The real pictures: anything that IMAGES may be, or a file of `mifid reference build`.",
)
@click.option(
    "--memorization-ref",
    "memorization_reference",
    metavar="PATH",
    help="The pictures that were trained on, if they are not the reference.",
)
@click.option(
    "--epsilon",
    type=click.FloatRange(0, 1),
    default=0.1,
    show_default=True,
    help="Memorization distances below it are penalized.",
)
@click.option(
    "--metrics",
    default="mifid",
    show_default=True,
    help="Of fid, memorization, mifid (all three), with commas.",
)
@click.option("--submission", is_flag=True, help="First check IMAGES as `mifid check` does.")
@json_option
@click.option(
    "-o",
    "--output",
    type=click.Path(),
    metavar="FILE",
    help="Write FILE.json or FILE.txt, or append a line to FILE.csv.",
)
@extraction
@common
@click.pass_context
def score(
    ctx: click.Context,
    /,
    images: str,
    reference: str,
    memorization_reference: str | None,
    metrics: str,
    submission: bool,
    as_json: bool,
    output: str | None,
    extractor: str,
    no_cache: bool,
    quiet: bool,
    **settings: Any,
) -> None:
    """Score generated pictures: FID, memorization distance and MiFID.

    IMAGES is a folder, zip, tar, TFRecords, .npy or .npz, a glob pattern (in quotes), or a file of
    features or statistics.

    \b
    mifid score images.zip --ref monet_jpg/
    mifid score images.zip --ref monet.npz --submission -o scores.csv
    mifid score 'out/*.png' --ref monet_jpg/ --metrics fid --json
    """
    from mifid.report import check_output
    from mifid.scoring import score as score_images

    if output is not None:
        check_output(output)
    progress = make_progress(silent=quiet or as_json)
    if submission:
        from .check import print_check

        if not print_check(images, progress=progress, to_stderr=as_json).accepted:
            click.echo("Not scored. Leave out --submission to score it as it is.", err=True)
            ctx.exit(1)
    report = score_images(
        images,
        reference,
        memorization_reference=memorization_reference,
        metrics=[name.strip() for name in metrics.split(",") if name.strip()],
        extractor=prepare_extractor(extractor),
        cache=not no_cache,
        progress=progress,
        **settings,
    )
    click.echo(report.to_json() if as_json else report.text())
    if output is not None:
        report.save(output)  # after printing: if it fails, the number is not lost
