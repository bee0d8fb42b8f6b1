"""mifid compare"""

from __future__ import annotations

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
from .tables import print_json, print_table, print_text


@click.command()
@click.argument("submissions", nargs=-1, required=True)
@reference("a submission may have, or a file of `mifid reference build`.")
@memorization
@limit
@intervals
@json_option
@click.option(
    "-o",
    "--output",
    type=click.Path(),
    metavar="FILE",
    help="Write a new FILE.json, .csv (one line per submission), .txt or .html.",
)
@click.option(
    "--report",
    "page",
    type=click.Path(),
    metavar="FILE",
    help="Write FILE.html, a page with ranking, differences and pictures of each submission.",
)
@extraction
@common
def compare(
    *,
    submissions: tuple[str, ...],
    reference: str | list[str],
    as_json: bool,
    output: str | None,
    page: str | None,
    quiet: bool,
    **settings: Any,
) -> None:
    """Rank submissions by MiFID, and report which differences are noise.

    SUBMISSIONS are two or more inputs of `mifid score`. All meet the same bootstrap resamples of
    the reference; pictures with the same name are resampled together. Submissions with different
    numbers of pictures are compared at equal numbers, since FID falls with the number.

    \b
    mifid compare a.zip b.zip c.zip --ref monet_jpg/
    mifid compare runs/*/images.zip --ref monet.npz --ci 90 -o compare.csv
    """
    from mifid.comparison import check_output
    from mifid.comparison import compare as compare_submissions

    check_outputs({"-o": (output, check_output), "--report": (page, check_output)})
    comparison = compare_submissions(
        submissions,
        reference,
        progress=make_progress(silent=quiet),
        **settings,
    )
    try:
        if as_json:
            print_json(comparison.to_json())
        else:
            print_table(_folded(comparison.headings()), map(_folded, comparison.rows()), names=1)
            print_text("\n".join(unshown(comparison).lines()))
    finally:
        for path in filter(None, (output, page)):
            comparison.save(path)
            print_text(f"Wrote {path}", err=True)


def _folded(cells: tuple[str, ...]) -> tuple[str, ...]:
    """Put intervals below their numbers, since such columns do not fit a terminal."""
    rank, name, *numbers = cells
    return (rank, name, *(cell.replace(" (", "\n(").replace("; ", ";\n") for cell in numbers))
