"""Wheels of mifid, and of the packages that it needs and Kaggle's image lacks.

A pure Python package is copied from where it is installed into a wheel: that needs neither a
network nor pip, and packs the versions that this process runs with.
"""

from __future__ import annotations

import base64
import hashlib
import zipfile
from collections.abc import Iterator, Mapping
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path, PurePosixPath

from packaging.requirements import Requirement
from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from mifid.errors import InputError, setting
from mifid.files import atomic_write

__all__ = ["IMAGE", "PYTHON", "fitting_wheels", "pack_wheels", "write_own_wheel"]

PYTHON = (3, 12)
"""Version of Python in Kaggle's image."""

IMAGE: Mapping[str, str] = {
    "click": "8.3.2",
    "filelock": "3.25.2",
    "google-crc32c": "1.8.0",
    "jinja2": "3.1.6",
    "matplotlib": "3.10.0",
    "numpy": "2.4.6",
    "packaging": "26.0",
    "pillow": "11.3.0",
    "platformdirs": "4.9.6",
    "rich": "13.9.4",
    "safetensors": "0.7.0",
    "scipy": "1.16.3",
    "threadpoolctl": "3.6.0",
    "torch": "2.10.0",
    "torchvision": "0.25.0",
    "tqdm": "4.67.3",
}
"""Packages of Kaggle's image that mifid needs, an assumption: the list of May 2026.

Source: github.com/Kaggle/docker-python, installed_cpu_packages.txt, commit 1ebea3c.
"""

_NAME = "mifid"
_PACKAGES = ("mifid", "mifid_cli")
_GLIBC = 35  # Ubuntu 22.04
_PLATFORMS = [
    *(f"manylinux_2_{minor}_x86_64" for minor in range(_GLIBC, 4, -1)),
    *("manylinux2014_x86_64", "manylinux2010_x86_64", "manylinux1_x86_64", "linux_x86_64"),
]
_ENVIRONMENT = {
    "extra": "",
    "implementation_name": "cpython",
    "os_name": "posix",
    "platform_machine": "x86_64",
    "platform_python_implementation": "CPython",
    "platform_system": "Linux",
    "python_full_version": "3.12.0",
    "python_version": "3.12",
    "sys_platform": "linux",
}

_LARGE = 1 << 20  # weights, which do not get smaller
_PURE = Tag("py3", "none", "any")
_WHEEL = f"Wheel-Version: 1.0\nGenerator: mifid\nRoot-Is-Purelib: true\nTag: {_PURE}\n"
_METADATA = {"METADATA": "PKG-INFO", "entry_points.txt": "entry_points.txt"}
"""Name in a wheel -> in an egg-info folder, which Python finds first in a checkout."""
_OF_AN_INSTALLATION = frozenset(
    {"RECORD", "WHEEL", "INSTALLER", "REQUESTED", "direct_url.json", "uv_cache.json"}
)


def pack_wheels(folder: Path, extra: Path | None = None) -> list[Path]:
    """Write the wheels that an installation of mifid on Kaggle needs; return their files.

    Args:
        folder: that they are written into.
        extra: folder of further wheels. All of them are copied, and replace installed packages.

    Raises:
        InputError: a needed package is not installed, or is not pure Python; a wheel in ``extra``
            does not fit Kaggle's Python.
    """
    given = {} if extra is None else _given_wheels(extra)
    packed = []
    for path in given.values():
        packed.append(folder / path.name)
        packed[-1].write_bytes(path.read_bytes())
    for name, files in _needed(given).items():
        packed.append(_write_wheel(folder, name, files))
    return sorted(packed)


def write_own_wheel(folder: Path) -> Path:
    """Write the wheel of mifid as it is installed here; return its file.

    Raises:
        InputError: mifid is not installed, but a checkout on PYTHONPATH.
    """
    return _write_wheel(folder, _NAME, _files(_installed(_NAME)))


def fitting_wheels(folder: Path) -> dict[str, Path]:
    """Return the wheels of a folder that fit Kaggle's Python, by the name of the package."""
    found = {}
    for path in sorted(folder.glob("*.whl")):
        try:
            name, _, _, tags = parse_wheel_filename(path.name)
        except InvalidWheelFilename:
            continue
        if not tags.isdisjoint(_accepted()):
            found[str(name)] = path
    return found


def _accepted() -> set[Tag]:
    """Return the tags of wheels that Kaggle's Python installs."""
    own = cpython_tags(PYTHON, platforms=_PLATFORMS)
    return {*own, *compatible_tags(PYTHON, "cp312", [*_PLATFORMS, "any"])}


