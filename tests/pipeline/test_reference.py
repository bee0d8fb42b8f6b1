"""Reference files: built once, scored against ever after, readable by the peers."""

import re

import numpy as np
import pytest
from toys import Counting, drawn, repainted, write_pictures

import mifid
from mifid.errors import FeatureError, OutputError
from mifid.inputs import open_input

pytestmark = pytest.mark.usefixtures("few_resamples")


def test_a_reference_file_scores_as_its_pictures_do(tmp_path):
    folder = write_pictures(tmp_path / "monet_jpg", drawn("painting", 8))
    extractor = Counting()
    built = mifid.build_reference(folder, tmp_path / "monet.npz", extractor=extractor)
    generated = repainted(10)
    direct = mifid.score(generated, folder, extractor=extractor)
    by_file = mifid.score(generated, tmp_path / "monet.npz", extractor=extractor)
    assert by_file.fid == pytest.approx(direct.fid, rel=1e-12)
    assert by_file.memorization_distance == direct.memorization_distance
    assert by_file.n_reference == len(built) == 8
    assert by_file.inputs["reference"].source == f"features in {tmp_path / 'monet.npz'}"
    loaded = open_input(tmp_path / "monet.npz")
    assert loaded.names == tuple(f"{i:03}.png" for i in range(8))
    assert loaded.provenance.fingerprint == built.provenance.fingerprint


def test_a_reference_file_knows_the_colours_of_its_pictures(tmp_path):
    pictures = drawn("painting", 8)
    mifid.build_reference(pictures, tmp_path / "r.npz", extractor=Counting())
    for given in (pictures, mifid.features(pictures, extractor=Counting()), tmp_path / "r.npz"):
        report = mifid.score(repainted(10), given, extractor=Counting())
        own = report.inputs["reference"].colours
        assert own is not None
        assert (
            own
            == mifid.score(pictures, repainted(3), extractor=Counting()).inputs["generated"].colours
        )


def test_pytorch_fid_reads_it_as_its_own(tmp_path):
    """Its loader is `with np.load(path) as f: m, s = f['mu'][:], f['sigma'][:]`."""
    pictures = drawn("painting", 8)
    built = mifid.build_reference(pictures, tmp_path / "r.npz", extractor=Counting())
    with np.load(tmp_path / "r.npz") as file:
        mu, sigma = file["mu"][:], file["sigma"][:]
    np.testing.assert_allclose(mu, np.mean(built.values.astype(float), axis=0), rtol=1e-12)
    np.testing.assert_allclose(sigma, np.cov(built.values.astype(float), rowvar=False), rtol=1e-12)


def test_the_ending_is_added(tmp_path):
    mifid.build_reference(drawn("painting", 3), tmp_path / "monet", extractor=Counting())
    assert [p.name for p in tmp_path.iterdir()] == ["monet.npz"]


@pytest.mark.parametrize("name", ["images.zip", "monet.jpg", "monet.csv", "monet.npy"])
def test_an_ending_of_another_format_is_refused_before_any_work(name, tmp_path):
    counting = Counting()
    with pytest.raises(OutputError, match=r"its ending is not one of \.npz"):
        mifid.build_reference(drawn("painting", 3), tmp_path / name, extractor=counting)
    assert counting.pictures == 0
    assert list(tmp_path.iterdir()) == []


def test_an_unwritable_place_is_found_before_any_work(tmp_path):
    counting = Counting()
    with pytest.raises(OutputError, match=r"cannot write .*nowhere.*r\.npz"):
        mifid.build_reference(
            drawn("painting", 3), tmp_path / "nowhere" / "r.npz", extractor=counting
        )
    assert counting.pictures == 0


def test_one_picture_makes_no_reference(tmp_path):
    with pytest.raises(FeatureError, match="holds one picture; a covariance needs two"):
        mifid.build_reference(drawn("painting", 1), tmp_path / "r.npz", extractor=Counting())
    assert list(tmp_path.iterdir()) == []


