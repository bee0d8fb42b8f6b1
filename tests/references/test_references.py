"""References by name: found, fetched from a server on this machine, checked, and refused."""

import hashlib
import io
import os
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from local_server import serving
from toys import drawn, write_pictures

import mifid
from mifid import Features, Statistics
from mifid.errors import CompatibilityError, InputError, MifidWarning
from mifid.evaluation import PROTOCOLS
from mifid.extractors import EXTRACTORS, RESIZES, open_extractor, published_identity
from mifid.extractors.inception import BY_RESIZE, TrainedInception
from mifid.extractors.weights import PUBLISHED, Weights
from mifid.references import (
    REFERENCES,
    Reference,
    fetch_reference,
    find_pictures,
    open_named,
    references,
)
from mifid.report.text import repeating_commands

WIDTH = 16
RANDOM = np.random.RandomState(0)
REAL = RANDOM.rand(40, WIDTH)


def npz(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


MOMENTS = npz(mu=REAL.mean(0), sigma=np.cov(REAL.T))


@pytest.fixture(autouse=True)
def _narrow(monkeypatch):
    monkeypatch.setattr(references, "WIDTH", WIDTH)
    monkeypatch.setattr("mifid.inputs._INCEPTION_WIDTH", WIDTH)
    monkeypatch.setattr(references, "KAGGLE_INPUT", Path("/nowhere"))


@pytest.fixture
def server():
    with serving(MOMENTS) as running:
        yield running


@pytest.fixture
def served(server, monkeypatch):
    """The references that this server has; returns the entry of a name."""

    def entry(name, **changes):
        own = replace(REFERENCES[name], **changes)
        own = replace(own, urls=(server.url.replace("w.pth", own.file),))
        monkeypatch.setattr(references, "REFERENCES", {**references.REFERENCES, name: own})
        return own

    return entry


def made_by(reference, values=None):
    """Features that the network of a reference could have made."""
    values = RANDOM.rand(30, WIDTH) if values is None else values
    return Features(values.astype(np.float32), provenance=reference.provenance)


# The table


@pytest.mark.parametrize("reference", REFERENCES.values(), ids=list(REFERENCES))
def test_entries_are_complete(reference):
    assert reference.title
    assert reference.licence
    assert reference.citation
    assert reference.home.startswith("https://")
    assert bool(reference.folder) != bool(reference.urls)
    assert all(urlsplit(url).scheme == "https" for url in reference.urls)
    assert reference.sha256 is None or len(reference.sha256) == 64
    assert reference.protocol in {"", *PROTOCOLS}
    if reference.urls:
        assert reference.extractor in EXTRACTORS
        assert reference.resize in RESIZES
        assert reference.size > 0
    assert not Path(reference.name).suffix  # else a misspelt one would be taken for a file


def test_files_have_different_names():
    """They lie in one folder."""
    files = [each.file for each in REFERENCES.values() if each.file]
    assert len({name.lower() for name in files}) == len(files)


def test_names_and_addresses_as_clean_fid_forms_them():
    """``get_reference_statistics("FFHQ", 256, mode, split=...)`` of cleanfid/features.py."""
    found = {each.urls for each in REFERENCES.values()}
    for mode in ("clean", "legacy_tensorflow", "legacy_pytorch"):
        url = f"https://www.cs.cmu.edu/~clean-fid/stats/ffhq_{mode}_trainval70k_256.npz"
        assert (url,) in found
    assert REFERENCES["ffhq-256-trainval70k-clean-fid"].resize == "pillow-bicubic-antialiased-299"


@pytest.mark.parametrize("resize", BY_RESIZE)
def test_the_extractor_of_a_resize_makes_what_references_hold(resize, tmp_path):
    """Else its pictures would never meet the statistics that were made with it."""
    weights = Weights(Path("w.pth"), "here", PUBLISHED)
    extractor = TrainedInception(weights, resize=resize)
    assert extractor.identity == published_identity(resize)
    assert extractor.how.name == resize
    (tmp_path / "w.pth").write_bytes(b"not read")
    with pytest.warns(MifidWarning, match="not the published weights"):
        opened = open_extractor(BY_RESIZE[resize], weights=tmp_path / "w.pth")
    assert (opened.identity.name, opened.identity.resize) == (BY_RESIZE[resize], resize)


# Downloads


def test_a_name_is_fetched_once_and_gives_the_score_of_its_file(served, server, tmp_path):
    reference = served("cifar10-train")
    (tmp_path / "same.npz").write_bytes(MOMENTS)
    fakes = made_by(reference)
    expected = mifid.score(fakes, tmp_path / "same.npz", metrics=["fid"], ci=0).fid
    for _ in range(2):
        report = mifid.score(fakes, "cifar10-train", metrics=["fid"], ci=0)
        assert report.fid == expected
        assert report.inputs["reference"].n == 50_000  # which the file does not say
    assert server.requests == [None]
    assert "cifar10-train is not the competition's reference" in report.not_comparable
    sha256 = hashlib.sha256(MOMENTS).hexdigest()
    source = report.inputs["reference"].source
    assert source.startswith("cifar10-train: mean and covariance in ")
    assert f"sha256 {sha256[:16]}" in source
    assert "the file of the first use; none is published" in source


def test_other_sides_take_names_and_the_generated_one_does_not(served):
    reference = served("afhq-cat-train-clean-fid-features")
    with serving(npz(feats=REAL.astype(np.float32))) as other:
        served_entry = replace(reference, urls=(other.url.replace("w.pth", reference.file),))
        found, contents = fetch_reference(served_entry)
    assert found.place == "downloaded"
    assert contents.features.shape == REAL.shape
    report = mifid.score(
        made_by(reference), made_by(reference), ci=0, memorization_reference=reference.name
    )
    assert report.memorization_distance is not None
    with pytest.raises(InputError, match="no such file or folder"):
        mifid.score("monet", made_by(reference))


def test_the_first_hash_is_recorded_and_checked_ever_after(served, server):
    reference = served("cifar10-train")
    found, _ = fetch_reference(reference)
    assert not found.recorded
    assert "recorded now" in found.trust
    record = Path(f"{found.path}.sha256")
    sha256 = hashlib.sha256(MOMENTS).hexdigest()
    assert record.read_text() == f"{sha256}  {found.path.name}\n"
    assert fetch_reference(reference)[0].recorded

    # Changed on this machine.
    other = npz(mu=REAL.mean(0) + 1, sigma=np.cov(REAL.T))
    found.path.write_bytes(other)
    with pytest.raises(InputError, match="not the file that was used first") as caught:
        fetch_reference(reference)
    assert f"Delete {found.path}" in caught.value.hint
    assert str(record) in caught.value.hint

    # Changed at its publisher.
    found.path.unlink()
    server.content = other
    with pytest.raises(InputError, match="cannot be downloaded") as caught:
        fetch_reference(reference)
    assert f"expected {sha256}" in caught.value.message
    assert f"{record} holds the hash of its first use" in caught.value.hint
    assert not found.path.exists()
    record.unlink()
    assert fetch_reference(reference)[0].sha256 == hashlib.sha256(other).hexdigest()


def test_a_published_hash_is_checked(served, server):
    reference = served("cifar10-train", sha256="0" * 64)
    with pytest.raises(InputError, match="not the published file"):
        fetch_reference(reference)
    assert (
        fetch_reference(served("cifar10-train", sha256=hashlib.sha256(MOMENTS).hexdigest()))[
            0
        ].trust
        == "the published file"
    )


def test_a_broken_connection_is_resumed(served, server):
    server.etag, server.cuts = '"one"', [100, 100]
    found, _ = fetch_reference(served("cifar10-train"))
    assert found.path.read_bytes() == MOMENTS
    assert server.requests == [None, "bytes=100-", "bytes=200-"]


def test_a_refusal_says_how_else_to_come_by_the_file(served, server):
    reference = served("cifar10-train")
    server.status = 404
    with pytest.raises(InputError, match="the server answers 404") as caught:
        mifid.score(made_by(reference), "cifar10-train")
    for way in (reference.urls[0], str(references.references_folder()), "MIFID_INPUT"):
        assert way in caught.value.hint
    assert list(references.references_folder().glob("*.npz*")) in (
        [],
        [references.references_folder() / f"{reference.file}.lock"],
    )


@pytest.mark.parametrize(
    "content",
    [
        b"<html>moved</html>",
        MOMENTS[:-30],
        npz(mu=np.zeros(7), sigma=np.eye(7)),
        npz(x=np.zeros(3)),
        npz(mu=np.zeros(WIDTH), sigma=np.full((WIDTH, WIDTH), "a")),
    ],
)
def test_a_file_that_is_something_else_is_neither_kept_nor_trusted(content, served, server):
    reference = served("cifar10-train")
    server.content = content
    with pytest.raises(InputError, match="is not the reference cifar10-train") as caught:
        fetch_reference(reference)
    assert reference.urls[0] in caught.value.message
    server.content = MOMENTS
    assert not fetch_reference(reference)[0].recorded


def test_a_file_put_there_by_hand_and_one_among_kaggles_inputs(
    served, server, tmp_path, monkeypatch
):
    reference = served("cifar10-train")
    monkeypatch.setenv("MIFID_INPUT", str(tmp_path))
    lying = tmp_path / "datasets" / "someone" / "statistics" / reference.file
    lying.parent.mkdir(parents=True)
    lying.write_bytes(MOMENTS)
    found, _ = fetch_reference(reference)
    assert found.path == lying
    assert server.requests == []
    own = references.references_folder() / reference.file
    own.write_bytes(MOMENTS)
    assert fetch_reference(reference)[0].path == own
    assert server.requests == []
    own.write_bytes(MOMENTS[:50])
    with pytest.raises(InputError, match="not the file that was used first"):
        fetch_reference(reference)
    Path(f"{own}.sha256").unlink()
    with pytest.raises(InputError, match="is not the reference") as caught:
        fetch_reference(reference)
    assert str(own) in caught.value.message
    assert own.exists()  # it is not ours


def test_a_damaged_record(served):
    reference = served("cifar10-train")
    found, _ = fetch_reference(reference)
    Path(f"{found.path}.sha256").write_text("?")
    with pytest.raises(InputError, match="holds no hash") as caught:
        fetch_reference(reference)
    assert "Delete it" in caught.value.hint


def test_the_path_of_a_fetched_file_is_recognised(served):
    reference = served("cifar10-train-clean-fid")
    found, _ = fetch_reference(reference)
    assert references.name_of(found.path) == reference.name
    again, contents = open_named(found.path)
    assert again.reference == reference
    assert contents.provenance.extractor == "inception-clean-fid"
    assert references.name_of("cifar10-train-clean-fid") is None


def test_the_name_stands_in_the_command_that_repeats_a_score(served, tmp_path):
    """Not the path of this machine's cache."""
    fakes = tmp_path / "fakes.npz"
    made_by(served("cifar10-train")).save(fakes)
    report = mifid.score(fakes, "cifar10-train", ci=0)
    (command,) = repeating_commands(report)
    assert command.line.startswith(f"mifid score {fakes} --ref cifar10-train")


def test_the_number_of_pictures_in_the_file_counts(served, server):
    server.content = npz(mu=REAL.mean(0), sigma=np.cov(REAL.T), n=np.int64(123))
    assert fetch_reference(served("cifar10-train"))[1].n == 123


# Which network


def test_another_resize_is_refused_with_the_reference_that_fits(served):
    served("cifar10-train-clean-fid")
    with pytest.raises(CompatibilityError) as caught:
        mifid.score(made_by(REFERENCES["cifar10-train"]), "cifar10-train-clean-fid")
    assert "cifar10-train-clean-fid" in caught.value.message
    assert "'inception-clean-fid'" in caught.value.message
    assert caught.value.hint  # features and statistics: nothing can be run again


def test_pictures_and_another_resize_are_refused_before_the_network_is_sought(served):
    served("cifar10-train-clean-fid")
    pictures = RANDOM.randint(0, 256, (4, 8, 8, 3), dtype=np.uint8)
    with pytest.raises(CompatibilityError) as caught:
        mifid.score(pictures, "cifar10-train-clean-fid", extractor="inception")
    assert "extractor='inception-clean-fid'" in caught.value.hint
    assert "reference='cifar10-train', the same pictures" in caught.value.hint
    with pytest.raises(CompatibilityError) as caught:
        mifid.score(pictures, "cifar10-train-clean-fid", extractor="lite0")
    assert "from its pictures" in caught.value.hint


def test_without_an_extractor_the_references_own_is_taken(served, monkeypatch):
    served("cifar10-train-clean-fid")
    asked = []

    def opened(given, **_):
        asked.append(given)
        raise InputError("enough")

    monkeypatch.setattr("mifid.pipeline.options.open_extractor", opened)
    pictures = RANDOM.randint(0, 256, (4, 8, 8, 3), dtype=np.uint8)
    with pytest.raises(InputError, match="enough"):
        mifid.score(pictures, "cifar10-train-clean-fid")
    assert asked == ["inception-clean-fid"]


# Names and paths


def test_a_path_wins_over_a_name_which_is_said(served, server, tmp_path, monkeypatch):
    reference = served("cifar10-train")
    monkeypatch.chdir(tmp_path)
    Statistics.from_features(REAL, provenance=reference.provenance).save("cifar10-train.npz")
    os.rename("cifar10-train.npz", "cifar10-train")
    with pytest.warns(MifidWarning, match="the path is used"):
        assert open_named("cifar10-train") is None
    assert server.requests == []


def test_a_folder_called_monet_is_no_doubt_where_there_is_no_other(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.mkdir("monet")
    assert open_named("monet") is None  # warnings are errors


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("cifar10-trian", "'cifar10-train'"),
        ("CIFAR10_train", "'cifar10-train'"),
        ("monets", "'monet'"),
        ("adm-imagenet", "'adm-imagenet-128', 'adm-imagenet-256'"),
        ("nothing-like-it", "mifid references"),
    ],
)
def test_an_unknown_name_gets_the_nearest(given, expected, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="no reference has this name") as caught:
        mifid.score(REAL, given)
    assert expected in caught.value.hint
    assert "mifid references" in caught.value.hint


