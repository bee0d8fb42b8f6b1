"""mifid select"""

from __future__ import annotations

from typing import Any

import click

from .failures import unshown
from .options import check_outputs, common, extraction_of_one, json_option, make_progress
from .tables import print_json, print_text

__all__ = ["select"]


@click.command()
@click.argument("source", metavar="SOURCE")
@click.option(
    "--drop",
    default="",
    metavar="WORDS",
    help="Leave out pictures, by words with commas: dark (brightness below 60), blurred (sharpness "
    "below 100), duplicates (6 of 64 bits of a hash differ, or fewer), outliers (score above 3). "
    "Other thresholds: dark=50,blurred=80.",
)
@click.option("--keep", type=int, metavar="N", help="Take the N most typical of those left.")
@click.option(
    "--style",
    type=int,
    metavar="N",
    help="Take the N nearest to --like; without it, the tightest cluster of N.",
)
@click.option(
    "--like",
    metavar="FILE",
    help="A picture of the style: a file, the name of a picture in SOURCE, or a folder of some.",
)
@click.option(
    "--search",
    type=int,
    metavar="N",
    help="Take N by a genetic search for the least Fréchet distance to one half of --held-out; the "
    "other half judges the result.",
)
@click.option(
    "--held-out",
    metavar="PATH",
    help="Pictures that are not in SOURCE. The choice is compared with random ones at them.",
)
@click.option("--population", type=int, default=64, show_default=True, help="Of --search: subsets.")
@click.option("--generations", type=int, default=200, show_default=True, help="Of --search.")
@click.option(
    "--mutation",
    type=float,
    default=0.05,
    show_default=True,
    help="Of --search: probability that a picture of a new subset is exchanged.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0, max=2**32 - 1),
    default=2020,
    show_default=True,
    help="Seed of --search, of the halves of --held-out and of random choices.",
)
@json_option
@click.option(
    "-o",
    "--output",
    type=click.Path(),
    metavar="FILE",
    help="Write the names of those taken, for `mifid train-baseline --select FILE`.",
)
@click.option(
    "--sheet",
    type=click.Path(),
    metavar="FILE",
    help="Write FILE.html, a page of the pictures that stay and those that go, with the reasons.",
)
@click.option(
    "--table",
    type=click.Path(),
    metavar="FILE",
    help="Write FILE.csv or .parquet, with the measures of every picture, one row each.",
)
@click.option(
    "--force",
    is_flag=True,
    help="Replace the FILE of -o even if mifid select did not write it, or it was edited since.",
)
@extraction_of_one(default="lite0")
@common
def select(
    *,
    source: str,
    as_json: bool,
    output: str | None,
    sheet: str | None,
    table: str | None,
    force: bool,
    quiet: bool,
    **settings: Any,
) -> None:
    """Choose which pictures of SOURCE to train on, and report why the others go.

    First --drop leaves pictures out, then --keep, --style or --search takes some of those left; all
    of them without these.

    \b
    mifid select photo_jpg/ --drop dark,duplicates,outliers -o photos.txt --sheet photos.html
    mifid select monet_jpg/ --style 30 --like monet_jpg/9db9843ed1.jpg -o monets.txt
    mifid select monet_jpg/ --search 30 --held-out monet_held_out/ -o monets.txt
    mifid train-baseline --photos photo_jpg/ --monets monet_jpg/ --select monets.txt \\
        --set data.select_photos=photos.txt
    """
    from mifid.evidence import check_table_output, write_table
    from mifid.selection import check_list_output, check_sheet_output
    from mifid.selection import select as select_pictures

    check_outputs(
        {
            "-o": (output, lambda path: check_list_output(path, force=force)),
            "--sheet": (sheet, check_sheet_output),
            "--table": (table, check_table_output),
        }
    )
    selection = select_pictures(source, progress=make_progress(silent=quiet), **settings)
    try:
        if as_json:
            print_json(selection.to_json())
        else:
            print_text(unshown(selection).text())
    finally:
        if output is not None:
            selection.save(output, force=force)
            print_text(f"Wrote {output}", err=True)
    if sheet is not None:
        selection.sheet(sheet)
        print_text(f"Wrote {sheet}", err=True)
    if table is not None:
        write_table(table, selection)
        print_text(f"Wrote {table}", err=True)
