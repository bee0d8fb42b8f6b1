"""mifid score"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import click

from .failures import unshown
from .options import (
    check_outputs,
    common,
    extraction,
    intervals,
    json_option,
    limit,
    make_progress,
    memorization,
    reference,
)
from .tables import print_json, print_text

_SIDES = ("generated", "reference")


def _classes(_ctx: click.Context, _param: click.Parameter, given: tuple[str, ...]) -> Any:
    """Return what ``by`` of the library takes; FILE.csv without a side is of IMAGES."""
    found: dict[str, str] = {}
    for text in given:
        side, equals, how = text.partition("=")
        if not equals or side not in _SIDES:
            side, how = "generated", text
        if side in found:
            raise click.BadParameter(
                f"{text} is a second way for the {side} pictures; SIDE= is for one side"
            )
        found[side] = how
    return given[0] if len(found) == 1 and given[0] in found.values() else found or None


@click.command()
@click.argument("images")
@reference("IMAGES may have, or a file of `mifid reference build`.")
@memorization
@limit
@click.option(
    "--held-out",
    metavar="PATH",
    help="Real pictures that no model was trained on, for the floor of FID and for fld and ct. FID "
    "itself uses --ref. (In `mifid train-baseline`, FID uses --held-out.)",
)
@click.option(
    "--photos",
    metavar="PATH",
    help="Your photos, untouched: the report says how much of the way from them to real pictures "
    "IMAGES have come. They change no score.",
)
@click.option(
    "--metrics",
    help="Names from `mifid metrics` with commas, or all. mifid includes FID and distance.  "
    "[default: mifid, or those of --protocol]",
)
@click.option(
    "--protocol",
    metavar="NAME",
    help="The metrics and settings of a published evaluation. adm: FID, sFID, Inception Score, "
    "precision and recall as OpenAI's evaluator for guided diffusion, from its reference batches.",
)
@click.option(
    "--by",
    multiple=True,
    callback=_classes,
    metavar="[SIDE=]folder|FILE.csv",
    help="Also score each class, worst first: by the folders that pictures lie in, on both sides, "
    "or by lines of file name,label for IMAGES. SIDE= (generated, reference) gives one for each "
    "side. A reference without classes is compared as a whole.",
)
@intervals
@click.option(
    "--submission",
    is_flag=True,
    help="First check IMAGES as `mifid check` does. If the check refuses them, print only its "
    "findings.",
)
@json_option
@click.option(
    "-o",
    "--output",
    type=click.Path(),
    metavar="FILE",
    help="Write FILE.json, .txt or .html, or append a line to FILE.csv.",
)
@click.option(
    "--label",
    default="",
    metavar="TEXT",
    help="A name for this score, written to FILE.csv, .json, .txt and .html.",
)
@click.option(
    "--report",
    "page",
    type=click.Path(),
    metavar="FILE",
    help="Write FILE.html, a page with plots, nearest pairs, best and worst pictures.",
)
@click.option(
    "--table",
    type=click.Path(),
    metavar="FILE",
    help="Write FILE.csv or .parquet, with one row per generated picture: nearest training "
    "pictures, distances, influence on FID.",
)
@click.option(
    "--training-table",
    type=click.Path(),
    metavar="FILE",
    help="Write FILE.csv or .parquet, with one row per training picture: how often it is the "
    "nearest.",
)
@click.option(
    "--class-table",
    type=click.Path(),
    metavar="FILE",
    help="Write FILE.csv or .parquet, with one row per class of --by, worst first.",
)
@extraction
@common
@click.pass_context
def score(
    ctx: click.Context,
    /,
    images: str,
    reference: str | list[str],
    metrics: str | None,
    submission: bool,
    as_json: bool,
    output: str | None,
    label: str,
    page: str | None,
    table: str | None,
    training_table: str | None,
    class_table: str | None,
    quiet: bool,
    **settings: Any,
) -> None:
    """Score generated pictures: FID, memorization distance, MiFID and intervals.

    IMAGES is a folder, zip, tar, TFRecords, .parquet, .npy or .npz, several files as
    shard-{000..199}.tar, a list of files (.txt), a glob pattern (in quotes), a URL of
    these, or a file of features or statistics.

    \b
    mifid score images.zip --ref monet_jpg/
    mifid score images.zip --ref monet_jpg/ --report report.html --table pictures.csv
    mifid score images.zip --ref monet.npz --submission -o scores.csv
    mifid score images.zip --ref monet_jpg/ --photos photo_jpg/ --extractor lite0
    mifid score 'out/*.png' --ref monet_jpg/ --metrics fid,kid,prdc --json
    mifid score samples.npz --ref VIRTUAL_imagenet256_labeled.npz --protocol adm
    """
    from mifid.evidence import check_table_output, write_table
    from mifid.report import check_output
    from mifid.scoring import score as score_images

    check_outputs(
        {
            "-o": (output, check_output),
            "--report": (page, check_output),
            "--table": (table, check_table_output),
            "--training-table": (training_table, check_table_output),
            "--class-table": (class_table, check_table_output),
        }
    )
    if class_table is not None and settings["by"] is None:
        raise click.UsageError("--class-table needs --by, which splits pictures into classes.")
    progress = make_progress(silent=quiet)
    found = None
    if submission:
        from .check import check_json, print_check

        found = print_check(images, progress=progress, to_stderr=as_json)
        if not found.accepted:
            if as_json:
                print_json(check_json(found))  # a script gets JSON in any case
            print_text("Not scored. Leave out --submission to score it as it is.", err=True)
            ctx.exit(1)
    report = score_images(
        images,
        reference,
        metrics=None if metrics is None else [n.strip() for n in metrics.split(",") if n.strip()],
        progress=progress,
        **settings,
    )
    report = replace(report, check=found, label=label)
    try:  # files are written even if printing fails, so the number is not lost
        if as_json:
            print_json(report.to_json())
        else:
            print_text(unshown(report).text())
    finally:
        for path in filter(None, (output, page)):
            report.save(path)
            added = "A line was added to" if path.lower().endswith(".csv") else "Wrote"
            print_text(f"{added} {path}", err=True)
    if table is not None:
        write_table(table, report.pictures)
        print_text(f"Wrote {table}", err=True)
    if training_table is not None:
        write_table(training_table, report.training_pictures)
        print_text(f"Wrote {training_table}", err=True)
    if class_table is not None and report.classes is not None:
        write_table(class_table, report.classes)
        print_text(f"Wrote {class_table}", err=True)
