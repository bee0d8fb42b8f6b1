"""mifid train-baseline"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from .failures import unshown
from .options import (
    common,
    make_progress,
    prepare_extractor,
    running,
    switch_off,
    training_sides,
)
from .tables import print_text

_NOT_IN_CONFIG = {
    "anyway",
    "backend",
    "device",
    "gpus",
    "workers",
    "skip_bad",
    "tensorboard",
    "wandb",
}
"""Options whose values config.toml does not hold."""

_LISTED = 4  # largest entries of a run's folder that are printed


@click.command("train-baseline")
@training_sides
@click.option(
    "--held-out",
    type=click.Path(),
    metavar="PATH",
    help="Paintings that are not trained on. FID is measured against them, so copying does not "
    "lower it. (In `mifid score`, --held-out gives only the floor of FID.)",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("run"),
    show_default=True,
    help="Folder of the run, new or empty.",
)
@click.option(
    "--preset", metavar="NAME", help="A preset; `mifid presets` lists them.  [default: kaggle-5h]"
)
@click.option(
    "--config",
    type=click.Path(),
    metavar="FILE",
    help="A config.toml instead of a preset: of another run, or your own.",
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change a setting, such as loss.cycle=5. May be given several times. `mifid presets NAME` "
    "shows all settings.",
)
@click.option(
    "--budget",
    metavar="TIME",
    help="Length as a time until the submission is scored, such as 5h, 30m or 600s.",
)
@click.option(
    "--epochs",
    type=click.FloatRange(min=0, min_open=True),
    metavar="N",
    help="Length as N passes over the paintings; over the photos if training.epoch=photos.",
)
@click.option(
    "--steps",
    type=click.IntRange(min=1),
    metavar="N",
    help="Length as N steps, each with training.batch pictures per side. The first length that is "
    "reached ends the run. Lengths given here replace those of the preset.",
)
@click.option(
    "--limit",
    type=click.IntRange(min=2),
    metavar="N",
    help="Train on the first N pictures per side.",
)
@click.option(
    "--select",
    "select_paintings",
    type=click.Path(),
    metavar="FILE",
    help="Train only on the paintings that FILE names, one name per line.",
)
@click.option(
    "--resume",
    is_flag=True,
    help="Continue the run in --out; with a longer --steps, --epochs or --budget beyond its end.",
)
@click.option(
    "--anyway",
    is_flag=True,
    help="Train also if so few steps fit into the budget, or the learning rate is so low, that "
    "nothing can be learnt.",
)
@click.option(
    "--init",
    multiple=True,
    metavar="[NET=]FILE",
    help="Begin with these weights: of one generator (best.safetensors, latest_net_G_A.pth of the "
    "CycleGAN repository, latest_net_G.pth of CUT, U-GAT-IT's file), for the painter, or of a "
    "whole run (its folder or a checkpoint). painter=FILE and photographer=FILE name the network; "
    "may be given several times.",
)
@switch_off("score", help="Do not score. The last snapshot then paints the submission.")
@click.option(
    "--extractor",
    metavar="NAME",
    help="As in `mifid score`, for all scores.  [default: what --config says, else lite0 for "
    "snapshots, and inception for the submission if its weights are on this machine]",
)
@click.option(
    "--epsilon",
    type=click.FloatRange(0, 1),
    help="Memorization distances below it are penalized.  "
    "[default: what --config says, else the extractor's own]",
)
@click.option("--weights", type=click.Path(), metavar="FILE", help="As in `mifid score`.")
@click.option(
    "--backend", default="auto", show_default=True, metavar="NAME", help="As in `mifid score`."
)
@running
@common
@click.pass_context
def train_baseline(
    ctx: click.Context,
    /,
    budget: str | None,
    epochs: float | None,
    steps: int | None,
    limit: int | None,
    select_paintings: str | None,
    settings: tuple[str, ...],
    extractor: str | None,
    quiet: bool,
    **given: Any,
) -> None:
    """Train a CycleGAN, paint the photos, check and score the submission.

    The folder of the run holds config.toml, samples/, plots, metrics, checkpoints,
    best.safetensors, images.zip and report.html. Ctrl-C saves the run; --resume continues it.

    Exit codes: 0 if the run is complete, even if Kaggle refuses the number of pictures (a warning
    says so before training); 1 if something failed; 130 after Ctrl-C; 143 after SIGTERM.

    \b
    mifid train-baseline --photos photo_jpg/ --monets monet_jpg/ --out run/
    mifid train-baseline --photos photo_jpg/ --monets monet_jpg/ --preset agarwal-static
    mifid train-baseline --out run/ --resume
    mifid train-baseline --photos photo_jpg/ --monets monet_jpg/ --gpus 2
    """
    from mifid.baseline import train_baseline as train
    from mifid.baseline.config import assigned

    # A length given here replaces all lengths of the preset.
    length = {"training.budget": budget, "training.epochs": epochs, "training.steps": steps}
    if any(value is not None for value in length.values()):
        by_set = {assigned(assignment) for assignment in settings}
        length = {
            name: value or (0 if name != "training.budget" else "")
            for name, value in length.items()
            if value is not None or name not in by_set
        }
    shorthands = {
        **length,
        "data.limit_photos": limit,
        "data.limit_paintings": limit,
        "data.select_paintings": select_paintings,
    }
    changes = [f"{name}={value}" for name, value in shorthands.items() if value is not None]

    def training() -> Any:
        return train(
            **given,
            settings=[*changes, *settings],
            extractor=extractor and prepare_extractor(extractor),
            # With several GPUs the processes that are started show it.
            progress=make_progress(silent=quiet) if given["gpus"] == 1 else not quiet,
        )

    trained = carry_out(ctx, training)
    if trained.check is None:
        if trained.is_first:
            print_pretrained(trained)
        return
    if given["resume"] and not trained.trained_steps:
        print_text(
            f"Nothing was left to train: the run was complete at step {trained.step:,}. Its "
            "best snapshot painted the photos again. To continue training, give a longer "
            "--steps, --epochs or --budget, counted from the beginning of the run."
        )
    print_trained(trained, again=_given_again(ctx))
    refused = {f.rule for f in trained.check.findings if f.level == "refused"}
    ctx.exit(1 if refused - {"number"} else 0)


def carry_out(ctx: click.Context, training: Callable[[], Any]) -> Any:
    """Call a training; return its result, or exit as a training that did not end.

    Args:
        ctx: with the option ``out``.
        training: returns mifid.baseline.training.Trained.
    """
    from mifid.baseline import PeerError

    try:
        trained = training()
    except PeerError:  # the process that failed has reported the reason
        ctx.exit(1)
    except KeyboardInterrupt:  # before the first step, after the last, or twice
        print_text(f"\nInterrupted. {_go_on(ctx, ctx.params['out'])}", err=True)
        ctx.exit(130)
    if trained.interrupted is not None:
        if trained.is_first:
            print_text(
                f"Stopped at step {trained.step:,} and saved. {_go_on(ctx, trained.folder)}",
                err=True,
            )
        ctx.exit(128 + trained.interrupted)
    return trained


def print_pretrained(trained: Any) -> None:
    """Print where a pretrained generator is, and the command that begins with it.

    Args:
        trained: mifid.baseline.training.Trained.
    """
    folder = shlex.quote(str(trained.folder))
    print_text(f"The generator, after {trained.step:,} steps: {trained.folder}/best.safetensors")
    print_text("It fills holes in pictures and does not paint yet. Begin a training with it:")
    print_text(f"  mifid train-baseline --photos ... --monets ... --init {folder}")


def print_trained(trained: Any, *, again: str = "") -> None:
    """Print the submission of a finished run, its score, and the commands that continue it.

    Args:
        trained: mifid.baseline.training.Trained.
        again: options that config.toml does not hold.
    """
    from mifid.baseline import commands
    from mifid.baseline.run import contents
    from mifid.formatting import size_text

    from .check import print_findings

    if trained.worse:
        print_text(f"{trained.worse[0].upper()}{trained.worse[1:]}.\n", bold=True)
    for symptom in trained.symptoms:
        print_text(f"{symptom[0].upper()}{symptom[1:]}.\n", bold=True)
    print_findings(trained.check)
    if (report := trained.report) is not None:
        first = (trained.worse, *trained.symptoms)
        said = tuple(warning for warning in report.warnings if warning not in first)
        print_text(unshown(replace(report, warnings=said)).text())
    print_text(f"\nThe submission: {trained.archive}")
    print_text(f"The report of the run: {trained.folder / 'report.html'}")
    held = contents(trained.folder)
    total = sum(size for _, size in held)
    shown = ", ".join(f"{name} {size_text(size)}" for name, size in held[:_LISTED])
    print_text(f"The folder {trained.folder} holds {size_text(total)}: {shown}, and less.")
    for command in commands(trained.folder, step=trained.step, again=again):
        print_text(f"\n{command.purpose}")
        print_text(f"  {command.line}")


def _go_on(ctx: click.Context, folder: Path) -> str:
    """Return the command that continues a run, with the options that config.toml does not hold."""
    if not (folder / "config.toml").is_file():
        return "Nothing is trained yet: give the same command again."
    command = ["mifid train-baseline --out", shlex.quote(str(folder)), "--resume"]
    return " ".join(["Continue with:", *command, _given_again(ctx)]).strip()


def _given_again(ctx: click.Context) -> str:
    """Return the given options that config.toml does not hold, quoted for a shell."""
    again: list[str] = []
    # An extractor of the user's own must be named again; without scores none was used.
    if ":" in (extractor := ctx.params.get("extractor") or "") and ctx.params["score"]:
        again += ["--extractor", shlex.quote(extractor)]
    for option in ctx.command.params:
        given = (
            ctx.get_parameter_source(option.name or "") is click.core.ParameterSource.COMMANDLINE
        )
        if not given or option.name not in _NOT_IN_CONFIG:
            continue
        again.append(option.opts[0])
        if not (isinstance(option, click.Option) and option.is_flag):
            again.append(shlex.quote(str(ctx.params[option.name])))
    return " ".join(again)