def _given_wheels(folder: Path) -> dict[str, Path]:
    """Return all wheels of a folder, by the name of the package.

    Raises:
        InputError: there are none, or one does not fit Kaggle's Python.
    """
    wheels = sorted(folder.glob("*.whl"))
    if not wheels:
        raise InputError(f"{setting('wheels')}: there are no wheels (*.whl) in {folder}")
    fitting = fitting_wheels(folder)
    for path in wheels:
        if path not in fitting.values():
            raise InputError(
                f"{setting('wheels')}: {path.name} does not fit Kaggle's Python 3.12 on Linux, or "
                "there are two wheels of this package",
                hint=_fetching(path.name.partition("-")[0]),
            )
    return fitting


def _needed(given: Mapping[str, Path]) -> dict[str, dict[str, Path]]:
    """Return the installed packages to pack: name -> {path in the wheel: file}.

    Those that Kaggle's image has in a sufficient version, and ``given`` ones, are left out.
    """
    found: dict[str, dict[str, Path]] = {}
    waiting = [Requirement(_NAME)]
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        there = IMAGE.get(name)
        if name in found or name in given:
            continue
        if there is not None and requirement.specifier.contains(there):
            continue
        package = _installed(name)
        found[name] = _files(package)
        waiting += _requirements(package)
    return found


def _installed(name: str) -> Distribution:
    try:
        return distribution(name)
    except PackageNotFoundError as error:
        own = name == _NAME
        raise InputError(
            f"the package {name}, which is to be packed, is not installed",
            hint="Install mifid first: pip install . in its folder." if own else _fetching(name),
        ) from error


def _requirements(package: Distribution) -> Iterator[Requirement]:
    """Yield what a package requires on Kaggle, without extras."""
    for text in package.requires or ():
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate(_ENVIRONMENT):
            yield requirement


def _files(package: Distribution) -> dict[str, Path]:
    """Return the files of an installed package: path in the wheel -> file.

    mifid's own are found by import, since an installation with ``pip install -e`` lists none.

    Raises:
        InputError: the package is not pure Python.
    """
    name = canonicalize_name(package.metadata["Name"])
    listed = {
        str(path): Path(str(path.locate()))
        for path in package.files or ()
        if ".." not in path.parts and path.suffix != ".pyc"
    }
    information = {
        path: file
        for path, file in listed.items()
        if PurePosixPath(path).parts[0].endswith(".dist-info")
    }
    if name == _NAME:
        return {**dict(_of_packages()), **information}
    if "Tag: py3-none-any" not in (package.read_text("WHEEL") or ""):
        raise InputError(
            f"{name} is not pure Python: the installed package does not fit Kaggle's Python 3.12",
            hint=_fetching(name),
        )
    return listed


def _of_packages() -> Iterator[tuple[str, Path]]:
    """Yield mifid's own files."""
    for name in _PACKAGES:
        spec = find_spec(name)
        places = (spec and spec.submodule_search_locations) or ()
        for root in map(Path, places):
            for file in sorted(root.rglob("*")):
                if file.is_file() and file.suffix != ".pyc":
                    yield f"{name}/{file.relative_to(root).as_posix()}", file


def _write_wheel(folder: Path, name: str, files: Mapping[str, Path]) -> Path:
    """Write a pure wheel of these files; equal files make equal wheels.

    Format: https://packaging.python.org/specifications/binary-distribution-format/
    """
    package = distribution(name)
    stem = f"{name.replace('-', '_')}-{package.version}"
    path = folder / f"{stem}-{_PURE}.whl"
    information = f"{stem}.dist-info"
    contents = {}
    for place, file in files.items():
        first, _, rest = place.partition("/")
        if not first.endswith(".dist-info"):
            contents[place] = file.read_bytes()
        elif rest not in _OF_AN_INSTALLATION:
            contents[f"{information}/{rest}"] = file.read_bytes()
    for kind, of_an_egg in _METADATA.items():
        text = package.read_text(kind) or package.read_text(of_an_egg)
        if text:
            contents[f"{information}/{kind}"] = text.encode()
    contents[f"{information}/WHEEL"] = _WHEEL.encode()
    record = [f"{place},{_digest(content)},{len(content)}" for place, content in contents.items()]
    record.append(f"{information}/RECORD,,")
    contents[f"{information}/RECORD"] = "\n".join([*record, ""]).encode()
    with atomic_write(path) as target, zipfile.ZipFile(target, "w") as archive:
        for place, content in contents.items():
            entry = zipfile.ZipInfo(place)  # dated 1980
            entry.external_attr = 0o644 << 16
            if len(content) < _LARGE:
                entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content)
    return path


def _digest(content: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest())
    return f"sha256={digest.decode().rstrip('=')}"


def _fetching(name: str) -> str:
    return (
        "Fetch a wheel that fits, and give its folder: pip download --python-version 3.12 "
        f"--platform manylinux2014_x86_64 --only-binary=:all: --no-deps -d wheels {name}; then "
        f"{setting('wheels', 'wheels')}"
    )
