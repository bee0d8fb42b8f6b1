"""mifid select: the text, the files, and each bad input in the words of the command line."""

import json

import pytest
from toys import drawn, write_pictures

from mifid.selection.dropping import CRITERIA
from mifid.selection.selecting import select

QUICK = ("--extractor", "toys:colours")


@pytest.fixture(autouse=True)
def held_out(folder):
    return write_pictures(folder / "held_out", drawn("painting", 6, seed=80))


def test_all_outputs(run, folder):
    outputs = ("-o", "names.txt", "--sheet", "sheet.html", "--table", "all.csv")
    result = run("select", "monet", "--style", 3, "--like", "002.png", *outputs, *QUICK)
    assert result.exit_code == 0, result.output
    found = select("monet", style=3, like="002.png", extractor="toys:colours")
    assert result.stdout == found.text() + "\n"
    lines = (folder / "names.txt").read_text().splitlines()
    assert tuple(line for line in lines if line[0] != "#") == found.names
    assert (folder / "sheet.html").read_text().count("<img") == 5
    assert len((folder / "all.csv").read_text().splitlines()) == 6


def test_json_is_the_only_thing_on_stdout(run):
    search = ("--search", 2, "--held-out", "held_out", "--generations", 2, "--seed", 5)
    result = run("select", "monet", *search, "--json", *QUICK)
    found = select(
        "monet", search=2, held_out="held_out", generations=2, seed=5, extractor="toys:colours"
    )
    assert json.loads(result.stdout) | {"source": 0} == found.to_dict() | {"source": 0}


def test_a_list_of_somebody_else_is_kept(run, failure, folder):
    (folder / "names.txt").write_text("mine\n")
    command = ("select", "monet", "--keep", 2, "-o", "names.txt", *QUICK)
    assert "--force" in failure(*command)
    assert (folder / "names.txt").read_text() == "mine\n"
    assert run(*command, "--force").exit_code == 0
    assert run("select", "monet", "--keep", 3, "-o", "names.txt", *QUICK).exit_code == 0


def test_outputs_are_checked_before_the_work(failure):
    assert "--sheet" in failure("select", "nowhere", "--sheet", "sheet.png")
    assert "is also the file of" in failure(
        "select", "nowhere", "-o", "a.csv", "--table", "a.csv", code=2
    )


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--drop", "blured"), "--drop: unknown criterion 'blured'"),
        (("--drop", "dark=300"), "--drop dark=40"),
        (("--style", 9), "--style is 9, but there are 5"),
        (("--like", "000.png"), "--like is given without --style"),
        (("--style", 2, "--like", "gone.png"), "--like: there is no file 'gone.png'"),
        (("--search", 2), "--search needs --held-out"),
        (("--keep", 2, "--search", 2), "--keep and --search are given together"),
        (("--population", 1), "--population is 1"),
        (("--keep", 2, "--mutation", 0.1), "--mutation is given without --search"),
    ],
)
def test_bad_input_is_named_by_its_option(failure, arguments, named):
    assert named in failure("select", "monet", *arguments, *QUICK)


def test_the_help_has_every_criterion_and_its_threshold(run):
    words = " ".join(run("select", "--help").stdout.split())
    for name, criterion in CRITERIA.items():
        assert f"{name} (" in words
        assert f"{criterion.threshold:g}" in words
    assert "--ref" not in words
    assert "[default: lite0]" in words
