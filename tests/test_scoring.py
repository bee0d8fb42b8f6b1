"""score(): every kind of input, and what is refused."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from toys import Counting, colours, drawn, repainted, write_pictures

import mifid
from mifid.errors import CompatibilityError, FeatureError, InputError
from mifid.metrics.frechet import Moments, frechet_distance
from mifid.metrics.memorization import memorization_distance
from mifid.provenance import Provenance

GENERATED, REFERENCE = repainted(14), drawn("painting", 9)


@pytest.fixture(scope="module")
def expected():
    """The number by hand, from features computed without the library's pipeline."""
    g, r = (
        colours(torch.from_numpy(x).permute(0, 3, 1, 2)).float().numpy()
        for x in (GENERATED, REFERENCE)
    )
    fid = frechet_distance(generated=g, reference=r)
    distance = memorization_distance(generated=g, reference=r)
    return {"fid": fid, "memorization_distance": distance, "features": (g, r)}


def assert_expected(report, expected):
    assert report.fid == pytest.approx(expected["fid"], rel=1e-9)
    assert report.memorization_distance == pytest.approx(
        expected["memorization_distance"], rel=1e-6
    )
    assert report.mifid == mifid.penalized(
        fid=report.fid, memorization_distance=report.memorization_distance
    )
    assert (report.n_generated, report.n_reference) == (14, 9)


def as_folder(tmp_path):
    return write_pictures(tmp_path / "generated", GENERATED)


def as_pattern(tmp_path):
    return str(as_folder(tmp_path) / "*.png")


def as_zip(tmp_path):
    import shutil

    return shutil.make_archive(str(tmp_path / "images"), "zip", as_folder(tmp_path))


def as_tar_gz(tmp_path):
    import shutil

    return shutil.make_archive(str(tmp_path / "images"), "gztar", as_folder(tmp_path))


def as_npy(tmp_path):
    np.save(tmp_path / "images.npy", GENERATED)
    return tmp_path / "images.npy"


def as_npz(tmp_path):
    np.savez(tmp_path / "images.npz", arr_0=GENERATED)
    return tmp_path / "images.npz"


def as_array(_):
    return GENERATED


def as_tensor(_):
    return torch.from_numpy(GENERATED).permute(0, 3, 1, 2)


def as_pil(_):
    return [Image.fromarray(picture) for picture in GENERATED]


def as_generator(_):
    return (GENERATED[i : i + 5] for i in range(0, 14, 5))


def as_features_file(tmp_path):
    mifid.features(GENERATED, extractor=colours).save(tmp_path / "f.npz")
    return tmp_path / "f.npz"


def as_features(_):
    return mifid.features(GENERATED, extractor=colours)


EVERY_FORM = [
    as_array,
    as_features,
    as_features_file,
    as_folder,
    as_generator,
    as_npy,
    as_npz,
    as_pattern,
    as_pil,
    as_tar_gz,
    as_tensor,
    as_zip,
]


@pytest.mark.parametrize("form", EVERY_FORM, ids=lambda form: form.__name__)
def test_every_form_gives_the_same_number(form, tmp_path, expected):
    report = mifid.score(form(tmp_path), REFERENCE, extractor=colours)
    assert_expected(report, expected)
    # ... and may be the reference as well.
    swapped = mifid.score(REFERENCE, form(tmp_path), extractor=colours)
    assert swapped.fid == pytest.approx(expected["fid"], rel=1e-9)
    assert swapped.memorization_distance != report.memorization_distance


@pytest.mark.parametrize("value_range", [(0, 1), (-1, 1)])
def test_floats_with_their_range(value_range, expected):
    low, high = value_range
    tensor = torch.from_numpy(GENERATED).permute(0, 3, 1, 2).float() / 255 * (high - low) + low
    report = mifid.score(tensor, REFERENCE, extractor=colours, value_range=value_range)
    assert_expected(report, expected)


def test_fid_alone(expected):
    report = mifid.score(GENERATED, REFERENCE, metrics=["fid"], extractor=colours)
    assert report.fid == pytest.approx(expected["fid"], rel=1e-9)
    assert report.memorization_distance is None
    assert report.mifid is None
    assert report.mifid_reason == "only fid was asked for"


