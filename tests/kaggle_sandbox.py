"""What Kaggle gives a notebook, as far as a test can: an image, mounted inputs, and no network.

    python tests/kaggle_sandbox.py          packs a generator, and runs the whole notebook
    python tests/kaggle_sandbox.py --train  the same with a training of three steps

They take half a minute and three minutes of a processor, so no test does; the tests run the cells
one by one, with quicker parts.
"""

import json
import os
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from toys import drawn, write_pictures

LACKED = (
    *("mifid", "__editable__", "openvino"),
    *("torch_fidelity", "tests", "tomli_w", "efficientnet_lite0"),
)
"""Beginnings of what Kaggle's image lacks and the environment of the tests has."""

DRIVER = """
import importlib, json, sys
sources, least = sys.argv[1:]
names = {"__name__": "__main__"}
for number, source in enumerate(json.load(open(sources)), 1):
    exec(compile(source, f"cell {number}", "exec"), names)
    if number == 2:  # mifid is installed: let few pictures be enough
        rules = importlib.import_module("mifid.submission").MONET
        object.__setattr__(rules, "at_least", int(least))
        print(names["mifid"].__file__)
"""


def image(folder):
    """Make an environment of links with all that is installed here but what Kaggle lacks."""
    venv.create(folder, symlinks=True)
    (target,) = folder.glob("lib/python*/site-packages")
    for place in filter(os.path.isdir, sys.path):
        for path in Path(place).iterdir() if place.endswith("-packages") else ():
            if not path.name.startswith((*LACKED, ".")) and path.suffix != ".pth":
                link = target / path.name
                if not link.exists():
                    link.symlink_to(path)
    return folder / "bin" / "python"


def mount(root, bundle, layout, photos=24, paintings=12, size=256):
    """Put the competition's pictures and a bundle's data set where Kaggle mounts them."""
    owner, slug = bundle.handle.split("/")
    data, own = {
        "flat": ("gan-getting-started", slug),
        "competitions": ("competitions/gan-getting-started", slug),
        "datasets": ("competitions/gan-getting-started", f"datasets/{owner}/{slug}"),
    }[layout]
    write_pictures(root / data / "photo_jpg", drawn("photo", photos, size), "jpg")
    write_pictures(root / data / "monet_jpg", drawn("painting", paintings, size), "jpg")
    (root / own).parent.mkdir(parents=True, exist_ok=True)
    (root / own).symlink_to(bundle.dataset, target_is_directory=True)
    return root


def execute(python, bundle, folder, *, cells=None, least=24):
    """Run the first cells of a bundle's notebook in a process without an index; None: all."""
    working = folder / "working"
    working.mkdir()
    sources = folder / "cells.json"
    sources.write_text(json.dumps(code_of(bundle)[:cells]))
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PIP_", "PYTHON", "VIRTUAL"))}
    environment = {
        **kept,
        "HOME": str(folder),
        "MIFID_CACHE": str(folder / "cache"),
        "MIFID_INPUT": str(folder / "input"),
        "MIFID_WORKING": str(working),
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_NO_COMPILE": "1",
        "PIP_INDEX_URL": "http://127.0.0.1:9/",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
    return subprocess.run(
        [python, "-c", DRIVER, sources, str(least)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def code_of(bundle):
    """The sources of the code cells of a bundle's notebook."""
    (path,) = bundle.notebook.glob("*.ipynb")
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]


def main(train):
    """Run a whole notebook, and print what it prints."""
    from generators import config, saved

    from mifid.kaggle import pack, pack_training

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        if train:
            settings = ["training.steps=3", "generator.width=4", "discriminator.width=4"]
            bundle = pack_training(root / "bundle", user="jane", preset="tiny", settings=settings)
        else:
            generator = saved(root / "best.safetensors", config(size=256))
            bundle = pack(generator, root / "bundle", user="jane")
        mount(root / "input", bundle, "datasets")
        done = execute(image(root / "image"), bundle, root)
        left = sorted(path.name for path in (root / "working").iterdir())
        sys.stdout.write(f"{done.stdout}\n{done.stderr}\nexit code {done.returncode}: {left}\n")
        return done.returncode


if __name__ == "__main__":
    sys.exit(main("--train" in sys.argv))
