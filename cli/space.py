"""mifid space"""

from __future__ import annotations

import shlex
from typing import Any

import click

from .options import common
from .tables import print_text

__all__ = ["space"]


@click.command()
@click.argument("painters", nargs=-1, type=click.Path(), metavar="[PAINTER]...")
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False),
    default="space",
    show_default=True,
    metavar="FOLDER",
    help="The folder to write: a new or an empty one.",
)
@common
def space(*, quiet: bool, **given: Any) -> None:
    """Write the page of `mifid serve` as a Space of Hugging Face, with its painters.

    PAINTER is what `mifid paint --painter` takes: the folder of a run, a file of weights, or a name
    of `mifid painters`; monet, which comes with mifid, is there in any case. The folder holds mifid
    itself, app.py, README.md with the settings of the Space, requirements.txt, and the weights; the
    Space gets the versions of Python and gradio that are installed here. Nothing is uploaded.

    \b
    mifid space run/ -o space/
    """
    del quiet
    from mifid.formatting import listed, size_text
    from mifid.web import write_space

    made = write_space(**given)
    folder = shlex.quote(str(made.folder))
    print_text(
        f"{made.folder}: {made.files} files, {size_text(made.size)}, a Space that paints with "
        f"{listed(made.painters)}"
    )
    print_text(f"Try it here: python {shlex.quote(str(made.folder / 'app.py'))}")
    print_text(f"Upload it: hf upload USER/NAME {folder} --repo-type space")
