"""mifid weights"""

from __future__ import annotations

import click

from .failures import CommandGroup
from .options import common, make_progress
from .tables import print_table, print_text


@click.group(cls=CommandGroup)
def weights() -> None:
    """Find, download and verify the trained weights."""


@weights.command()
@common
def show(quiet: bool) -> None:
    """Show where weights are searched for, in order, and which file is used."""
    del quiet
    from mifid.errors import WeightsError
    from mifid.extractors import find, find_lite0, places
    from mifid.formatting import size_text

    print_table(
        ["place", "file", "found"],
        [
            (place, str(path), size_text(path.stat().st_size) if path.is_file() else "no")
            for place, path in places()
        ],
    )
    found = find()
    if found is None:
        print_text("No file was found: scoring will download it (95 MB). See mifid weights fetch.")
    else:
        kind = "the published file" if found.published else "NOT the published file"
        print_text(f"Used: {found.path} ({found.place}), {kind}, sha256 {found.sha256}")
    try:
        lite0 = find_lite0()
        print_text(f"lite0: {lite0.path} ({lite0.place}), sha256 {lite0.sha256}")
    except WeightsError as error:
        print_text(f"lite0: {error}")


@weights.command()
@common
def fetch(quiet: bool) -> None:
    """Download the published weights (95 MB) into mifid's cache, and check them."""
    from mifid.extractors import fetch as fetch_weights

    fetched = fetch_weights(make_progress(silent=quiet))
    print_text(f"{fetched.path}, sha256 {fetched.sha256}")


@weights.command()
@click.argument("weights", required=False, type=click.Path())
@common
@click.pass_context
def verify(ctx: click.Context, weights: str | None, quiet: bool) -> None:
    """Check that the file WEIGHTS holds weights of this network.

    The default is the file that scoring uses. The exit code is 1 unless it is the published file.
    """
    del quiet
    from mifid.errors import WeightsError
    from mifid.extractors import PUBLISHED, build_network, find, load_state_dict

    found = find(weights)
    if found is None:
        raise WeightsError("no weights were found", hint="Try `mifid weights fetch`.")
    build_network(load_state_dict(found.path, sha256=found.sha256))
    print_text(f"{found.path}: weights of this network, sha256 {found.sha256}")
    if not found.published:
        print_text(
            f"Not the published file, whose sha256 is {PUBLISHED}: scores made with it are not "
            "comparable with Kaggle's.",
            err=True,
        )
        ctx.exit(1)
