"""mifid explain"""

from __future__ import annotations

import click

from .options import common, json_option
from .tables import print_json, print_text

__all__ = ["explain"]


@click.command()
@click.argument("a", type=click.Path(), metavar="A.json")
@click.argument("b", type=click.Path(), metavar="B.json")
@json_option
@common
def explain(a: str, b: str, as_json: bool, quiet: bool) -> None:
    """Explain why two scores differ: what changed, and the possible effects.

    A.json and B.json are files that any version of `mifid score` wrote.

    \b
    mifid score images.zip --ref monet_jpg/ -o a.json
    mifid score better.zip --ref monet_jpg/ -o b.json
    mifid explain a.json b.json
    """
    del quiet
    from mifid.explanation import explain as explain_scores

    explanation = explain_scores(a, b)
    if as_json:
        print_json(explanation.to_json())
    else:
        print_text(explanation.text())
