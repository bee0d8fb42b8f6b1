"""Values as text: numbers of every size, and text from outside in one line."""

import pytest

from mifid.formatting import encodable, listed, number, spelled_out, terminal_safe


@pytest.mark.parametrize(
    ("value", "decimals", "flags", "text"),
    [
        (None, 2, "", "none"),
        (0.0, 4, "", "0.0000"),
        (1234.567, 2, ",", "1,234.57"),
        (1234.567, 2, "+", "+1234.57"),
        (-0.5, 2, "+", "-0.50"),
        (999_999.0, 2, ",", "999,999.00"),
        (1_000_000.0, 2, ",", "1.00e+06"),
        (-2.5e16, 6, "", "-2.500000e+16"),
        (1.67e14, 1, ",", "1.67e+14"),
        (0.0, None, "", "0.000"),
        (0.0234567, None, "", "0.02346"),
        (0.5, None, "", "0.5000"),
        (1.0, None, "", "1.0000"),
        (61.23456, None, "", "61.235"),
        (123_456.7, None, "", "123457"),
        (1_234_567.0, None, "", "1.235e+06"),
        (float("inf"), 2, "", "inf"),
        (float("nan"), 2, "", "nan"),
    ],
)
def test_numbers(value, decimals, flags, text):
    assert number(value, decimals, flags=flags) == text


def test_lists():
    assert [listed("abc"[:n]) for n in range(4)] == ["", "a", "a and b", "a, b and c"]
    assert listed(iter("ab"), "or") == "a or b"


HOSTILE = "a\x1b]0;t\x07\u202eb\u2066\u200b\ufeff\udcff\u2028\U000e0041\x9b\r\tc"


def test_what_commands_turns_or_hides_is_spelled_out():
    text = spelled_out(HOSTILE)
    assert text.isprintable()
    assert text.startswith(r"a\x1b]0;t\x07\u202eb")
    assert text.endswith(r"\udcff\u2028\U000e0041\x9b\r\tc")
    assert terminal_safe(f"{HOSTILE}\nd") == f"{text}\nd"
    assert spelled_out("a\nb") == r"a\nb"


def test_letters_of_all_languages_stay():
    for text in ("été 🎨.png", "新しい\u3000フォルダ", "10\xa0%", "می\u200cخواهم", "👩\u200d🎨"):
        assert spelled_out(text) == terminal_safe(text) == encodable(text) == text


def test_half_surrogates_can_be_written():
    assert encodable("a\udcff\x1b").encode() == b"a\\udcff\x1b"
