"""mifid cache"""

from __future__ import annotations

import click

from .failures import CommandGroup
from .options import common
from .tables import print_table, print_text


@click.group(cls=CommandGroup)
def cache() -> None:
    """Show or clear the cache, which makes a second run take a second.

    It holds features and the network's last layer for scored pictures, decoded training pictures,
    and networks converted for OpenVINO.
    """


@cache.command()
@common
def show(quiet: bool) -> None:
    """Show the folders of the cache, their sizes, and their entries by last use."""
    del quiet
    from mifid.cache import Cache, NetworkCache, PixelCache
    from mifid.formatting import size_text

    features, pixels, networks = Cache(), PixelCache(), NetworkCache()
    kept = {
        "scoring": features.entries(),
        "training": pixels.entries(),
        "OpenVINO": networks.entries(),
    }
    print_table(
        ["entry", "for", "size", "last used"],
        [
            (e.key[:16], what, size_text(e.size), _time_text(e.used))
            for what, entries in kept.items()
            for e in entries
        ],
    )
    limits = {
        features.folder: f"at most {size_text(features.limit)}",
        pixels.folder: "any size",
        networks.folder: "any size",
    }
    for (folder, limit), entries in zip(limits.items(), kept.values(), strict=True):
        total = size_text(sum(entry.size for entry in entries))
        print_text(f"{folder}: {len(entries)} entries, {total} of {limit}")


@cache.command()
@common
def clear(quiet: bool) -> None:
    """Remove all entries, but no weights."""
    del quiet
    from mifid.cache import Cache, NetworkCache, PixelCache
    from mifid.formatting import size_text

    removed = Cache().clear() + PixelCache().clear() + NetworkCache().clear()
    freed = size_text(sum(entry.size for entry in removed))
    print_text(f"{len(removed)} entries removed, {freed} freed")


def _time_text(epoch_seconds: float) -> str:
    import time

    return time.strftime("%Y-%m-%d %H:%M", time.localtime(epoch_seconds))
