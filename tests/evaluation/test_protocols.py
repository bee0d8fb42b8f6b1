"""Protocol adm: OpenAI's evaluator, written again from its formulas with NumPy's own half type."""

import numpy as np
import pytest
import scipy.linalg
import scipy.special

import mifid
from mifid import inputs
from mifid.errors import InputError, MifidWarning
from mifid.evaluation.protocols import PROTOCOLS, choose_protocol
from mifid.extractors.base import Extractor, Identity
from mifid.metrics import METRICS
from mifid.metrics.inception_score import inception_score
from mifid.metrics.precision_recall import precision_recall
from mifid.pipeline import pipeline

WIDTH, PLACES, CLASSES = 12, 8, 7


class Evaluator:
    """The formulas of evaluations/evaluator.py, without TensorFlow."""

    @staticmethod
    def fid(one, other):
        (mu1, sigma1), (mu2, sigma2) = one, other
        root = scipy.linalg.sqrtm(sigma1 @ sigma2).real
        apart = mu1 - mu2
        return apart @ apart + np.trace(sigma1) + np.trace(sigma2) - 2 * np.trace(root)

    @staticmethod
    def statistics(features):
        return features.mean(axis=0), np.cov(features, rowvar=False)

    @staticmethod
    def inception_score(logits, split_size):
        scores = []
        for start in range(0, len(logits), split_size):
            part = scipy.special.softmax(logits[start : start + split_size], axis=1)
            divergence = part * (np.log(part) - np.log(part.mean(axis=0)))
            scores.append(np.exp(divergence.sum(axis=1).mean()))
        return np.mean(scores)

    @staticmethod
    def distances(u, v):
        """Squared, in NumPy's float16, whose sums and products of matrices are float32 inside."""
        u, v = u.astype(np.float16), v.astype(np.float16)
        norm_u, norm_v = ((side * side).sum(axis=1) for side in (u, v))
        return np.maximum(norm_u[:, None] - 2 * (u @ v.T) + norm_v, 0).astype(np.float32)

    @classmethod
    def precision_recall(cls, generated, reference, k=3):
        radii = [
            np.sort(cls.distances(side, side), axis=1)[:, k] for side in (generated, reference)
        ]
        between = cls.distances(reference, generated)
        precision = (between <= radii[1][:, None]).any(axis=0).mean()
        return precision, (between <= radii[0]).any(axis=1).mean()


# Metrics


def grid(random, n, width, step=1 / 16):
    """Features whose sums are exact in float32, in any order; distances are rounded to half."""
    return (random.randint(0, 48, (n, width)) * step).astype(np.float32)


@pytest.mark.parametrize(("n", "m", "width"), [(60, 40, 64), (9, 30, 200), (25, 25, 3)])
def test_precision_and_recall_in_half_precision(random, n, m, width):
    generated, reference = grid(random, n, width), grid(random, m, width) + np.float32(0.25)
    found = precision_recall(generated=generated, reference=reference, half=True)
    expected = Evaluator.precision_recall(generated, reference)
    assert (found["precision"], found["recall"]) == expected
    assert found["precision"] > 0


def test_half_precision_is_not_the_exact_value(random):
    """Distances of about 500 are rounded to steps of 0.25: ties count as within."""
    generated, reference = (random.rand(200, 2048).astype(np.float32) for _ in range(2))
    exact = precision_recall(generated=generated, reference=reference)
    rounded = precision_recall(generated=generated, reference=reference, half=True)
    assert exact != rounded
    assert rounded["precision"] == pytest.approx(exact["precision"], abs=0.1)


def test_distances_that_half_precision_cannot_hold_are_single(random):
    generated, reference = (256 * grid(random, n, 20) for n in (30, 20))
    found = precision_recall(generated=generated, reference=reference, half=True)
    assert found == precision_recall(generated=generated, reference=reference)


def test_blocks_change_nothing(random, monkeypatch):
    from mifid.metrics import precision_recall as module

    sides = {"generated": grid(random, 50, 30), "reference": grid(random, 70, 30)}
    whole = precision_recall(**sides, half=True)
    monkeypatch.setattr(module, "_BLOCK_BYTES", 16 * 70 * 3)
    assert precision_recall(**sides, half=True) == whole


@pytest.mark.parametrize("split_size", [1, 10, 16, 40, 5000])
def test_the_inception_score_over_parts_in_order(random, split_size):
    logits = 3 * random.randn(40, CLASSES)
    found = inception_score(logits=logits, split_size=split_size)
    assert found["is"] == pytest.approx(Evaluator.inception_score(logits, split_size), rel=1e-12)


# Through score()


