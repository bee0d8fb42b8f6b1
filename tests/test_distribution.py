"""Wheel and sdist: complete, and built without a network."""

import configparser
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_string
from pathlib import Path

import pytest

import mifid

ROOT = Path(mifid.__file__).parents[1]
BUILD = (
    "import sys; from setuptools import build_meta; getattr(build_meta, sys.argv[1])(sys.argv[2])"
)
MADE = {"PKG-INFO", "setup.cfg"}
"""Files that setuptools writes into an sdist itself."""


def tracked():
    """Return the paths of the checkout's files."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("needs a git checkout")
    listed = subprocess.run([git, "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    paths = listed.stdout.decode().split("\0")[:-1]
    return {path for path in paths if (ROOT / path).is_file()}


def build(what, source, into):
    """Build an sdist or a wheel as pip does, but with the setuptools that is installed."""
    command = [sys.executable, "-c", BUILD, f"build_{what}", str(into)]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (made,) = into.iterdir()
    return made


@pytest.fixture(scope="module")
def checkout():
    return tracked()


@pytest.fixture(scope="module")
def sdist(checkout, tmp_path_factory):
    """Folder of the unpacked sdist."""
    source, into, unpacked = (tmp_path_factory.mktemp(each) for each in ("src", "dist", "unpacked"))
    for path in checkout:
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, source / path)
    (source / "mifid" / "__pycache__").mkdir()
    (source / "mifid" / "__pycache__" / "left.pyc").touch()  # and what runs leave behind
    with tarfile.open(build("sdist", source, into)) as archive:
        archive.extractall(unpacked)
    (folder,) = unpacked.iterdir()
    return folder


@pytest.fixture(scope="module")
def wheel(sdist, tmp_path_factory):
    """Return the wheel that is built from the sdist, as pip builds it."""
    return zipfile.ZipFile(build("wheel", sdist, tmp_path_factory.mktemp("wheel")))


def test_the_sdist_holds_the_checkout(checkout, sdist, wheel):
    files = {str(path.relative_to(sdist)) for path in sdist.rglob("*") if path.is_file()}
    kept = {path for path in files if not path.startswith(("mifid.egg-info/", "build/"))}
    assert kept == checkout | MADE


def test_the_wheel_holds_every_module_and_template(checkout, wheel):
    files = {name for name in wheel.namelist() if ".dist-info/" not in name}
    expected = {path for path in checkout if path.startswith("mifid/")}
    expected |= {f"mifid_{path}" for path in checkout if path.startswith("cli/")}
    assert files == expected


def test_the_wheel_describes_the_package(wheel):
    (name,) = (name for name in wheel.namelist() if name.endswith("/METADATA"))
    described = message_from_string(wheel.read(name).decode())
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    assert described["Name"] == "mifid"
    assert described["Version"] == parser["metadata"]["version"]
    assert described.get_payload().strip() == (ROOT / "README.md").read_text().strip()
    assert any(name.endswith("licenses/LICENSE") for name in wheel.namelist())


def test_the_command_of_the_wheel_starts(wheel, tmp_path):
    wheel.extractall(tmp_path)
    code = (
        "import sys; sys.path.insert(0, sys.argv.pop(1))\n"
        "from importlib.metadata import distribution\n"
        "import mifid; print(mifid.__file__)\n"
        "(command,) = distribution('mifid').entry_points.select(group='console_scripts')\n"
        "sys.exit(command.load()())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path), "--version"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(tmp_path))