@pytest.mark.parametrize("given", ["a/b", "monet.npz", "mon*", "~x", "", "a\0b"])
def test_what_looks_like_a_path_is_one(given):
    assert open_named(given) is None


# The competition's folders


@pytest.mark.parametrize(
    "place",
    [
        "gan-getting-started",
        "competitions/gan-getting-started",
        "datasets/someone/a copy/deep",
        ".",
    ],
)
def test_the_competitions_folder_in_every_layout(place, tmp_path, monkeypatch):
    folder = tmp_path / place / "monet_jpg"
    write_pictures(folder, drawn("painting", 5))
    monkeypatch.setattr(references, "KAGGLE_INPUT", tmp_path)
    assert find_pictures(REFERENCES["monet"]).path == folder
    with pytest.warns(MifidWarning, match=f"monet: {folder} holds 5 pictures, .* 300"):
        report = mifid.score(
            RANDOM.randint(0, 256, (4, 16, 16, 3), dtype=np.uint8),
            "monet",
            extractor=lambda batch: batch.float().mean((2, 3)),
            ci=0,
        )
    assert report.inputs["reference"].source == f"monet: folder {folder}"
    assert report.inputs["reference"].n == 5
    assert report.evidence.given["reference"] == str(folder)  # pages open it again


def test_the_competition_itself_goes_before_copies(tmp_path, monkeypatch):
    monkeypatch.setenv("MIFID_INPUT", str(tmp_path))
    own = tmp_path / "competitions" / "gan-getting-started" / "monet_jpg"
    for folder in (tmp_path / "a" / "monet_jpg", tmp_path / "b" / "monet_jpg"):
        folder.mkdir(parents=True)
    with pytest.raises(InputError, match="there are 2 folders monet_jpg") as caught:
        find_pictures(REFERENCES["monet"])
    assert "Give the path" in caught.value.hint
    own.mkdir(parents=True)
    assert find_pictures(REFERENCES["monet"]).path == own
    (tmp_path / "monet").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.warns(MifidWarning, match="the path is used"):
        assert open_named("monet") is None


