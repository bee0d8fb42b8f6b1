"""mifid reference build: a file to score against, whole or absent."""

import json

import numpy as np
import pytest
from pictures import noise, write_folder
from PIL import Image
from toys import colours

import mifid

BUILD = ("reference", "build")
TOY = ("--extractor", "toys:colours")


def test_a_reference_is_built_and_scores_as_its_pictures_do(run, score, folder):
    result = run(*BUILD, "monet", "-o", "monet.npz", *TOY)
    assert result.exit_code == 0
    assert result.stderr == ""
    assert result.stdout == "monet.npz: 5 pictures, 6 features each, extractor toys:colours\n"
    from_file = json.loads(score("out", "--ref", "monet.npz", "--json").stdout)
    from_pictures = json.loads(score("out", "--ref", "monet", "--json").stdout)
    for key in ("fid", "memorization_distance", "mifid"):
        assert from_file[key] == pytest.approx(from_pictures[key], rel=1e-9)
    assert from_file["n_reference"] == 5
    assert from_file["inputs"]["reference"]["source"] == "features in monet.npz"


def test_other_tools_can_read_its_statistics(run, folder):
    run(*BUILD, "monet", "-o", "monet.npz", *TOY)
    values = mifid.features("monet", extractor=colours).values.astype(np.float64)
    with np.load("monet.npz") as written:
        np.testing.assert_allclose(written["mu"], values.mean(axis=0), rtol=1e-9)
        np.testing.assert_allclose(written["sigma"], np.cov(values, rowvar=False), rtol=1e-6)
        assert list(written["names"]) == [f"{i:03}.png" for i in range(5)]


def test_bad_pictures_are_left_out_and_counted(run, folder):
    write_folder(folder / "monet", [("bad.jpg", b"text")])
    result = run(*BUILD, "monet", "-o", "monet.npz", *TOY, "--skip-bad")
    assert "monet.npz: 5 pictures, 1 bad left out, 6 features each" in result.stdout


def test_the_ending_is_added_and_the_file_is_called_by_its_name(run, folder):
    result = run(*BUILD, "monet", "-o", "reference", *TOY)
    assert result.stdout.startswith("reference.npz: 5 pictures, ")
    assert (folder / "reference.npz").is_file()


def test_a_limit_is_told_and_another_reference_is_kept(run, failure, score):
    result = run(*BUILD, "monet", "-o", "monet.npz", *TOY, "--limit", "3")
    assert result.stdout.startswith("monet.npz: 3 pictures drawn from 5, ")
    assert "features in monet.npz; drawn from 5" in score("out", "--ref", "monet.npz").stdout
    found = json.loads(score("out", "--ref", "monet.npz", "--json").stdout)
    assert found["inputs"]["reference"]["available"] == 5
    message = failure(*BUILD, "monet", "-o", "monet.npz", *TOY)
    assert "cannot write monet.npz: there is one already, of other pictures" in message
    assert "replace this one: --force" in message
    assert run(*BUILD, "monet", "-o", "monet.npz", *TOY, "--force").exit_code == 0


@pytest.fixture
def no_work(own_extractor, folder):
    """An extractor that leaves a mark if it is ever run."""
    yield own_extractor("def f(batch): open('worked', 'w').close()")
    assert not (folder / "worked").exists()


def test_what_cannot_be_written_is_told_before_any_work(failure, no_work):
    message = failure(*BUILD, "monet", "-o", "no/such/monet.npz", "--extractor", no_work)
    assert "cannot write no/such/monet.npz: No such file or directory" in message
    assert "mkdir -p no/such" in message


@pytest.mark.parametrize("name", ["images.zip", "a.jpg", "scores.csv", "."])
def test_an_ending_of_another_format_is_told_before_any_work(name, failure, no_work, folder):
    message = failure(*BUILD, "monet", "-o", name, "--extractor", no_work)
    assert f"cannot write {name}: its ending is not one of .npz" in message
    assert list(folder.glob("*.npz")) == []


