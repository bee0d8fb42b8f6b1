"""A folder, its zip and its tar are the same set of pictures, whatever links are in them."""

import os
import tarfile
import zipfile
from collections import Counter

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pictures import encode, noise, zip_symlink
from toys import colours

from mifid.errors import PictureError
from mifid.images import open_images
from mifid.scoring import score

NAMES = ["0.png", "B.PNG", "c.jfif", "sub/d.png", "sub/deep/e.PnG", ".pool/f.png", "notes.txt"]
KINDS = ["file", "hard link", "symbolic link", "link to a folder"]


def build(folder, plan):
    """Make a folder of files and links; return its files and links, as paths below it."""
    made = []
    for i, (name, kind, seed) in enumerate(plan):
        path = folder / f"{i}{name}" if "/" not in name else folder / name.replace("/", f"/{i}", 1)
        path.parent.mkdir(parents=True, exist_ok=True)
        target = made[seed % len(made)] if made else None
        if kind == "link to a folder" and target is not None:
            path.with_suffix("").symlink_to(os.path.relpath(target.parent, path.parent))
        elif kind == "symbolic link" and target is not None:
            path.symlink_to(os.path.relpath(target, path.parent))
            made.append(path)
        elif kind == "hard link" and target is not None and not target.is_symlink():
            os.link(target, path)
            made.append(path)
        else:
            path.write_bytes(encode(noise(seed)))
            made.append(path)
    return folder


def paths_of(folder):
    return sorted(path for path in folder.rglob("*") if path.is_symlink() or path.is_file())


def zip_of(folder, path, links):
    """As `zip -r` does, which reads through links, or `zip -ry`, which keeps them."""
    with zipfile.ZipFile(path, "w") as archive:
        for file in paths_of(folder):
            name = file.relative_to(folder).as_posix()
            if links and file.is_symlink():
                zip_symlink(archive, name, os.readlink(file))
            elif file.is_file():
                archive.write(file, name)
    return path


def tar_of(folder, path, format, compression):
    with tarfile.open(path, f"w:{compression}", format=format) as archive:
        archive.add(folder, arcname=".")
    return path


def pictures_of(given):
    source = open_images(given)
    try:
        return Counter(source.read(i) for i in range(len(source)))
    finally:
        source.close()


plans = st.lists(
    st.tuples(st.sampled_from(NAMES), st.sampled_from(KINDS), st.integers(0, 4)), max_size=7
).map(lambda plan: [("first.png", "file", 0), ("second.png", "file", 1), *plan])


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(plan=plans)
@example(plan=[("0.png", "file", 0), (".pool/f.png", "file", 0), ("a.png", "link to a folder", 1)])
@example(plan=[("0.png", "file", 0), ("sub/f.png", "file", 2), (".pool/d", "link to a folder", 1)])
def test_folder_zip_and_tar_hold_the_same_pictures(plan, tmp_path_factory):
    top = tmp_path_factory.mktemp("set")
    folder = build(top / "set", plan)
    expected = pictures_of(folder)
    assert pictures_of(zip_of(folder, top / "a.zip", links=True)) == expected
    if not any(path.is_symlink() and path.is_dir() for path in paths_of(folder)):
        assert pictures_of(zip_of(folder, top / "b.zip", links=False)) == expected
    for format, compression in (
        (tarfile.GNU_FORMAT, ""),
        (tarfile.PAX_FORMAT, "gz"),
        (tarfile.USTAR_FORMAT, ""),
    ):
        tar = tar_of(folder, top / f"{format}.tar", format, compression)
        assert pictures_of(tar) == expected


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_they_score_alike(tmp_path):
    plan = [(f"{i}.png", "file", i) for i in range(6)]
    plan += [("h.PNG", "hard link", 1), ("s.png", "symbolic link", 7), ("d", "link to a folder", 2)]
    folder = build(tmp_path / "set", plan)
    reference = np.stack([noise(seed, 6, 5) for seed in range(40, 52)])
    given = [
        folder,
        str(folder / "**"),
        zip_of(folder, tmp_path / "a.zip", links=True),
        tar_of(folder, tmp_path / "a.tar", tarfile.GNU_FORMAT, ""),
        tar_of(folder, tmp_path / "a.tar.gz", tarfile.PAX_FORMAT, "gz"),
    ]
    reports = [score(one, reference, extractor=colours, ci=0, cache=False) for one in given]
    assert {report.inputs["generated"].n for report in reports} == {8}
    for report in reports[1:]:
        assert report.fid == pytest.approx(reports[0].fid, rel=1e-9)
        assert report.mifid == pytest.approx(reports[0].mifid, rel=1e-9)


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_a_dead_link_is_a_picture_that_cannot_be_read_in_all_of_them(tmp_path):
    folder = build(tmp_path / "set", [("0.png", "file", 0)])
    (folder / "z.png").symlink_to("gone.png")
    for one in (
        folder,
        zip_of(folder, tmp_path / "a.zip", links=True),
        tar_of(folder, tmp_path / "a.tar", tarfile.GNU_FORMAT, ""),
    ):
        source = open_images(one)
        assert source.names[1].endswith("z.png")
        with pytest.raises(PictureError, match=r"z\.png'"):
            source.read(1)