def test_names_among_several_sets(tmp_path, monkeypatch):
    monkeypatch.setenv("MIFID_INPUT", str(tmp_path))
    sets = [
        write_pictures(tmp_path / name, drawn("painting", 3, seed=i))
        for i, name in enumerate(("monet_jpg", "photo_jpg", "more"))
    ]
    options = {"extractor": lambda batch: batch.float().mean((2, 3)), "ci": 0}
    fakes = RANDOM.randint(0, 256, (4, 16, 16, 3), dtype=np.uint8)
    report = mifid.score(fakes, ["monet", sets[2], "photo"], **options)
    assert report.fid == mifid.score(fakes, [sets[0], sets[2], sets[1]], **options).fid
    assert report.evidence.given["reference"] == [str(sets[0]), sets[2], str(sets[1])]
    with pytest.raises(InputError, match=f"the set {sets[0]} is given twice"):
        mifid.score(fakes, ["monet", sets[0]], **options)
    with pytest.raises(InputError, match="cifar10-train is a file of statistics; only sets of"):
        mifid.score(fakes, ["monet", "cifar10-train"], **options)
    with pytest.raises(InputError, match="monnet, and no reference has this name") as caught:
        mifid.score(fakes, ["monet", "monnet"], **options)
    assert "monet" in caught.value.hint


def test_no_competition(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="/nowhere does not exist") as caught:
        mifid.score(REAL, "monet")
    for fact in ("MIFID_INPUT", "gan-getting-started"):
        assert fact in caught.value.hint
    monkeypatch.setenv("MIFID_INPUT", str(tmp_path))
    with pytest.raises(InputError, match=f"in MIFID_INPUT={tmp_path}"):
        mifid.score(REAL, "photo")


def test_a_new_entry_needs_nothing_else(served, server):
    """The table is the whole registry."""
    entry = Reference("mine", "mine", "mine", urls=(server.url.replace("w.pth", "mine.npz"),))
    references.REFERENCES["mine"] = entry
    try:
        assert open_named("mine")[0].path.name == "mine.npz"
    finally:
        del references.REFERENCES["mine"]