def test_a_folder_in_the_place_of_the_file_is_told_before_any_work(failure, no_work, folder):
    (folder / "monet.npz").mkdir()
    message = failure(*BUILD, "monet", "-o", "monet.npz", "--extractor", no_work)
    assert "cannot write monet.npz: it is a folder" in message


@pytest.mark.parametrize(
    ("images", "said"),
    [
        ("monet_jgp", "no such file or folder: monet_jgp"),
        ("*.gif", "no file matches the pattern *.gif"),
    ],
)
def test_bad_pictures_are_told_and_nothing_is_written(images, said, failure, folder):
    assert said in failure(*BUILD, images, "-o", "monet.npz", *TOY)
    assert not (folder / "monet.npz").exists()


def test_a_damaged_picture_is_named_and_nothing_is_written(failure, folder):
    write_folder(folder / "monet", [("bad.jpg", b"text")])
    message = failure(*BUILD, "monet", "-o", "monet.npz", *TOY)
    assert "folder monet: 'bad.jpg' is not a picture" in message
    assert not (folder / "monet.npz").exists()


def test_one_picture_makes_no_reference(failure, folder):
    (folder / "one").mkdir()
    Image.fromarray(noise(0, 32, 32)).save(folder / "one" / "a.png")
    message = failure(*BUILD, "one", "-o", "monet.npz", *TOY)
    assert "folder one holds one picture; a covariance needs two" in message
    message = failure(*BUILD, "one/a.png", "-o", "monet.npz", *TOY)
    assert "one/a.png holds one picture" in message
    assert "Give its folder: one" in message
    assert not (folder / "monet.npz").exists()


def test_what_is_a_reference_already_is_told_so(failure, run, folder):
    assert run(*BUILD, "monet", "-o", "real.npz", *TOY).exit_code == 0
    message = failure(*BUILD, "real.npz", "-o", "again.npz", *TOY)
    assert "real.npz holds features or statistics already, and no pictures" in message
    assert "give it as --ref" in message


def test_ctrl_c_leaves_nothing(run, own_extractor, folder):
    name = own_extractor("def f(batch): raise KeyboardInterrupt")
    result = run(*BUILD, "monet", "-o", "monet.npz", "--extractor", name)
    assert result.exit_code == 130
    assert "Interrupted" in result.stderr
    assert list(folder.glob("*.npz")) + list(folder.glob(".*")) == []


def test_a_reference_of_another_extractor_is_refused_by_name(run, failure, own_extractor):
    text = "def f(batch): return batch.float().mean((2, 3))\nf.fingerprint = 'one'"
    name = own_extractor(text)
    assert run(*BUILD, "monet", "-o", "monet.npz", "--extractor", name).exit_code == 0
    own_extractor(text.replace("one", "two").replace("def f", "def g").replace("f.f", "g.f"))
    import sys

    sys.modules.pop("mine")
    message = failure("score", "out", "--ref", "monet.npz", "--extractor", "mine:g")
    assert "'mine:f'" in message
    assert "'mine:g'" in message
    assert "mifid reference build" in message


def test_one_set_has_one_range(run, folder):
    np.save("real.npy", np.stack([noise(i, 8, 8) for i in range(4)]) / 255)
    result = run(*BUILD, "real.npy", "-o", "r.npz", *TOY)
    assert "or state their range: --value-range 0,1." in " ".join(result.stderr.split())
    result = run(*BUILD, "real.npy", "-o", "r.npz", *TOY, "--value-range", "reference=0,1")
    assert result.exit_code == 2
    assert "reference=0,1 is not a range for one set" in " ".join(result.stderr.split())
    assert run(*BUILD, "real.npy", "-o", "r.npz", *TOY, "--value-range", "0,1").exit_code == 0
    assert "SIDE" not in run(*BUILD, "--help").stdout
