"""mifid serve"""

from __future__ import annotations

import os
from typing import Any

import click

from .options import common, extraction
from .tables import print_text

__all__ = ["serve"]


def _named(_ctx: click.Context, _param: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    """Turn NAME=PATH into a mapping; PATH alone is called by its last part."""
    found: dict[str, str] = {}
    for text in given:
        name, equals, path = text.partition("=")
        if not equals or os.path.exists(text):
            path, name = text, os.path.basename(text.rstrip("/\\")) or text
        if not name.strip() or not path.strip():
            raise click.BadParameter(f"{text} is not NAME=PATH")
        if name in found:
            raise click.BadParameter(f"{text} is a second {name}; give another NAME=")
        found[name] = path
    return found


@click.command()
@click.option(
    "--painter",
    "painters",
    multiple=True,
    metavar="NAME|PATH",
    help="Also offer this painter: what `mifid paint --painter` takes. Those that `mifid painters` "
    "lists are offered in any case. May be given several times.",
)
@click.option(
    "--ref",
    "references",
    multiple=True,
    callback=_named,
    metavar="[NAME=]PATH",
    help="Real pictures to score submissions against: what `mifid score --ref` takes. May be given "
    "several times; visitors choose. Without it, submissions are only checked.",
)
@click.option(
    "--real-paintings",
    "real",
    metavar="PATH",
    help="The real paintings of the quiz.  [default: the first --ref]",
)
@click.option(
    "--paintings",
    multiple=True,
    callback=_named,
    metavar="[NAME=]PATH",
    help="Pictures that the painter NAME made, for the quiz: a folder or images.zip. May be given "
    "several times.",
)
@click.option(
    "--photos",
    metavar="FOLDER",
    help="Let each painter paint 20 of these photos for the quiz, at the start.",
)
@click.option(
    "--study",
    metavar="FILE",
    help="Add each answer of the quiz to this SQLite file, which `mifid study` reads. Without it, "
    "answers are forgotten at the end.",
)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on. Any other than this machine's needs --password.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=7860,
    show_default=True,
    help="Port to listen on; 0: a free one.",
)
@click.option(
    "--password",
    envvar="MIFID_PASSWORD",
    help="Password that the browser asks for; any user name is taken. Other users of this machine "
    "see options of commands: the variable MIFID_PASSWORD is safer.",
)
@click.option(
    "--max-upload",
    type=click.IntRange(min=1),
    default=500,
    show_default=True,
    metavar="MB",
    help="Largest file that a visitor may send.",
)
@click.option(
    "--max-photos",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    metavar="N",
    help="Photos that a visitor may have painted at a time.",
)
@click.option(
    "--max-seconds",
    type=click.IntRange(min=1),
    default=900,
    show_default=True,
    metavar="N",
    help="Time of one task, which is then stopped at its next step, and of one upload.",
)
@extraction
@common
def serve(
    *, max_upload: int, max_photos: int, max_seconds: int, quiet: bool, **settings: Any
) -> None:
    """Show a page on this machine: paint photos, judge submissions, guess which painting is real.

    Needs gradio: pip install 'mifid[web]'. Nothing leaves the machine; files of visitors are
    removed when they close the page, and when the command ends (Ctrl-C).

    \b
    mifid serve --painter run/
    mifid serve --ref monets=monet_jpg/ --extractor lite0
    mifid serve --real-paintings monet_jpg/ --paintings my-monet=images.zip --study results.sqlite
    """
    from mifid.web import Limits, is_loopback
    from mifid.web import serve as serve_page

    def ready(address: str) -> None:
        print_text(f"The page is at {address} (Ctrl-C ends it)")
        if not is_loopback(settings["host"]):
            print_text(
                "On other machines: http:// with this one's name or address, and the same port. "
                "Without https the password is sent unencrypted, and browsers allow no camera."
            )

    serve_page(
        limits=Limits(upload=max_upload * 1_000_000, photos=max_photos, seconds=max_seconds),
        ready=ready,
        progress=not quiet,
        **settings,
    )
