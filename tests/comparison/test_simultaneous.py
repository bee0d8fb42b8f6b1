"""Intervals of many differences: each like its pair's alone, together as rare as promised."""

from itertools import combinations

import numpy as np
import pytest

from mifid.comparison.simultaneous import common_tail


def outside(replicates, tail):
    """Share of replicates outside the interval of at least one pair."""
    found = np.zeros(len(replicates[0]), bool)
    for one, other in combinations(replicates, 2):
        low, high = np.percentile(one - other, [100 * tail, 100 * (1 - tail)])
        found |= (one - other < low) | (one - other > high)
    return found.mean()


def test_two_submissions_have_the_pairs_own_interval(random):
    assert common_tail(list(random.randn(2, 100)), level=95) == pytest.approx(0.025)
    assert common_tail(list(random.randn(1, 100)), level=90) == pytest.approx(0.05)


@pytest.mark.parametrize(("k", "level"), [(3, 95), (6, 95), (6, 80)])
def test_all_differences_hold_together(k, level, random):
    replicates = list(random.randn(k, 2000))
    tail = common_tail(replicates, level=level)
    assert outside(replicates, tail) <= 1 - level / 100
    assert outside(replicates, tail + 1 / 1000) > 1 - level / 100  # and are no wider than they must
    fresh = list(random.randn(k, 50_000))
    ends = [
        np.percentile(one - other, [100 * tail, 100 * (1 - tail)])
        for one, other in combinations(replicates, 2)
    ]
    missed = np.zeros(50_000, bool)
    for (one, other), (low, high) in zip(combinations(fresh, 2), ends, strict=True):
        missed |= (one - other < low) | (one - other > high)
    assert missed.mean() < 1.6 * (1 - level / 100)


def test_six_normal_submissions_are_tukeys_range(random):
    # Studentized range, 6 groups, infinitely many degrees of freedom, 5%: 4.03 (Tukey's tables).
    tail = common_tail(list(random.randn(6, 20_000)), level=95)
    ends = np.percentile(random.randn(400_000), 100 * (1 - tail))
    assert ends == pytest.approx(4.03 / np.sqrt(2), rel=0.04)


def test_scores_of_any_scale_take_part_alike(random):
    replicates = list(random.randn(4, 1000))
    tail = common_tail(replicates, level=95)
    scaled = [1e12 * values for values in replicates]
    assert common_tail(scaled, level=95) == tail


def test_ties_leave_the_others_their_intervals(random):
    same, other = random.randn(2, 1000)
    assert common_tail([same, same, other], level=95) == pytest.approx(0.025, abs=0.002)


def test_too_few_replicates_leave_their_whole_range(random):
    assert common_tail(list(random.randn(20, 100)), level=95) == 0.0
