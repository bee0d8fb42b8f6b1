"""The Vendi score: closed forms, and the dense kernel's eigenvalues by SciPy."""

import numpy as np
import pytest
import scipy.linalg

from mifid.errors import FeatureError, UnavailableError
from mifid.metrics import vendi
from mifid.metrics.vendi import vendi_score


def score(x):
    return vendi_score(generated=x)["vendi"]


def published(x):
    """Take the entropy of all N eigenvalues of the kernel, as the authors' ``score_X`` does."""
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    p = scipy.linalg.eigvalsh(unit @ unit.T / len(x))
    p = p[p > 0]
    return np.exp(-(p * np.log(p)).sum())


SIZES = [(12, 40), (40, 12), (30, 30), (1, 5), (300, 3)]


@pytest.mark.parametrize(("n", "width"), SIZES)
def test_equals_the_dense_kernel(random, n, width):
    x = random.rand(n, width)
    assert score(x) == pytest.approx(published(x), rel=1e-9)


def test_equals_the_dense_kernel_on_genuine_features(data):
    roses = np.load(data / "pool3_roses.npz")["features"]
    assert score(roses[:300]) == pytest.approx(published(roses[:300].astype(float)), rel=1e-9)
    narrow = roses[:, :100]
    assert score(narrow) == pytest.approx(published(narrow.astype(float)), rel=1e-9)


@pytest.mark.parametrize("copies", [1, 3, 50])
def test_counts_different_pictures_however_often_they_occur(copies):
    assert score(np.repeat(np.eye(6, 20), copies, axis=0)) == pytest.approx(6.0, rel=1e-12)


def test_unequal_kinds_count_as_their_entropy():
    share = np.array([0.5, 0.25, 0.25])
    x = np.repeat(np.eye(3), (share * 40).astype(int), axis=0)
    assert score(x) == pytest.approx(np.exp(-(share * np.log(share)).sum()), rel=1e-12)


def test_two_pictures_at_an_angle():
    """Eigenvalues (1 + cos) / 2 and (1 - cos) / 2."""
    p = (1 + np.cos(0.7) * np.array([1, -1])) / 2
    x = np.array([[1.0, 0.0], [np.cos(0.7), np.sin(0.7)]])
    assert score(x) == pytest.approx(np.exp(-(p * np.log(p)).sum()), rel=1e-12)


def test_equal_pictures_are_one(random):
    assert score(np.repeat(random.rand(1, 9), 40, axis=0)) == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize(("n", "width"), [(12, 40), (40, 12)])
def test_length_order_rotation_and_rows_of_zeros_do_not_matter(random, n, width):
    x = random.rand(n, width)
    expected = score(x)
    turn = np.linalg.qr(random.randn(width, width))[0]
    assert score((x * np.exp(random.randn(n, 1)))[::-1] @ turn) == pytest.approx(expected)
    assert score(np.insert(x, [0, 5], 0.0, axis=0)) == pytest.approx(expected, rel=1e-12)


def test_blocks_do_not_matter(random, monkeypatch):
    x = random.rand(333, 20).astype(np.float32)
    whole = score(x)
    monkeypatch.setattr(vendi, "_BLOCK_BYTES", 16 * 20 * 10)
    assert score(x) == pytest.approx(whole, rel=1e-12)


def test_says_what_is_missing():
    with pytest.raises(UnavailableError, match="at least 1 generated"):
        score(np.ones((0, 4)))
    with pytest.raises(FeatureError, match="all generated features are zero"):
        score(np.zeros((3, 4)))
    with pytest.raises(FeatureError, match=r"\(4,\)"):
        score(np.ones(4))
