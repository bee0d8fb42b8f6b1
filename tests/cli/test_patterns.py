"""A pattern without quotes, which the shell turns into all its files, is told in a line."""

import pytest

FILES = [f"photo_jpg/{i:04}.jpg" for i in range(7038)]
MONETS = [f"monet_jpg/{i}.PNG" for i in range(300)]


@pytest.fixture
def told(run):
    """Run what must be refused as a wrong command line: return the error, which is short."""

    def invoke(*arguments):
        result = run(*arguments)
        assert result.exit_code == 2
        assert result.stdout == ""
        usage, error = result.stderr.split("Error: ")
        assert usage.startswith("Usage: mifid ")
        assert len(error) < 300
        return error

    return invoke


@pytest.mark.parametrize(
    "command",
    [
        ("score", *FILES, "--ref", "monet"),
        ("score", "--ref", "monet", *FILES),
        ("score", *FILES),  # not told of what is missing, which would hide it
        ("diagnose", *FILES, "--ref", "monet"),
        ("reference", "build", *FILES, "-o", "monet.npz"),
    ],
    ids=["score", "behind the options", "alone", "diagnose", "reference build"],
)
def test_a_pattern_without_quotes(command, told):
    error = told(*command)
    assert "Got 7,037 unexpected extra arguments, from photo_jpg/0001.jpg to " in error
    assert "Put a pattern in quotes ('photo_jpg/*.jpg'), or name the folder." in error


def test_both_patterns_without_quotes(told):
    error = told("score", *FILES, "--ref", *MONETS)
    assert "Got 7,336 unexpected extra arguments" in error
    assert "('monet_jpg/*.PNG' 'photo_jpg/*.jpg')" in error


def test_two_pictures_are_a_pattern_too(told):
    error = told("score", "a.png", "b.png", "--ref", "monet")
    assert "Got 1 unexpected extra argument. Put a pattern in quotes ('*.png')" in error


def test_an_option_that_takes_a_pattern(told):
    error = told("train-baseline", "--photos", *FILES, "--monets", "monet_jpg", "--out", "run")
    assert "Put a pattern in quotes ('photo_jpg/*.jpg'), or name the folder." in error


def test_what_takes_no_patterns_is_not_said_to(told):
    error = told("check", *FILES)
    assert "Give one file that holds the pictures, such as images.zip." in error
    assert "quotes" not in error


def test_many_other_arguments_are_counted(told):
    error = told("score", *(f"{i}.zip" for i in range(900)), "--ref", "monet")
    assert error.strip() == "Got 899 unexpected extra arguments, from 1.zip to 899.zip."


def test_a_few_other_arguments_are_listed(told):
    assert "unexpected extra argument (b.zip)" in told("score", "a.zip", "b.zip", "--ref", "monet")


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_is_help_all_the_same(flag, run):
    result = run("score", *FILES, flag)
    assert result.exit_code == 0
    assert result.stdout.startswith("Usage: mifid score ")


def test_another_mistake_is_told_as_ever(told):
    assert "No such option '--skipbad'" in told("score", *FILES, "--skipbad")
    assert "No such command 'scroe'" in told("scroe", *FILES)


def test_commands_that_take_many_take_them(run):
    result = run("compare", *FILES[:9], "--ref", "monet", "--extractor", "toys:colours")
    assert "unexpected" not in result.output
