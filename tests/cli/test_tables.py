"""Tables fit the terminal, and break no word that need not be broken."""

import pytest
from mifid_cli import tables
from mifid_cli.compare import _folded
from rich.console import Console

HEADINGS = (
    "",
    "submission",
    "pictures",
    "MiFID (95% interval)",
    "FID",
    "memorization distance",
    "behind the best",
    "chance to beat the best",
)
ROWS = [
    ("1", "a.zip", "7,038", "60.123 (56.123 to 67.345)", "60.123", "0.2145", "", ""),
    (
        "2",
        "runs/a_long_name/images.zip",
        "7,038",
        "62.456 (58.12 to 69.3)",
        "62.456",
        "0.2245",
        "+2.333 (0.1234 to 4.7654)",
        "12%",
    ),
]


@pytest.fixture
def printed(monkeypatch, capsys):
    """Print a table in a terminal of a width: return its lines."""

    def show(headings, rows, width, **settings):
        monkeypatch.setattr(
            "rich.console.Console",
            lambda *, stderr=False, **_: Console(
                width=width, force_terminal=True, color_system=None, no_color=True, stderr=stderr
            ),
        )
        tables.print_table(headings, rows, **settings)
        return capsys.readouterr().out.splitlines()

    return show


def compared(printed, width):
    return printed(_folded(HEADINGS), [_folded(row) for row in ROWS], width, names=1)


@pytest.mark.parametrize("width", [80, 100, 140])
def test_a_comparison_fits_and_its_words_are_whole(width, printed):
    lines = compared(printed, width)
    assert max(map(len, lines)) <= width
    words = " ".join(lines).split()
    for text in (*HEADINGS, *(cell for row in ROWS for cell in row if "/" not in cell)):
        assert set(text.split()) <= set(words), text


def test_in_a_pipe_names_and_words_are_whole(capsys):
    name = "runs/" + "long_" * 40 + ".zip"
    rows = [(row[0], name, *row[2:]) for row in ROWS]
    tables.print_table(_folded(HEADINGS), map(_folded, rows), names=1)
    words = capsys.readouterr().out.split()
    assert words.count(name) == 2
    for text in (*HEADINGS, *(cell for row in ROWS for cell in row if "/" not in cell)):
        assert set(text.split()) <= {*words, "a.zip"}, text


@pytest.mark.parametrize("width", [100, 140])
def test_with_room_intervals_take_one_line(width, printed):
    lines = "\n".join(compared(printed, width))
    assert "(56.123 to 67.345)" in lines
    assert "(0.1234 to 4.7654)" in lines
    assert ("runs/a_long_name/images.zip" in lines) == (width == 140)


def test_names_are_whole_where_prose_can_be_wrapped(printed):
    lines = printed(["recipe", "what"], [("agarwal-dynamic-paintings", "some words " * 9)], 60)
    assert lines[3].startswith(" agarwal-dynamic-paintings  some words some words")


def test_a_path_is_folded_and_not_cut(printed):
    lines = printed(["file", "found"], [("x" * 50, "y y")], 40)
    assert max(map(len, lines)) <= 40
    assert "".join(lines).count("x") == 50


@pytest.mark.parametrize("width", [1, 8, 20, 40])
def test_a_terminal_that_is_too_narrow_is_no_error(width, printed):
    assert compared(printed, width)


def test_no_rows_and_empty_columns(printed):
    assert "submission" in "".join(printed(["", "submission"], [], 80))
    assert "a" in "".join(printed(["", "b"], [("", "a")], 80))


@pytest.mark.parametrize("width", range(24, 140, 7))
def test_a_table_is_never_wider_than_the_terminal(width, printed):
    assert max(map(len, compared(printed, width))) <= width
