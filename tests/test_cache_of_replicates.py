"""What is kept on disk: found again for the same inputs, and never for others."""

import math

import numpy as np
import pytest

from mifid.cache import Cache, kept
from mifid.statistics.features import Features

VALUES = np.arange(12, dtype=np.float32).reshape(3, 4)
ONE, OTHER = Features(VALUES), Features(VALUES + 1)


class Work:
    """Counts how often it is done."""

    def __init__(self, result):
        self.result, self.times = result, 0

    def __call__(self):
        self.times += 1
        return self.result


def call(cache, work, what="thing 1", sides=None, settings=None):
    return kept(
        cache,
        what,
        work,
        sides={"generated": ONE, "reference": OTHER, "held_out": None} if sides is None else sides,
        settings={"seed": 1} if settings is None else settings,
    )


def test_the_same_work_is_done_once_and_floats_keep_every_bit(tmp_path):
    result = {
        "a": 0.1 + 0.2,
        "tiny": 5e-324,
        "large": 1.7976931348623157e308,
        "third": 1 / 3,
        "list": [1, 2.5, None],
        "text": "größer \u202e",
    }
    work, cache = Work(result), Cache(tmp_path)
    first, second = call(cache, work), call(cache, work)
    assert work.times == 1
    assert first == second == result
    assert math.copysign(1, call(cache, Work({"z": -0.0}), "zero")["z"]) == -1
    assert math.copysign(1, call(cache, Work(None), "zero")["z"]) == -1


def test_without_a_cache_it_is_done_each_time(tmp_path, monkeypatch):
    monkeypatch.setenv("MIFID_CACHE", str(tmp_path / "cache"))
    work = Work({"a": 1})
    assert call(None, work) == call(None, work) == {"a": 1}
    assert work.times == 2
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    "change",
    [
        {"what": "thing 2"},
        {"settings": {"seed": 2}},
        {"settings": {"seed": 1, "more": True}},
        {"settings": {}},
        {"sides": {"generated": OTHER, "reference": ONE, "held_out": None}},
        {"sides": {"generated": ONE, "reference": OTHER, "held_out": ONE}},
        {"sides": {"generated": ONE, "reference": OTHER}},
        {"sides": {"generated": ONE, "training": OTHER, "held_out": None}},
        {
            "sides": {
                "generated": Features(VALUES.reshape(4, 3)),  # the same bytes
                "reference": OTHER,
                "held_out": None,
            }
        },
        {
            "sides": {
                "generated": Features(np.ascontiguousarray(VALUES[::-1])),
                "reference": OTHER,
                "held_out": None,
            }
        },
    ],
    ids=[
        "version",
        "value of a setting",
        "another setting",
        "no setting",
        "sides swapped",
        "a side more",
        "a side less",
        "a side's role",
        "shape",
        "order of rows",
    ],
)
def test_whatever_it_depends_on_makes_another_entry(change, tmp_path):
    cache = Cache(tmp_path)
    call(cache, Work({"a": 1}))
    assert call(cache, Work({"a": 2}), **change) == {"a": 2}
    assert call(cache, Work({"a": 3})) == {"a": 1}


def test_names_do_not_matter_nor_does_the_memory_layout(tmp_path):
    cache = Cache(tmp_path)
    call(cache, Work({"a": 1}))
    sides = {
        "reference": OTHER,
        "held_out": None,
        "generated": Features(np.asfortranarray(VALUES), names=("a", "b", "c")),
    }
    assert call(cache, Work({"a": 2}), sides=sides) == {"a": 1}


def test_a_failure_keeps_nothing(tmp_path):
    cache = Cache(tmp_path)

    def fail():
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        call(cache, fail)
    assert call(cache, Work({"a": 1})) == {"a": 1}


def test_a_damaged_entry_is_computed_anew(tmp_path):
    cache = Cache(tmp_path)
    call(cache, Work({"a": 1}))
    (entry,) = [path for path in tmp_path.rglob("*") if path.is_file()]
    entry.write_bytes(entry.read_bytes()[:-40])
    with pytest.warns(UserWarning, match="damaged"):
        assert call(cache, Work({"a": 2})) == {"a": 2}
    assert call(cache, Work({"a": 3})) == {"a": 2}
