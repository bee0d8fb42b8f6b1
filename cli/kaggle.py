"""mifid kaggle"""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

import click

from .failures import CommandGroup
from .options import common, json_option
from .tables import print_json, print_text

if TYPE_CHECKING:
    from mifid.kaggle import Bundle

__all__ = ["kaggle"]


@click.group(cls=CommandGroup)
def kaggle() -> None:
    """Take a trained generator through Kaggle's code competition (docs/kaggle.md)."""


@kaggle.command()
@click.argument("source", required=False, type=click.Path(), metavar="[SOURCE]")
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False),
    default="bundle",
    show_default=True,
    metavar="FOLDER",
    help="The bundle to write: a new or empty folder, or an unchanged bundle, which is replaced.",
)
@click.option(
    "--user",
    metavar="NAME",
    help="Your Kaggle user name, as in the address of your profile, https://www.kaggle.com/NAME.",
)
@click.option(
    "--name",
    default="mifid-monet",
    show_default=True,
    metavar="NAME",
    help="Name of the data set and of the notebook: 6 to 50 small letters, digits and hyphens.",
)
@click.option(
    "--train",
    is_flag=True,
    help="Pack a notebook that trains on Kaggle, on two GPUs and within 5 hours, without SOURCE. "
    "A batch of an odd number trains on one GPU.",
)
@click.option(
    "--preset",
    metavar="NAME",
    help="Of --train: a preset; `mifid presets` lists them.  [default: kaggle-5h]",
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Of --train: change a setting, such as loss.cycle=5. May be given several times.",
)
@click.option(
    "--wheels",
    type=click.Path(),
    metavar="FOLDER",
    help="Also pack the wheels of FOLDER, which must fit Python 3.12 on Linux; they replace "
    "installed packages. For packages that are not pure Python, or if Kaggle's image lacks others.",
)
@json_option
@common
def pack(
    source: str | None,
    train: bool,
    preset: str | None,
    settings: tuple[str, ...],
    as_json: bool,
    quiet: bool,
    **given: Any,
) -> None:
    """Write a data set and a notebook with which Kaggle paints the competition's photos.

    SOURCE is a trained generator: the folder of a run, its best.safetensors, or the weights of the
    CycleGAN repository or of CUT. The notebook runs without internet: it installs mifid from the
    data set, rehearses on 20 photos, paints all, checks and scores, and leaves images.zip. Nothing
    is uploaded; mifid kaggle submit does that.

    \b
    mifid kaggle pack run/ --user jane -o bundle/
    mifid kaggle pack --train --preset agarwal-static --user jane -o bundle/
    """
    del quiet
    from mifid.kaggle import pack as pack_generator
    from mifid.kaggle import pack_training

    if train:
        if source is not None:
            raise click.UsageError(f"--train takes no generator: leave out {source}.")
        bundle = pack_training(preset=preset, settings=settings, **given)
    else:
        if source is None:
            raise click.UsageError(
                "Missing argument 'SOURCE': a trained generator; or --train, to train on Kaggle."
            )
        if preset is not None or settings:
            raise click.UsageError("--preset and --set are of --train.")
        bundle = pack_generator(source, **given)
    if as_json:
        print_json(json.dumps(_as_dict(bundle), indent=2))
    else:
        _print_bundle(bundle)


def _as_dict(bundle: Bundle) -> dict[str, Any]:
    return {
        "path": str(bundle.folder),
        "id": bundle.handle,
        "accelerator": bundle.accelerator,
        "wheels": list(bundle.wheels),
        "files": bundle.files,
        "bytes": bundle.size,
    }


def _print_bundle(bundle: Bundle) -> None:
    from mifid.formatting import size_text

    print_text(
        f"{bundle.folder}: {bundle.files} files, {size_text(bundle.size)}, for the data set "
        f"and the notebook {bundle.handle} on {bundle.accelerator}"
    )
    print_text(f"Wheels: {', '.join(bundle.wheels)}")
    print_text(f"Next: mifid kaggle submit {shlex.quote(str(bundle.folder))}")


@kaggle.command()
@click.argument("bundle", type=click.Path(), metavar="BUNDLE")
@click.option(
    "-m",
    "--message",
    default="",
    metavar="TEXT",
    help="Shown beside the score.  [default: mifid and its version]",
)
@click.option(
    "--run",
    is_flag=True,
    help="Call Kaggle's own program, kaggle, which must be installed and logged in.",
)
@click.option(
    "--version",
    type=click.IntRange(min=1),
    metavar="N",
    help="Version of the notebook, if it was pushed before. With --run nothing is uploaded then: "
    "mifid waits for the notebook and submits.",
)
@common
@click.pass_context
def submit(
    ctx: click.Context, bundle: str, message: str, run: bool, version: int | None, quiet: bool
) -> None:
    """Print the commands that submit BUNDLE; with --run, call them.

    They upload the data set and the notebook, wait for both, and submit images.zip. mifid neither
    reads, stores nor shows credentials: the program kaggle has its own login.

    \b
    mifid kaggle submit bundle/
    mifid kaggle submit bundle/ --run -m "U-Net, 55,000 steps"
    """
    from mifid.kaggle import commands, open_bundle
    from mifid.kaggle import submit as submit_bundle

    opened = open_bundle(bundle)
    if not run:
        print_text(commands(opened, message=message, version=version).text())
        return
    again = ["mifid kaggle submit", shlex.quote(bundle), "--run --version N"]
    try:
        submitted = submit_bundle(
            opened, message=message, version=version, say=_nothing if quiet else print_text
        )
    except KeyboardInterrupt:
        print_text(
            "\nInterrupted. Kaggle goes on with what was started; once the notebook is pushed, "
            f"wait and submit with: {' '.join(again)}",
            err=True,
        )
        ctx.exit(130)
    print_text(
        f"Submitted version {submitted} of {opened.handle}. The score: "
        "kaggle competitions submissions gan-getting-started"
    )


def _nothing(_text: str) -> None:
    """Print nothing."""
