"""Lengths of time, read and written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mifid.baseline.config.settings import format_duration, parse_duration
from mifid.errors import InputError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5h", 18_000),
        ("30m", 1_800),
        ("10s", 10),
        ("1h30m", 5_400),
        ("1h30", 3_630),  # a bare number is seconds, wherever it stands
        ("2h5s", 7_205),
        ("90", 90),
        ("1.5h", 5_400),
        (".5m", 30),
        (" 4 h 12 min ", 15_120),
        ("1H30M10S", 5_410),
        ("120m", 7_200),
    ],
)
def test_a_duration_is_read(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "  ", "h", "5x", "five hours", "-3", "30m1h", "1h 1h", "1:30", "nan", "inf", "٣h"]
)
def test_what_is_no_duration_is_told(text):
    with pytest.raises(InputError) as caught:
        parse_duration(text)
    assert caught.value.message == f"'{text}' is not a length of time"
    assert "5h, 30m, 10s, 1h30m" in caught.value.hint


@pytest.mark.parametrize("text", ["0", "0h0m", "0.0s", "9" * 400 + "h"])
def test_no_time_and_endless_time_are_refused(text):
    with pytest.raises(InputError, match="expected a length of time"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (15_120, "4 h 12 min"),
        (35, "35 s"),
        (65, "1 min 5 s"),
        (60, "1 min"),
        (18_000, "5 h"),
        (0.42, "0.4 s"),
        (0.96, "1 s"),
        (59.6, "1 min"),
        (3_599.7, "1 h"),
        (7_199.9, "2 h"),
        (3_629, "1 h"),
        (3_631, "1 h 1 min"),
        (0, "0 s"),
        (0.01, "0 s"),
        (-3, "0 s"),
        (90_000, "25 h"),
    ],
)
def test_a_duration_is_written(seconds, text):
    assert format_duration(seconds) == text


@given(st.floats(1, 1e6))
def test_what_is_written_is_read_to_within_its_unit(seconds):
    read = parse_duration(format_duration(seconds))
    assert abs(read - seconds) <= (0.5 if read < 3600 else 30)
