"""mifid demo"""

from __future__ import annotations

import itertools
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .failures import unshown
from .options import common, make_progress
from .tables import print_text

if TYPE_CHECKING:
    from mifid.demo import Demo
    from mifid.progress import Progress


_NETWORK = "lite0"

_NEXT = """\
All pictures above were drawn by mifid, without a download. Commands for real pictures:

  mifid paint photo.jpg -o painting.jpg           your own photo, of any size
  mifid check images.zip                          will the upload be accepted?
  mifid score images.zip --ref monet_jpg/         the number, before the upload
  mifid compare a.zip b.zip --ref monet_jpg/      which is better, and is it noise?
  mifid reference build monet_jpg/ -o monet.npz   the reference, computed once
  mifid weights show                              are the trained weights on this machine?
  mifid train-baseline --photos photo_jpg/ --monets monet_jpg/    train, paint, check and score
"""


@click.command()
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("mifid-demo"),
    show_default=True,
    help="Folder for the pictures.",
)
@common
def demo(out: Path, quiet: bool) -> None:
    """Show how mifid works, without a download: draw, paint, check, score and train."""
    from mifid.demo import draw_demo
    from mifid.scoring import score
    from mifid.submission import MONET

    from .check import print_check

    progress = make_progress(silent=quiet)
    drawn = draw_demo(out, progress)
    print_text(f"Drew {drawn.rules.at_least} 'photos' and as many 'paintings' into {out}/")
    print_text(
        f"The network is {_NETWORK}, which is trained and needs no download. Its numbers are not "
        "comparable with Kaggle's, which are of inception."
    )
    print_text("\nA submission: the photos, in brush strokes", bold=True)
    print_text(f"$ mifid check {_quoted(drawn.submission)}")
    print_text(
        f"The demo's own rule is {drawn.rules.at_least} pictures; the command itself checks the "
        f"competition's rule, {MONET.at_least:,} to {MONET.at_most:,}."
    )
    print_check(drawn.submission, rules=drawn.rules, progress=progress)
    _paint(drawn, out)
    page = out / "report.html"
    for title, archive, more in (
        ("Its score", drawn.submission, f" --report {_quoted(page)}"),
        ("A cheat: half of the reference, each painting twice", drawn.copies, ""),
    ):
        print_text(f"\n{title}", bold=True)
        print_text(
            f"$ mifid score {_quoted(archive)} --ref {_quoted(drawn.paintings)} "
            f"--extractor {_NETWORK}{more}"
        )
        report = score(archive, drawn.paintings, extractor=_NETWORK, progress=progress)
        print_text(unshown(report).text())
        if more:
            report.save(page)
            print_text(f"The report with the evidence: {page}")
    _train(drawn, out, progress)
    print_text(
        f"\n{drawn.rules.at_least} pictures per side suffice for a demo; a stable FID needs more.\n"
    )
    print_text(_NEXT)


def _paint(drawn: Demo, out: Path) -> None:
    """Paint the first photo by the painter that comes with mifid."""
    from mifid.painting import paint_files

    photo, painting = next(iter(sorted(drawn.photos.iterdir()))), out / "painting.jpg"
    print_text("\nA photo, painted by the painter that comes with mifid", bold=True)
    print_text(f"$ mifid paint {_quoted(photo)} -o {_quoted(painting)} --force")
    paint_files([photo], painting, force=True, progress=False)
    print_text(f"The painting: {painting}")


def _train(drawn: Demo, out: Path, progress: Progress) -> None:
    """Train a tiny generator on the drawn pictures, and print its submission and score."""
    from mifid.baseline import train_baseline

    from .train import print_trained

    numbers = (number for number in itertools.count(1) if not (out / f"run-{number}").exists())
    folder = out / f"run-{next(numbers)}"
    print_text("\nA tiny generator, trained and scored", bold=True)
    print_text(
        f"$ mifid train-baseline --photos {_quoted(drawn.photos)} "
        f"--monets {_quoted(drawn.paintings)} --held-out {_quoted(drawn.held_out)} "
        f"--preset tiny --out {_quoted(folder)} --extractor {_NETWORK}"
    )
    trained = train_baseline(
        drawn.photos,
        drawn.paintings,
        folder,
        held_out=drawn.held_out,
        preset="tiny",
        extractor=_NETWORK,
        rules=drawn.rules,
        progress=progress,
    )
    if trained.interrupted is not None:
        print_text(
            f"Stopped at step {trained.step:,} and saved. Continue with: mifid train-baseline "
            f"--out {_quoted(folder)} --resume",
            err=True,
        )
        click.get_current_context().exit(128 + trained.interrupted)
    print_trained(trained)


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))