def test_memorization_alone(expected):
    report = mifid.score(GENERATED, REFERENCE, metrics="memorization", extractor=colours)
    assert report.fid is None
    assert report.memorization_distance == pytest.approx(
        expected["memorization_distance"], rel=1e-6
    )


def test_many_pictures_stream_when_only_fid_is_asked_for(monkeypatch, expected):
    monkeypatch.setattr("mifid.scoring._KEEP_FEATURES", 10)
    held = []
    monkeypatch.setattr(
        "mifid.pipeline.Pipeline.features",
        lambda self, source, label, real=mifid.pipeline.Pipeline.features: (
            held.append(label),
            real(self, source, label),
        )[1],
    )
    report = mifid.score(GENERATED, REFERENCE, metrics=["fid"], extractor=colours)
    assert held == ["reference"]
    assert report.fid == pytest.approx(expected["fid"], rel=1e-9)


def test_a_generator_streams_when_only_fid_is_asked_for(expected):
    report = mifid.score(as_generator(None), REFERENCE, metrics=["fid"], extractor=colours)
    assert report.fid == pytest.approx(expected["fid"], rel=1e-9)
    assert report.n_generated == 14


def test_a_separate_memorization_reference(expected):
    training = drawn("painting", 5, seed=100)
    report = mifid.score(GENERATED, REFERENCE, memorization_reference=training, extractor=colours)
    assert report.fid == pytest.approx(expected["fid"], rel=1e-9)
    alone = mifid.score(GENERATED, training, metrics="memorization", extractor=colours)
    assert report.memorization_distance == alone.memorization_distance
    assert report.inputs["memorization_reference"].n == 5


def test_epsilon_decides_on_the_penalty():
    lenient = mifid.score(GENERATED, REFERENCE, extractor=colours, epsilon=0.0)
    strict = mifid.score(GENERATED, REFERENCE, extractor=colours, epsilon=1.0)
    assert not lenient.penalized
    assert lenient.memorization_distance_thresholded == 1.0
    assert strict.penalized
    assert strict.mifid == pytest.approx(strict.fid / strict.memorization_distance)


def test_copies_of_the_reference_are_punished():
    report = mifid.score(REFERENCE[[0, 1, 2] * 3], REFERENCE, extractor=colours)
    assert report.memorization_distance < 1e-12
    assert report.mifid > 1e9


def test_identical_sets():
    report = mifid.score(REFERENCE, REFERENCE, extractor=colours)
    assert 0 <= report.fid < 1e-9


def test_a_reference_of_statistics_gives_fid_and_says_why_not_mifid(tmp_path, expected):
    r = expected["features"][1]
    np.savez(tmp_path / "s.npz", mu=r.astype(float).mean(0), sigma=np.cov(r.astype(float).T))
    report = mifid.score(GENERATED, tmp_path / "s.npz", extractor=colours)
    assert report.fid == pytest.approx(expected["fid"], rel=1e-9)
    assert report.mifid is None
    assert report.mifid_reason == (
        "the reference is mean and covariance only; the memorization distance needs pictures or "
        "their features"
    )
    assert json.loads(report.to_json())["mifid"] is None
    assert report.n_reference is None
    # With the training pictures themselves it can be had.
    whole = mifid.score(
        GENERATED, tmp_path / "s.npz", memorization_reference=REFERENCE, extractor=colours
    )
    assert whole.mifid is not None


def test_generated_statistics_give_fid_alone(tmp_path, expected):
    statistics = mifid.Statistics.from_features(expected["features"][0])
    report = mifid.score(statistics, REFERENCE, extractor=colours)
    assert report.fid == pytest.approx(expected["fid"], rel=1e-9)
    assert "generated" in report.mifid_reason


def test_statistics_on_both_sides_need_no_extractor(expected):
    g, r = (mifid.Statistics.from_features(x) for x in expected["features"])
    report = mifid.score(g, r, extractor="inception")
    assert report.fid == pytest.approx(
        frechet_distance(generated=Moments(g.mu, g.sigma), reference=Moments(r.mu, r.sigma))
    )


