"""A study: answers that are kept once, and rates with intervals that hold."""

import sqlite3

import numpy as np
import pytest
from scipy.stats import binomtest

from mifid.errors import InputError, OutputError
from mifid.web.study import Answer, Study, fooling_rates, rates_of


def answer(visitor="v", round=1, painter="toy", fooled=True):
    return Answer(visitor, round, painter, "p.jpg", "r.jpg", fooled, 1.5)


def answers(painter, fooled, n):
    """n answers, each of a visitor of its own."""
    return [(f"{painter} {i}", painter, i < fooled) for i in range(n)]


@pytest.mark.parametrize(("fooled", "n"), [(0, 7), (3, 10), (50, 100), (12, 12)])
@pytest.mark.parametrize("level", [90.0, 95.0])
def test_the_interval_is_wilsons_where_each_visitor_answers_once(fooled, n, level):
    (rate,) = rates_of(answers("toy", fooled, n), level=level)
    expected = binomtest(fooled, n).proportion_ci(level / 100, method="wilson")
    # k / (k - 1): with one answer each, the variance is the binomial one but for this factor.
    if 0 < fooled < n:
        assert rate.effective == pytest.approx(n - 1)
        expected = wilson_of(fooled / n, n - 1, level)
    else:
        expected = expected.low, expected.high
    assert (rate.low, rate.high) == pytest.approx(expected)
    assert (rate.rate, rate.answers, rate.visitors) == (fooled / n, n, n)


def wilson_of(p, n, level):
    """Wilson's interval as the roots of (p - x)^2 = z^2 x (1 - x) / n."""
    from scipy.stats import norm

    z2 = norm.ppf(0.5 + level / 200) ** 2
    return tuple(sorted(np.roots([1 + z2 / n, -2 * p - z2 / n, p * p]).real))


def test_answers_of_one_kind_from_each_visitor_count_as_one():
    """Ten visitors whose ten answers are the same say as much as ten answers."""
    alike = [(f"v{i}", "toy", i < 4) for i in range(10) for _ in range(10)]
    once = [(f"v{i}", "toy", i < 4) for i in range(10)]
    (many,), (few,) = rates_of(alike), rates_of(once)
    assert many.answers == 100
    assert many.effective == pytest.approx(few.effective)
    assert (many.low, many.high) == pytest.approx((few.low, few.high))


def test_the_interval_contains_the_truth_of_visitors_who_differ():
    """Visitors with rates of their own: 95% intervals hold about as often as they say."""
    random = np.random.RandomState(0)
    held = 0
    for _ in range(400):
        own = random.beta(2, 3, size=30)  # mean 0.4
        given = [(f"v{i}", "toy", random.rand() < p) for i, p in enumerate(own) for _ in range(10)]
        (rate,) = rates_of(given)
        held += rate.low <= 0.4 <= rate.high
    # Binomial with p = 0.95: 400 * 0.95 = 380, four standard deviations of 4.4 around it.
    assert 362 <= held <= 398


def test_one_visitor_counts_all_answers():
    (rate,) = rates_of([("v", "toy", i < 4) for i in range(10)])
    expected = binomtest(4, 10).proportion_ci(method="wilson")
    assert (rate.low, rate.high) == pytest.approx((expected.low, expected.high))
    assert (rate.visitors, rate.effective) == (1, 10)


def test_painters_are_apart_and_sorted():
    rates = rates_of(answers("low", 1, 10) + answers("high", 9, 10) + answers("also", 1, 10))
    assert [rate.painter for rate in rates] == ["high", "also", "low"]
    assert rates_of([]) == []


@pytest.mark.parametrize("level", [49, 100, float("nan")])
def test_a_level_that_is_none(level):
    with pytest.raises(InputError, match=r"expected 50 to 99.9"):
        rates_of([], level=level)


def test_answers_are_kept_in_a_file(tmp_path):
    path = tmp_path / "results.sqlite"
    first = Study(path)
    first.add(answer(round=1, fooled=True))
    first.add(answer(round=1, fooled=False))  # sent twice: the first one counts
    first.close()
    again = Study(path)
    again.add(answer(visitor="w", fooled=False))
    kept = again.rates()
    again.close()
    assert fooling_rates(path) == kept
    (rate,) = kept
    assert (rate.fooled, rate.answers, rate.visitors) == (1, 2, 2)
    columns = "visitor, round, painter, painting, real, fooled, seconds"
    with sqlite3.connect(path) as database:
        rows = database.execute(f"select {columns} from answers").fetchall()
    database.close()
    assert rows == [
        ("v", 1, "toy", "p.jpg", "r.jpg", 1, 1.5),
        ("w", 1, "toy", "p.jpg", "r.jpg", 0, 1.5),
    ]


def test_two_servers_may_write_one_study(tmp_path):
    path = tmp_path / "results.sqlite"
    studies = [Study(path), Study(path)]
    for number, study in enumerate(studies):
        study.add(answer(visitor=str(number)))
    for study in studies:
        study.close()
    assert fooling_rates(path)[0].answers == 2


def test_answers_in_memory_leave_no_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    study = Study()
    study.add(answer())
    assert study.rates()[0].answers == 1
    study.close()
    assert list(tmp_path.iterdir()) == []


def other_database(path):
    database = sqlite3.connect(path)
    database.execute("create table other (x)")
    database.commit()
    database.close()


def later_version(path):
    Study(path).close()
    database = sqlite3.connect(path)
    database.execute("pragma user_version = 99")
    database.close()


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: path.write_bytes(b"no database at all" * 100), "is no SQLite file"),
        (other_database, "no study of mifid .* the tables other"),
        (later_version, "it has version 99"),
    ],
)
@pytest.mark.parametrize("use", [Study, fooling_rates])
def test_a_file_that_is_no_study_is_refused_and_left(tmp_path, make, said, use):
    path = tmp_path / "results.sqlite"
    make(path)
    before = path.read_bytes()
    with pytest.raises(InputError, match=said):
        use(path)
    assert path.read_bytes() == before


def test_no_file(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        fooling_rates(tmp_path / "results.sqlite")
    with pytest.raises(OutputError, match="cannot open"):
        Study(tmp_path / "missing" / "results.sqlite")
    assert list(tmp_path.iterdir()) == []
