"""mifid features"""

from __future__ import annotations

from typing import Any

import click

from .options import common, extraction_of_one, limit, make_progress, seed
from .tables import print_text


@click.command()
@click.argument("images")
@click.option(
    "-o",
    "--output",
    "store",
    required=True,
    type=click.Path(),
    metavar="STORE",
    help="The folder of the parts; it is made if it is missing.",
)
@click.option(
    "--shard",
    metavar="I/N",
    help="Compute only the I-th of N ranges of pictures, by their index, in this process: 1/16 to "
    "16/16.",
)
@click.option(
    "--engine",
    metavar="NAME",
    help="Compute all shards: local (processes of this machine), torchrun (which started this "
    "process), ray, or ray://HOST:PORT (a Ray cluster; pip install 'mifid[ray]'). Without it and "
    "--shard: one shard, in this process.",
)
@click.option(
    "--shards",
    type=click.IntRange(min=1),
    metavar="N",
    help="Number of shards of an engine. Results depend on it in the last bits, but not on the "
    "number of processes.  [default: 16]",
)
@click.option(
    "--processes",
    type=click.IntRange(min=1),
    metavar="N",
    help="Processes or actors of an engine. Default: one per core or GPU.",
)
@limit
@seed
@extraction_of_one(default="inception")
@common
def features(images: str, quiet: bool, **settings: Any) -> None:
    """Compute the features of IMAGES in shards, for a feature store that many jobs can fill.

    A store is a folder with a part for each shard. Any processes and machines that share the folder
    can compute them, in any order. A part is written whole or not at all, and one that is there
    already is not computed again. mifid score, compare and explain take a store like the pictures.

    \b
    mifid features samples/ -o store/ --shard 1/2
    mifid features samples/ -o store/ --shard 2/2
    mifid score store/ --ref monet_jpg/
    mifid features samples/ -o store/ --engine local --shards 16
    sbatch --array=1-16 --wrap 'mifid features samples/ -o store/ --shard $SLURM_ARRAY_TASK_ID/16'
    """
    from mifid.distributed import compute_shards

    for found in compute_shards(images, progress=make_progress(silent=quiet), **settings):
        part = found.part
        left_out = f", {len(part.bad)} bad left out" if part.bad else ""
        there = "" if found.computed else " (was there already)"
        print_text(
            f"{part.path}: shard {part.shard}, {part.n:,} pictures{left_out}, {part.width} "
            f"features each, extractor {part.provenance.extractor}{there}"
        )
