"""mifid pretrain"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .options import common, make_progress, running, training_sides
from .train import carry_out, print_pretrained


@click.command("pretrain")
@training_sides
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("pretrained"),
    show_default=True,
    help="Folder of the run, new or empty.",
)
@click.option(
    "--preset",
    metavar="NAME",
    help="A preset with training.method=inpainting.  [default: uvcgan2-pretrain]",
)
@click.option(
    "--generator-of",
    metavar="PRESET",
    help="Train the generator of this preset, such as kaggle-5h, if it makes pictures of pictures.",
)
@click.option(
    "--config", type=click.Path(), metavar="FILE", help="A config.toml instead of a preset."
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change a setting, such as inpainting.domains=paintings. May be given several times.",
)
@click.option(
    "--steps",
    type=click.IntRange(min=1),
    metavar="N",
    help="Length in steps, each with training.batch pictures per side.",
)
@click.option("--resume", is_flag=True, help="Continue the run in --out.")
@click.option(
    "--init",
    multiple=True,
    metavar="FILE",
    help="Begin with this generator, as in `mifid train-baseline`.",
)
@running
@common
@click.pass_context
def pretrain(
    ctx: click.Context,
    /,
    settings: tuple[str, ...],
    steps: int | None,
    quiet: bool,
    **given: Any,
) -> None:
    """Train a generator to fill holes in pictures, to begin a training with.

    It does not learn to paint, and nothing is scored. The folder, which `mifid train-baseline
    --init` takes, is that of a run: config.toml, samples/ (masked, filled, original), plots,
    metrics, checkpoints and best.safetensors. Ctrl-C saves the run; --resume continues it.

    \b
    mifid pretrain --photos photo_jpg/ --monets monet_jpg/ --out pretrained/
    mifid pretrain --photos photo_jpg/ --monets monet_jpg/ --generator-of kaggle-5h
    mifid train-baseline --photos photo_jpg/ --monets monet_jpg/ --preset uvcgan2 \\
        --init pretrained/
    """
    from mifid.baseline import pretrain as train

    length = () if steps is None else (f"training.steps={steps}",)

    def training() -> Any:
        return train(
            **given,
            settings=[*length, *settings],
            # With several GPUs the processes that are started show it.
            progress=make_progress(silent=quiet) if given["gpus"] == 1 else not quiet,
        )

    trained = carry_out(ctx, training)
    if trained.is_first:
        print_pretrained(trained)
