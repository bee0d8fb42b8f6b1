"""Steps 5 and 6: threshold and division, against Kaggle's published rows."""

import csv
from pathlib import Path

import numpy as np
import pytest

import mifid
from mifid.metrics.mifid import mifid as mifid_metric
from mifid.metrics.mifid import thresholded

GOLDEN = Path(__file__).parents[1] / "golden" / "kaggle_scores.csv"
ROWS = [
    [float(value) for value in row] for row in list(csv.reader(GOLDEN.read_text().splitlines()))[1:]
]


@pytest.mark.parametrize(("fid", "distance", "score"), ROWS)
def test_reproduces_kaggles_rows_to_the_last_digit(fid, distance, score):
    assert mifid.penalized(fid=fid, memorization_distance=distance) == pytest.approx(
        score, rel=5e-16, abs=0
    )


@pytest.mark.parametrize(("fid", "distance", "score"), ROWS)
def test_the_notebook_copies_constant_misses_the_last_digits(fid, distance, score):
    notebook = fid / (thresholded(distance) + 10e-15)
    assert abs(notebook / score - 1) > 5e-16


def test_threshold_is_strict():
    assert thresholded(0.1, epsilon=0.1) == 1.0
    assert thresholded(np.nextafter(0.1, 0), epsilon=0.1) < 0.1
    assert thresholded(0.2, epsilon=0.25) == 0.2


def test_a_copy_of_the_training_set_is_punished_without_dividing_by_zero():
    assert mifid.penalized(fid=5.0, memorization_distance=0.0) == pytest.approx(5e15)


def test_metric_is_its_two_parts(random):
    generated, reference = random.rand(20, 6), random.rand(15, 6)
    from mifid.metrics.frechet import frechet_distance
    from mifid.metrics.memorization import memorization_distance

    both = {"generated": generated, "reference": reference}
    expected = mifid.penalized(
        fid=frechet_distance(**both), memorization_distance=memorization_distance(**both)
    )
    assert mifid_metric(**both) == expected
