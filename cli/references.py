"""mifid references"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from .failures import CommandGroup
from .options import common, json_option, make_progress
from .tables import print_json, print_table, print_text

if TYPE_CHECKING:
    from mifid.references import Reference

__all__ = ["references"]


@click.group(cls=CommandGroup, invoke_without_command=True)
@click.option("--like", metavar="TEXT", help="List only names that contain TEXT.")
@json_option
@click.pass_context
def references(ctx: click.Context, like: str | None, as_json: bool) -> None:
    """List the published references that --ref takes by name.

    They are statistics of well-known data sets, and the competition's folders. A file is
    downloaded when it is first used. (`mifid reference build` makes a file of your own pictures.)

    \b
    mifid references --like cifar10
    mifid score out/ --ref cifar10-train
    """
    if ctx.invoked_subcommand is not None:
        return
    from mifid.references import REFERENCES, locate, references_folder

    found = {
        each: locate(each)
        for each in REFERENCES.values()
        if like is None or like.lower() in each.name
    }
    if as_json:
        print_json(json.dumps([_fields(each, at) for each, at in found.items()], indent=2))
        return
    if not found:
        print_text(f"No name contains {like}.", err=True)
        return
    print_table(
        ["name", "pictures", "resize", "size", "licence", "source"],
        [
            (
                each.name,
                "unknown" if each.pictures is None else f"{each.pictures:,}",
                _RESIZES.get(each.extractor, ""),
                _size(each) if at is None else "at hand",
                each.licence,
                each.source,
            )
            for each, at in found.items()
        ],
        names=0,
    )
    print_text(
        "All but pictures are of Inception. The resize is chosen with --extractor inception,"
    )
    print_text("inception-clean-fid or inception-pytorch-fid; without it, as the reference needs.")
    print_text(f"Files are kept in {references_folder()}. Details: mifid references show NAME")


_RESIZES = {
    "inception": "TensorFlow 1",
    "inception-clean-fid": "clean-fid",
    "inception-pytorch-fid": "pytorch-fid",
}
"""Extractor -> its resize, in short."""


@references.command()
@click.argument("name")
@json_option
@common
def show(name: str, as_json: bool, quiet: bool) -> None:
    """Show all that is known of the reference NAME."""
    del quiet
    from mifid.references import chosen, locate

    (reference,) = chosen([name])
    fields = _fields(reference, locate(reference))
    if as_json:
        print_json(json.dumps(fields, indent=2))
        return
    fields["bytes"] = f"{reference.size:,}, about" if reference.size else None
    fields["path"] = fields["path"] or "not at hand"
    fields["urls"] = "\n".join(reference.urls)
    shown = [(key, f"{value}") for key, value in fields.items() if value]
    print_table(["name", name], [row for row in shown if row[0] != "name"])


@references.command()
@click.argument("names", nargs=-1, required=True)
@common
def fetch(names: tuple[str, ...], quiet: bool) -> None:
    """Download the references NAMES into mifid's cache, and check them.

    Publishers state no hashes. The hash of the first file is recorded; later ones must have it.
    """
    from mifid.references import chosen, fetch_reference

    progress = make_progress(silent=quiet)
    for reference in chosen(names):
        found, _ = fetch_reference(reference, progress)
        print_text(f"{found.path}, sha256 {found.sha256} ({found.trust})")


def _size(reference: Reference) -> str:
    """Return about how much there is to download, in a few letters."""
    if not reference.size:
        return "folder"
    megabytes = reference.size / 1e6
    return f"{megabytes:.0f} MB" if megabytes < 1000 else f"{megabytes / 1000:.1f} GB"


def _fields(reference: Reference, at: tuple[str, Any] | None) -> dict[str, Any]:
    """Return the columns of a reference, for JSON and for `show`."""
    from mifid.references import recorded

    return {
        "name": reference.name,
        "title": reference.title,
        "holds": reference.holds,
        "pictures": reference.pictures,
        "extractor": reference.extractor or None,
        "resize": reference.resize or None,
        "protocol": reference.protocol or None,
        "bytes": reference.size or None,
        "path": None if at is None else str(at[1]),
        "place": None if at is None else at[0],
        "sha256": reference.sha256 or "unknown" if reference.file else None,
        "sha256_recorded": recorded(reference),
        "urls": list(reference.urls),
        "source": reference.source,
        "licence": reference.licence,
        "citation": reference.citation,
        "home": reference.home,
    }
