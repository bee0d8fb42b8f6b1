"""mifid train-baseline"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .options import common, make_progress, prepare_extractor

_DEFAULTS = "kaggle-5h"


@click.command("train-baseline")
@click.option(
    "--photos", type=click.Path(), metavar="PATH", help="Photos: folder, zip, tar or TFRecords."
)
@click.option(
    "--monets", type=click.Path(), metavar="PATH", help="Paintings, in any of the same forms."
)
@click.option(
    "--held-out",
    type=click.Path(),
    metavar="PATH",
    help="Paintings that are not trained on: scored against these, copying does not pay.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("run"),
    show_default=True,
    help="Folder of the run, new or empty.",
)
@click.option("--preset", metavar="NAME", help="A recipe of `mifid presets`.  [default: kaggle-5h]")
@click.option(
    "--config",
    type=click.Path(),
    metavar="FILE",
    help="Instead of a preset: config.toml of another run, or your own.",
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change a setting, such as loss.cycle=5; as often as you like. `mifid presets NAME` "
    "shows them all.",
)
@click.option(
    "--budget", metavar="TIME", help="Be done, submission scored, after this time: 5h, 30m, 10s."
)
@click.option("--epochs", type=click.FloatRange(min=0, min_open=True), help="Train so long.")
@click.option("--steps", type=click.IntRange(min=1), help="Train so long.")
@click.option(
    "--limit", type=click.IntRange(min=2), metavar="N", help="Train on the first N pictures a side."
)
@click.option(
    "--select",
    type=click.Path(),
    metavar="FILE",
    help="Train on the paintings that FILE names, one a line.",
)
@click.option("--resume", is_flag=True, help="Go on with the run in --out.")
@click.option("--no-score", is_flag=True, help="Score nothing: the last snapshot is painted with.")
@click.option(
    "--extractor",
    default="inception",
    show_default=True,
    metavar="NAME",
    help="As in `mifid score`.",
)
@click.option("--weights", type=click.Path(), metavar="FILE", help="As in `mifid score`.")
@click.option(
    "--backend", default="auto", show_default=True, metavar="NAME", help="As in `mifid score`."
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1 or mps.")
@click.option("--workers", type=click.IntRange(min=1), metavar="N", help="Decoding threads.")
@click.option("--skip-bad", is_flag=True, help="Go on without pictures that cannot be decoded.")
@click.option("--tensorboard", is_flag=True, help="Also write TensorBoard's event files.")
@common
@click.pass_context
def train_baseline(
    ctx: click.Context,
    /,
    budget: str | None,
    epochs: float | None,
    steps: int | None,
    limit: int | None,
    select: str | None,
    settings: tuple[str, ...],
    no_score: bool,
    extractor: str,
    quiet: bool,
    **given: Any,
) -> None:
    """Train a CycleGAN and hand in: images.zip, checked and scored.

    Everything of the run is in its folder: config.toml, samples/, plots, metrics, checkpoints,
    best.safetensors, images.zip and report.html. Ctrl-C saves; --resume goes on.

    \b
    mifid train-baseline --photos photo_jpg/ --monets monet_jpg/ --out run/
    mifid train-baseline --photos photo_jpg/ --monets monet_jpg/ --preset agarwal-static
    mifid train-baseline --out run/ --resume
    torchrun --nproc-per-node 2 -m mifid_cli train-baseline --photos ... --monets ...
    """
    from mifid.training import train_baseline as train

    # Whoever says how long means it: a preset's own lengths no longer count.
    length = {"training.budget": budget, "training.epochs": epochs, "training.steps": steps}
    if any(value is not None for value in length.values()):
        length = {
            name: value or (0 if name != "training.budget" else "")
            for name, value in length.items()
        }
    shorthands = {
        **length,
        "data.limit_photos": limit,
        "data.limit_paintings": limit,
        "data.select_paintings": select,
    }
    changes = [f"{name}={value}" for name, value in shorthands.items() if value is not None]
    trained = train(
        **given,
        settings=[*changes, *settings],
        score=not no_score,
        extractor=prepare_extractor(extractor),
        progress=make_progress(silent=quiet),
    )
    if trained.interrupted is not None:
        click.echo(
            f"Stopped at step {trained.step:,} and saved. Go on with: "
            f"mifid train-baseline --out {trained.folder} --resume",
            err=True,
        )
        ctx.exit(128 + trained.interrupted)
    if trained.check is not None:
        print_trained(trained)
        ctx.exit(0 if trained.check.accepted else 1)


def print_trained(trained: Any) -> None:
    """Print what a finished run hands in."""
    from .check import print_findings

    print_findings(trained.check)
    if trained.report is not None:
        click.echo(trained.report.text())
    click.echo(f"\nThe submission: {trained.archive}")
    click.echo(f"How the run went: {trained.folder / 'report.html'}")
