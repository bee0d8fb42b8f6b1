"""The command `mifid`. Commands import the library only when they run, so --help is fast."""

from __future__ import annotations

import click

from .cache import cache
from .check import check
from .compare import compare
from .demo import demo
from .diagnose import diagnose
from .explain import explain
from .failures import SafeGroup, writable_streams
from .features import features
from .gallery import gallery
from .generate import generate
from .kaggle import kaggle
from .metrics import metrics
from .paint import paint
from .painters import painters
from .presets import presets
from .pretrain import pretrain
from .reference import reference
from .references import references
from .score import score
from .select import select
from .serve import serve
from .space import space
from .study import study
from .train import train_baseline
from .weights import weights
from .zip import zip_pictures

__all__ = ["cli", "main"]


def _print_version(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    if value:
        from mifid.machine import __version__

        click.echo(f"mifid {__version__}")
        ctx.exit()


@click.group(cls=SafeGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Show the version and exit.",
)
def cli() -> None:
    """Score generated images by MiFID, exactly as Kaggle computes it.

    \b
    mifid demo                                    a demonstration without a download
    mifid score images.zip --ref monet_jpg/       the number
    mifid compare a.zip b.zip --ref monet_jpg/    which is better, and is it noise?
    mifid check images.zip                        will the upload be accepted?
    mifid train-baseline --photos photo_jpg/ --monets monet_jpg/
    mifid paint photo.jpg -o painting.jpg --painter run/
    """


for command in (
    score,
    compare,
    explain,
    diagnose,
    metrics,
    check,
    zip_pictures,
    select,
    train_baseline,
    pretrain,
    presets,
    generate,
    kaggle,
    paint,
    painters,
    gallery,
    serve,
    space,
    study,
    reference,
    references,
    features,
    weights,
    cache,
    demo,
):
    cli.add_command(command)


def main() -> None:
    """Run the command line."""
    writable_streams()
    cli(prog_name="mifid")
