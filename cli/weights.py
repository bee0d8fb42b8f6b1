"""mifid weights"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import click

from .failures import CommandGroup
from .options import common, make_progress
from .tables import print_table, print_text

if TYPE_CHECKING:
    from mifid.extractors import PublishedFile


@click.group(cls=CommandGroup)
def weights() -> None:
    """Find, download and verify the trained weights."""


@weights.command()
@common
def show(quiet: bool) -> None:
    """Show where weights are searched for, in order, and which file each network uses."""
    del quiet
    from mifid.errors import WeightsError
    from mifid.extractors import FILES, find, find_lite0, places
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
    for name, file in FILES.items():
        if name != "inception":
            found = find(file=file)
            text = f"{found.path} ({found.place}), sha256 {found.sha256}" if found else "not here"
            print_text(f"{name}: {text}; {file.command} downloads {file.size}")
    try:
        lite0 = find_lite0()
        print_text(f"lite0: {lite0.path} ({lite0.place}), sha256 {lite0.sha256}")
    except WeightsError as error:
        print_text(f"lite0: {error}")


_extractor = click.option(
    "--extractor",
    default="inception",
    show_default=True,
    metavar="NAME",
    help="The network: inception, dinov2, dinov2-b14 or clip-l14-336.",
)


def _file(extractor: str) -> PublishedFile:
    """Return the published file of an extractor."""
    from mifid.errors import InputError
    from mifid.extractors import FILES
    from mifid.registry import suggest

    if extractor not in FILES:
        raise InputError(
            f"--extractor: '{extractor}' has no published file", hint=suggest(extractor, FILES)
        )
    return FILES[extractor]


@weights.command()
@_extractor
@common
def fetch(extractor: str, quiet: bool) -> None:
    """Download published weights (95 MB for inception) into mifid's cache, and check them."""
    from mifid.extractors import fetch as fetch_weights

    fetched = fetch_weights(make_progress(silent=quiet), _file(extractor))
    print_text(f"{fetched.path}, sha256 {fetched.sha256}")


@weights.command()
@click.argument("weights", required=False, type=click.Path())
@_extractor
@common
@click.pass_context
def verify(ctx: click.Context, weights: str | None, extractor: str, quiet: bool) -> None:
    """Check that the file WEIGHTS holds weights of a network.

    The default is the file that scoring uses. The exit code is 1 unless it is the published file.
    """
    del quiet
    from mifid.errors import MifidWarning, WeightsError
    from mifid.extractors import find, open_extractor

    file = _file(extractor)
    found = find(weights, file)
    if found is None:
        raise WeightsError("no weights were found", hint=f"Try `{file.command}`.")
    with warnings.catch_warnings():  # it is said below
        warnings.simplefilter("ignore", MifidWarning)
        open_extractor(extractor, weights=found.path, backend="torch").load("cpu")
    print_text(f"{found.path}: weights of this network, sha256 {found.sha256}")
    if not found.published:
        theirs = "Kaggle's" if file.is_kaggles else "published ones"
        print_text(
            f"Not the published file, whose sha256 is {found.expected}: scores made with it are "
            f"not comparable with {theirs}.",
            err=True,
        )
        ctx.exit(1)
