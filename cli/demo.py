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


_NEXT = """\
All pictures above were drawn by mifid, without a download. Commands for real pictures:

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
    """Show how mifid works, without a download: draw, check, score and train."""
    from mifid.demo import draw_demo
    from mifid.extractors import find
    from mifid.metrics import EPSILON
    from mifid.scoring import score
    from mifid.submission import MONET

    from .check import print_check

    progress = make_progress(silent=quiet)
    weights = find()
    # A random network sees all pictures as more alike than the trained one does.
    extractor, epsilon = ("inception", EPSILON) if weights else ("inception-random", 0.03)
    drawn = draw_demo(out, progress)
    print_text(f"Drew {drawn.rules.at_least} 'photos' and as many 'paintings' into {out}/")
    if weights is None:
        print_text("No trained Inception weights were found: this demo uses random weights.")
    else:
        print_text(f"Trained Inception weights: {weights.path}")
    print_text("\nA submission: the photos, in brush strokes", bold=True)
    print_text(f"$ mifid check {_quoted(drawn.submission)}")
    print_text(
        f"The demo's own rule is {drawn.rules.at_least} pictures; the command itself checks the "
        f"competition's rule, {MONET.at_least:,} to {MONET.at_most:,}."
    )
    print_check(drawn.submission, rules=drawn.rules, progress=progress)
    options = "" if weights else f" --extractor {extractor} --epsilon {epsilon:g}"
    page = out / "report.html"
    for title, archive, more in (
        ("Its score", drawn.submission, f" --report {_quoted(page)}"),
        ("A cheat: half of the reference, each painting twice", drawn.copies, ""),
    ):
        print_text(f"\n{title}", bold=True)
        print_text(
            f"$ mifid score {_quoted(archive)} --ref {_quoted(drawn.paintings)}{options}{more}"
        )
        report = score(
            archive, drawn.paintings, extractor=extractor, epsilon=epsilon, progress=progress
        )
        print_text(unshown(report).text())
        if more:
            report.save(page)
            print_text(f"The report with the evidence: {page}")
    _train(drawn, out, progress, extractor=extractor, epsilon=epsilon)
    print_text(
        f"\n{drawn.rules.at_least} pictures per side suffice for a demo; a stable FID needs more.\n"
    )
    print_text(_NEXT)


def _train(drawn: Demo, out: Path, progress: Progress, *, extractor: str, epsilon: float) -> None:
    """Train a tiny generator on the drawn pictures, and print its submission and score."""
    from mifid.baseline import train_baseline

    from .train import print_trained

    numbers = (number for number in itertools.count(1) if not (out / f"run-{number}").exists())
    folder = out / f"run-{next(numbers)}"
    print_text("\nA tiny generator, trained and scored", bold=True)
    print_text(
        f"$ mifid train-baseline --photos {_quoted(drawn.photos)} "
        f"--monets {_quoted(drawn.paintings)} --held-out {_quoted(drawn.held_out)} "
        f"--preset tiny --out {_quoted(folder)} --extractor {extractor} --epsilon {epsilon:g}"
    )
    trained = train_baseline(
        drawn.photos,
        drawn.paintings,
        folder,
        held_out=drawn.held_out,
        preset="tiny",
        epsilon=epsilon,
        extractor=extractor,
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
