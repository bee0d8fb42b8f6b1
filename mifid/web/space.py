"""write_space(): the page as a Space of Hugging Face, a folder to upload."""

from __future__ import annotations

import os
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from packaging.requirements import Requirement

from mifid.baseline.generation import save_generator
from mifid.errors import MifidError, OutputError
from mifid.files import folder_beside, given_path, not_empty
from mifid.formatting import listed
from mifid.kaggle import write_own_wheel
from mifid.machine import __version__
from mifid.painting import painters as painters_at_hand
from mifid.web.painters import OpenPainter, given_painters

__all__ = ["Space", "write_space"]

_APP = '''\
"""The page of mifid as a Space. Tried at home: python app.py"""

import os
from pathlib import Path

from mifid.web import Limits, serve

HERE = Path(__file__).resolve().parent

if __name__ == "__main__":
    serve(
        painters=sorted((HERE / "painters").glob("*.safetensors")),
        # To score submissions, too, and to play the quiz, add files to this folder and name them:
        # references={"monets": HERE / "monets.npz"},  # of mifid reference build --extractor lite0
        # extractor="lite0",  # its weights come with a package; those of Kaggle's do not
        # real=HERE / "real.zip",
        # paintings={"my-monet": HERE / "images.zip"},
        limits=Limits.for_strangers(),
        # A Space, and only a Space, is open to everybody without a password.
        host="0.0.0.0" if os.environ.get("SPACE_ID") else "127.0.0.1",
        port=int(os.environ.get("GRADIO_SERVER_PORT", "7860")),
    )
'''

# Keys: https://huggingface.co/docs/hub/spaces-config-reference
_README = """\
---
title: mifid
emoji: 🎨
colorFrom: blue
colorTo: green
sdk: gradio
sdk_version: {gradio}
python_version: "{python}"
app_file: app.py
license: apache-2.0
short_description: Paint photos, check submissions
---

# mifid

A page that paints photos with {painters}, and checks submissions to Kaggle's competition
'I'm Something of a Painter Myself'.

- `app.py` says what the page offers. Its limits for visitors are `Limits.for_strangers()`.
- `painters/` holds weights, without code. The licence above is that of mifid: say here which one
  the weights have.
- `mifid/`, `mifid_cli/` and `mifid-{version}.dist-info/` are mifid {version}, which wrote this.
- `requirements.txt` lists the packages that it needs.
"""

_REQUIREMENTS = """\
# Packages of mifid {version}, without mifid itself, which is in this folder.
# torch comes with its libraries for GPUs, several GB. A Space without a GPU is built faster with
# one more line: --extra-index-url ADDRESS, the address that pytorch.org, "Start locally", shows
# for pip and CPU.
"""


@dataclass(frozen=True)
class Space:
    """A Space on disk.

    Attributes:
        folder: to upload.
        painters: names of those that the page offers.
        files: number of files.
        size: of these, in bytes.
    """

    folder: Path
    painters: tuple[str, ...]
    files: int
    size: int


def write_space(
    painters: Sequence[str | os.PathLike[str]] = (),
    output: str | os.PathLike[str] = "space",
) -> Space:
    """Write a folder that shows the page as a Space of Hugging Face. Nothing is uploaded.

    It holds mifid as it is installed here, the weights of the painters, and the files that
    configure a Space: ``app.py``, ``README.md``, ``requirements.txt``. The Space gets the versions
    of Python and gradio that are installed here, with which the page can be tried before.

    Args:
        painters: names of ``mifid painters``, files of weights or folders of runs; of each the
            weights that paint. Painters that come with mifid are there in any case.
        output: a new or an empty folder.

    Raises:
        InputError: no such painter, or two of one name.
        WeightsError: a file that is no generator that is known.
        OutputError: the folder is not empty, or cannot be written.
        MifidError: gradio is not installed.
    """
    folder = Path(given_path(output))
    _check_place(folder)
    gradio = _gradio_version()
    shipped = [entry.name for entry in painters_at_hand() if entry.kind == "shipped"]
    opened = given_painters(painters, "cpu")
    names = tuple(dict.fromkeys([*opened, *shipped]))
    values = {
        "gradio": gradio,
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "painters": listed(names),
        "version": __version__,
    }
    with folder_beside(folder) as made:
        (made / "painters").mkdir()
        for given, painter in zip(painters, opened.values(), strict=True):
            _save(painter, Path(given).name, made / "painters")
        wheel = write_own_wheel(made)
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(made)
        wheel.unlink()
        texts = {
            "app.py": _APP,
            "README.md": _README.format(**values),
            "requirements.txt": "\n".join(
                [_REQUIREMENTS.format(**values).rstrip(), *_needed(gradio), ""]
            ),
        }
        for name, text in texts.items():
            (made / name).write_text(text, encoding="utf-8")
        if folder.is_dir():  # an empty one; Windows replaces none
            folder.rmdir()
        os.replace(made, folder)
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return Space(folder, names, len(sizes), sum(sizes))


def _check_place(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder} is not a folder", hint="Name a new folder.")
    if folder.is_dir() and (found := sorted(path.name for path in folder.iterdir())):
        raise not_empty(folder, found, option="output")


def _gradio_version() -> str:
    try:
        return version("gradio")
    except PackageNotFoundError as error:
        raise MifidError(
            "gradio, whose version a Space must name, is not installed",
            hint="Install it where you try the page, in an environment of its own: "
            "pip install 'mifid[web]'",
        ) from error


def _needed(gradio: str) -> list[str]:
    """Return what mifid requires of this Python, and gradio, one package a line."""
    given = [Requirement(text) for text in requires("mifid") or ()]
    fitting = [r for r in given if r.marker is None or r.marker.evaluate({"extra": ""})]
    return sorted([*(f"{each.name}{each.specifier}" for each in fitting), f"gradio=={gradio}"])


def _save(painter: OpenPainter, file_name: str, folder: Path) -> None:
    """Write the weights that paint, as ours, with what is known of them."""
    loaded = painter.generator
    facts = dict(loaded.facts)
    if loaded.foreign:
        about = loaded.origin.partition(f"{file_name}, ")[2]
        facts = {"origin": f"{file_name}, {about}", "notes": list(loaded.notes)}
    save_generator(
        folder / f"{painter.name}.safetensors",
        networks={loaded.which: loaded.network},
        config=loaded.config,
        best=loaded.which,
        facts=facts,
    )