class Toy(Extractor):
    """Features, spatial features and logits of small pictures."""

    identity = Identity("inception", "toy adm", not_comparable="a toy")

    def __init__(self, spatial=False):
        self.spatial = spatial

    def load(self, device="auto"):
        return "cpu"

    def __call__(self, pixels):
        own, beside = looked_at(pixels)
        return np.concatenate([own, beside], axis=1) if self.spatial else own

    def with_spatial(self):
        return Toy(spatial=True)

    def classifier(self):
        return np.random.RandomState(3).randn(CLASSES, WIDTH).astype(np.float32)


def looked_at(pixels):
    """Multiples of 1/16 up to 3 (N, 12), and 8 other values."""
    flat = pixels.reshape(len(pixels), -1)
    return (flat[:, :WIDTH] // 5 / 16).astype(np.float32), flat[:, -PLACES:].astype(np.float32)


@pytest.fixture(autouse=True)
def _narrow(monkeypatch):
    monkeypatch.setattr(pipeline, "SPATIAL_WIDTH", PLACES)
    monkeypatch.setattr(inputs, "_INCEPTION_WIDTH", WIDTH)


@pytest.fixture
def pictures():
    random = np.random.RandomState(1)
    return {
        "samples": random.randint(0, 250, (60, 4, 4, 3), dtype=np.uint8),
        "batch": random.randint(20, 256, (45, 4, 4, 3), dtype=np.uint8),
        "all": random.randint(10, 256, (200, 4, 4, 3), dtype=np.uint8),
    }


@pytest.fixture
def batch(pictures, tmp_path):
    """A reference batch: some pictures, and the statistics of many more."""
    own, beside = map(Evaluator.statistics, looked_at(pictures["all"]))
    np.savez(
        tmp_path / "batch.npz",
        arr_0=pictures["batch"],
        **dict(zip(("mu", "sigma", "mu_s", "sigma_s"), (*own, *beside), strict=True)),
    )
    np.savez(tmp_path / "samples.npz", arr_0=pictures["samples"], arr_1=np.zeros(60, np.int64))
    return tmp_path / "batch.npz"


@pytest.fixture
def expected(pictures):
    """What the evaluator prints."""
    (samples, samples_s), (batch, _), (own, beside) = (
        looked_at(pictures[name]) for name in ("samples", "batch", "all")
    )
    precision, recall = Evaluator.precision_recall(samples, batch)
    logits = samples.astype(np.float64) @ Toy().classifier().T.astype(np.float64)
    statistics = Evaluator.statistics
    return {
        "fid": Evaluator.fid(statistics(samples), statistics(own)),
        "sfid": Evaluator.fid(statistics(samples_s), statistics(beside)),
        "is": Evaluator.inception_score(logits, 5000),
        "precision": precision,
        "recall": recall,
    }


def values(report):
    found = {"fid": report.fid}
    for measured in report.metrics.values():
        assert not measured.omitted, measured
        found |= measured.values
    return {name: value for name, value in found.items() if name != "is_std"}


@pytest.mark.filterwarnings("ignore::mifid.errors.MifidWarning")
def test_a_reference_batch_scores_as_the_evaluator_does(batch, expected):
    report = mifid.score(
        batch.with_name("samples.npz"), batch, protocol="adm", extractor=Toy(), ci=0
    )
    assert values(report) == pytest.approx(expected, rel=1e-6)
    assert report.mifid is None
    assert report.metrics["is"].settings == {"split_size": 5000}
    assert report.metrics["pr"].settings == {"k": 3, "half": True}
    # The statistics are of other pictures than those in the file, and both are used.
    assert report.inputs["reference"].n is None
    assert report.inputs["reference_pictures"].n == 45
    assert report.to_dict()["protocol"]["metrics"].startswith("adm, OpenAI's evaluator")
    assert "Protocol: adm, OpenAI's evaluator" in report.text()
    assert any("FID uses its mean and covariance" in warning for warning in report.warnings)


@pytest.mark.filterwarnings("ignore::mifid.errors.MifidWarning")
def test_pictures_alone_and_more_metrics(pictures, batch, expected):
    report = mifid.score(
        pictures["samples"],
        pictures["batch"],
        protocol="adm",
        metrics=["kid", "fid"],
        extractor=Toy(),
        ci=0,
    )
    found = values(report)
    assert list(report.metrics) == ["sfid", "kid", "is", "pr"]
    assert found["precision"] == expected["precision"]
    assert found["is"] == pytest.approx(expected["is"])
    own, beside = looked_at(pictures["batch"])
    samples, samples_s = looked_at(pictures["samples"])
    for name, sides in {"fid": (samples, own), "sfid": (samples_s, beside)}.items():
        both = map(Evaluator.statistics, sides)
        assert found[name] == pytest.approx(Evaluator.fid(*both), rel=1e-6)


@pytest.mark.filterwarnings("ignore::mifid.errors.MifidWarning")
def test_samples_with_statistics(pictures, batch, expected):
    """The evaluator takes statistics of samples, too, where their file holds some."""
    own, beside = map(Evaluator.statistics, looked_at(pictures["samples"]))
    path = batch.with_name("with.npz")
    np.savez(
        path, arr_0=pictures["samples"], mu=own[0], sigma=own[1], mu_s=beside[0], sigma_s=beside[1]
    )
    report = mifid.score(path, batch, protocol="adm", extractor=Toy(), ci=0)
    assert values(report) == pytest.approx(expected, rel=1e-6)


@pytest.mark.filterwarnings("ignore::mifid.errors.MifidWarning")
def test_statistics_alone_have_no_precision(batch, pictures):
    with np.load(batch) as file:
        np.savez(batch, **{name: file[name] for name in ("mu", "sigma")})
    report = mifid.score(pictures["samples"], batch, protocol="adm", extractor=Toy(), ci=0)
    assert report.fid
    assert "no spatial features" in report.metrics["sfid"].omitted
    assert "mean and covariance only" in report.metrics["pr"].omitted
    assert report.metrics["is"].values
    assert any("no pictures are used beside" in warning for warning in report.warnings)


@pytest.mark.filterwarnings("ignore::mifid.errors.MifidWarning")
def test_pictures_that_cannot_be_opened_are_said(batch, pictures):
    with np.load(batch) as file:
        arrays = dict(file)
    np.savez(batch, **arrays | {"arr_0": pictures["batch"] / 255})  # floats without a range
    sides = (pictures["samples"], batch)
    report = mifid.score(*sides, protocol="adm", extractor=Toy(), ci=0)
    assert "mean and covariance only" in report.metrics["pr"].omitted
    assert any("reference: no pictures are used" in warning for warning in report.warnings)
    ranges = {"reference": (0, 1)}
    report = mifid.score(*sides, protocol="adm", extractor=Toy(), ci=0, value_range=ranges)
    assert report.metrics["pr"].values


def test_without_the_protocol_pictures_beside_statistics_stay_unused(batch, pictures):
    with pytest.warns(MifidWarning, match="also holds 45 pictures"):
        report = mifid.score(
            pictures["samples"], batch, metrics=("fid", "pr"), extractor=Toy(), ci=0
        )
    assert "mean and covariance only" in report.metrics["pr"].omitted
    assert set(report.inputs) == {"generated", "reference"}
    assert "metrics" not in report.protocol


def test_another_network_is_warned_of(pictures):
    with pytest.warns(MifidWarning, match="protocol adm is defined for the extractor inception"):
        mifid.score(
            pictures["samples"],
            pictures["batch"],
            protocol="adm",
            extractor=lambda batch: batch.float().flatten(1)[:, :5],
            ci=0,
        )


def test_names():
    assert choose_protocol(None, None).metrics == ("mifid",)
    assert choose_protocol(None, ("kid",)).metrics == ("kid",)
    assert choose_protocol("adm", ("kid", "fid")).metrics == ("fid", "sfid", "is", "pr", "kid")
    with pytest.raises(InputError, match="unknown protocol 'amd'") as caught:
        choose_protocol("amd", None)
    assert "adm" in caught.value.hint
    for protocol in PROTOCOLS.values():
        assert set(protocol.metrics) | set(protocol.settings) <= set(METRICS)


def test_published_numbers(data):
    """ADM-G with ADM-U on ImageNet 256, as the repository's README has them."""
    folder = data / "adm"
    names = ("VIRTUAL_imagenet256_labeled.npz", "admnet_guided_upsampled_imagenet256.npz")
    weights = folder / "pt_inception-2015-12-05-6726825d.pth"
    paths = [folder / name for name in names]
    if missing := [str(path) for path in (*paths, weights) if not path.exists()]:
        pytest.skip(f"not here: {', '.join(missing)}")
    report = mifid.score(paths[1], paths[0], protocol="adm", weights=weights, ci=0)
    found = values(report)
    # Networks of two frameworks and devices: rounding of float32, and of half precision.
    assert found["fid"] == pytest.approx(3.9425574, abs=0.01)
    assert found["sfid"] == pytest.approx(6.1404337, abs=0.02)
    assert found["is"] == pytest.approx(215.837, abs=0.5)
    assert found["precision"] == pytest.approx(0.8265, abs=0.005)
    assert found["recall"] == pytest.approx(0.5309, abs=0.005)
