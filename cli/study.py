"""mifid study"""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from .options import common, json_option
from .tables import print_json, print_table, print_text

__all__ = ["study"]


@click.command()
@click.argument("file", type=click.Path())
@click.option(
    "--ci",
    "level",
    type=float,
    default=95.0,
    show_default=True,
    metavar="LEVEL",
    help="Level of the intervals in per cent, 50 to 99.9.",
)
@json_option
@common
def study(file: str, level: float, as_json: bool, quiet: bool) -> None:
    """Print what share of visitors each painter fooled, from FILE of `mifid serve --study`.

    Intervals are Wilson's, wider where the answers of one visitor are alike. 50% is what guessing
    gives: such paintings cannot be told from real ones.

    \b
    mifid study results.sqlite
    """
    del quiet
    from mifid.web import fooling_rates

    rates = fooling_rates(file, level=level)
    if as_json:
        print_json(json.dumps({"level": level, "painters": [asdict(r) for r in rates]}, indent=2))
        return
    headings = ["painter", "fooled", f"{level:g}% interval", "answers", "visits"]
    print_table(
        headings,
        [
            (
                rate.painter,
                f"{rate.rate:.1%}",
                f"{rate.low:.1%} to {rate.high:.1%}",
                f"{rate.answers:,}",
                f"{rate.visitors:,}",
            )
            for rate in rates
        ],
        names=0,
    )
    if any(rate.visitors == 1 for rate in rates):
        print_text("The interval of one visit is of that visitor alone, not of people in general.")
    if not rates:
        print_text("No answer was given so far.")