def test_another_extractors_reference_is_refused_by_name(tmp_path):
    made = mifid.features(REFERENCE, extractor=Counting("v1"))
    made.save(tmp_path / "r.npz")
    with pytest.raises(CompatibilityError) as caught:
        mifid.score(GENERATED, tmp_path / "r.npz", extractor="inception-random")
    assert "Counting" in caught.value.message
    assert "inception-random" in caught.value.message
    assert "reference build" in caught.value.hint
    with pytest.raises(CompatibilityError, match="with other weights"):
        mifid.score(GENERATED, tmp_path / "r.npz", extractor=Counting("v2"))


def test_features_of_two_extractors_are_refused():
    one = mifid.Features(np.ones((3, 4), np.float32), provenance=Provenance("a", "1"))
    other = mifid.Features(np.ones((3, 4), np.float32), provenance=Provenance("b", "2"))
    with pytest.raises(CompatibilityError, match=r"'b'.*'a'"):
        mifid.score(one, other)


def test_features_of_other_width_are_refused():
    wide = mifid.Features(np.ones((5, 7), np.float32))
    with pytest.raises(FeatureError, match=r"generated features have width 6, reference .* 7"):
        mifid.score(GENERATED, wide, extractor=colours)


@pytest.mark.parametrize("side", ["generated", "reference"])
def test_one_picture_is_refused_before_any_work(side, tmp_path):
    counting = Counting()
    one = write_pictures(tmp_path / "one", REFERENCE[:1])
    given = (one, REFERENCE) if side == "generated" else (GENERATED, one)
    with pytest.raises(FeatureError, match=f"{side}: folder .*one holds one picture"):
        mifid.score(*given, extractor=counting)
    assert counting.pictures == 0


def test_a_stream_of_one_picture_is_refused():
    with pytest.raises(FeatureError, match="at least two"):
        mifid.score(iter([REFERENCE[:1]]), REFERENCE, extractor=colours)


def test_unknown_metric():
    with pytest.raises(InputError, match="unknown metric 'mfid'") as caught:
        mifid.score(GENERATED, REFERENCE, metrics=["mfid"], extractor=colours)
    assert "Did you mean 'mifid'?" in caught.value.hint


@pytest.mark.parametrize("epsilon", [-0.1, 1.5, float("nan")])
def test_epsilon_out_of_range(epsilon):
    with pytest.raises(InputError, match="expected 0 to 1"):
        mifid.score(GENERATED, REFERENCE, epsilon=epsilon, extractor=colours)


def test_names_and_order_do_not_matter(tmp_path):
    ordered = write_pictures(tmp_path / "a", GENERATED)
    names = [f"{i * 7919 % 14:02}" for i in range(14)]
    shuffled = write_pictures(tmp_path / "b", GENERATED, names=names)
    one, other = (
        mifid.score(folder, REFERENCE, extractor=colours) for folder in (ordered, shuffled)
    )
    assert one.fid == pytest.approx(other.fid, rel=1e-12)
    assert one.memorization_distance == pytest.approx(other.memorization_distance, rel=1e-12)
    assert one.inputs["generated"].sha256 == other.inputs["generated"].sha256


def test_cached_scores_are_the_same_number():
    one, other = (mifid.score(GENERATED, REFERENCE, extractor=Counting()) for _ in range(2))
    assert not one.inputs["generated"].cached
    assert other.inputs["generated"].cached
    assert (one.fid, one.mifid) == (other.fid, other.mifid)
    assert one.protocol == other.protocol


@pytest.mark.network
def test_inception_random_end_to_end():
    report = mifid.score(
        repainted(4, 64), drawn("painting", 4, 64), extractor="inception-random", device="cpu"
    )
    assert report.fid > 0
    assert report.not_comparable == "reference: inception-random has seeded, not trained weights"
    assert report.to_dict()["comparable_with_kaggle"] is False
    assert "Not comparable with Kaggle" in report.text()