def test_what_lies_there_is_replaced_only_by_the_same_features_or_by_force(tmp_path):
    out, counting = tmp_path / "r.npz", Counting()
    mifid.build_reference(drawn("painting", 8), out, extractor=counting)
    mifid.build_reference(drawn("painting", 8), out, extractor=counting)  # as a script does
    first = out.read_bytes()
    for given, options in (
        (drawn("painting", 8)[::-1], {}),
        (drawn("painting", 8), {"limit": 3}),
    ):
        with pytest.raises(OutputError, match=r"r.npz: there is one already(.|\n)*force=True"):
            mifid.build_reference(given, out, extractor=counting, **options)
    assert out.read_bytes() == first
    mifid.build_reference(drawn("painting", 8), out, extractor=counting, limit=3, force=True)
    assert len(open_input(out)) == 3


@pytest.mark.parametrize("kind", ["rubbish", "pictures", "statistics", "another tool's"])
def test_what_is_no_reference_of_ours_is_kept_before_any_work(kind, tmp_path):
    out, counting = tmp_path / "r.npz", Counting()
    if kind == "rubbish":
        out.write_bytes(b"no array")
    elif kind == "pictures":
        np.savez(out, images=np.stack(drawn("painting", 2)))
    elif kind == "statistics":
        np.savez(out, mu=np.zeros(3), sigma=np.eye(3))
    else:
        np.savez(out, features=np.ones((4, 3), np.float32))
    before = out.read_bytes()
    with pytest.raises(OutputError, match="which mifid reference build did not make"):
        mifid.build_reference(drawn("painting", 3), out, extractor=counting)
    assert counting.pictures == 0
    assert out.read_bytes() == before


def test_a_file_of_some_pictures_says_of_how_many(tmp_path):
    pictures, extractor = drawn("painting", 8), Counting()
    built = mifid.build_reference(pictures, tmp_path / "r.npz", extractor=extractor, limit=6)
    assert built.available == 8
    for limit, n in ((None, 6), (4, 4)):
        report = mifid.score(repainted(10), tmp_path / "r.npz", extractor=extractor, limit=limit)
        side = report.inputs["reference"]
        assert (side.n, side.available) == (n, 8)
        assert "r.npz; drawn from 8" in side.remark
    whole = mifid.build_reference(pictures, tmp_path / "w.npz", extractor=extractor, limit=8)
    assert whole.available is None
    with np.load(tmp_path / "w.npz") as file:
        assert "available" not in file


def tfrecord_monets(path):
    """name -> JPEG file, of a TFRecord (length, CRC, record, CRC); names are ten hex digits."""
    content, at, found = path.read_bytes(), 0, {}
    while at < len(content):
        length = int.from_bytes(content[at : at + 8], "little")
        record = content[at + 12 : at + 12 + length]
        name = re.search(rb"image_name.{6}([0-9a-f]{10})", record, re.DOTALL)[1].decode()
        found[name] = record[record.index(b"\xff\xd8\xff") : record.rindex(b"\xff\xd9") + 2]
        at += 12 + length + 4
    return found


def test_tfrecord_and_jpeg_monets_are_different_references(data, tmp_path):
    """The same 60 paintings at other JPEG qualities: another reference, and the report shows it."""
    monets = tfrecord_monets(next((data / "monet_tfrec").iterdir()))
    assert len(monets) == 60
    for name, content in monets.items():
        for folder, jpeg in (
            ("tfrec", content),
            ("jpg", (data / "monet_jpg" / f"{name}.jpg").read_bytes()),
        ):
            (tmp_path / folder).mkdir(exist_ok=True)
            (tmp_path / folder / f"{name}.jpg").write_bytes(jpeg)
    generated = repainted(12, 256)
    extractor = Counting()
    reports = [
        mifid.score(generated, tmp_path / folder, extractor=extractor)
        for folder in ("jpg", "tfrec")
    ]
    assert reports[0].n_reference == reports[1].n_reference == 60
    assert reports[0].fid != pytest.approx(reports[1].fid, rel=1e-6)
    assert len({report.inputs["reference"].sha256 for report in reports}) == 2
    assert len({report.inputs["generated"].sha256 for report in reports}) == 1
    between = mifid.score(tmp_path / "tfrec", tmp_path / "jpg", extractor=extractor)
    assert between.fid > 1e-3  # not the same pictures
    assert between.memorization_distance < 0.01  # but nearly
