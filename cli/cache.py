"""mifid cache"""

from __future__ import annotations

import click

from .options import common


@click.group()
def cache() -> None:
    """Features kept on disk, so that a second run takes a second."""


@cache.command()
@common
def show(quiet: bool) -> None:
    """Show where the cache is, how full, and its entries by last use."""
    del quiet
    import time

    from mifid.cache import Cache

    from .tables import print_table, size_text

    kept = Cache()
    entries = kept.entries()
    print_table(
        ["entry", "size", "last used"],
        [
            (e.key[:16], size_text(e.size), time.strftime("%Y-%m-%d %H:%M", time.localtime(e.used)))
            for e in entries
        ],
    )
    total = size_text(sum(entry.size for entry in entries))
    click.echo(f"{kept.folder}: {len(entries)} entries, {total} of at most {size_text(kept.limit)}")


@cache.command()
@common
def clear(quiet: bool) -> None:
    """Remove all entries. Weights stay."""
    del quiet
    from mifid.cache import Cache

    from .tables import size_text

    removed = Cache().clear()
    freed = size_text(sum(entry.size for entry in removed))
    click.echo(f"{len(removed)} entries removed, {freed} freed")
