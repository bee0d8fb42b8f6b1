"""What is refused before a command sees its arguments, and how messages name them."""

import itertools

import click
import pytest
from mifid_cli.failures import ELSEWHERE, CommandGroup
from mifid_cli.main import cli

from mifid.errors import option_names, setting


def commands(group=cli, path=()):
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


def parameters(kind):
    """Every option, or every argument, of every command."""
    for path, command in commands():
        for parameter in command.params:
            if isinstance(parameter, kind):
                yield path, command, parameter


VALUED = [(path, p) for path, _, p in parameters(click.Option) if not p.is_flag]


@pytest.fixture
def refused(run):
    def invoke(*arguments):
        result = run(*arguments)
        assert result.exit_code == 2, result.output
        assert "Usage: mifid " in result.stderr
        assert result.stdout == ""
        return result.stderr.split("Error: ")[1]

    return invoke


def test_an_option_given_twice(refused):
    for path, option in VALUED:
        if not option.multiple:
            error = refused(*path, option.opts[0], "1", option.opts[-1], "1")
            assert error == f"{option.opts[-1]} is given 2 times; give it once.\n"


def test_flags_may_be_repeated_but_not_contradicted(run, refused):
    assert run("presets", "-q", "--quiet").exit_code == 0
    asked = ("generate", "--checkpoint", "a", "--photos", "b")
    assert "--ema/--raw is given 2 times" in refused(*asked, "--ema", "--raw")


def test_options_that_take_several_values_are_given_as_often_as_one_likes(run):
    settings = ("--set", "loss.cycle=5", "--set", "loss.identity=0")
    result = run("train-baseline", *settings, "--photos", "nothing", "--monets", "nothing")
    assert (result.exit_code, "no such file or folder" in result.stderr) == (1, True)


def test_an_empty_value_is_refused_and_its_option_named(refused):
    """An empty path would be the current folder, where an unset variable stands for a path."""
    for (path, option), value in itertools.product(VALUED, ("", " ")):
        error = refused(*path, option.opts[0], value)
        assert f"{option.opts[-1]} " in error
        assert f'"{value}" is empty' in error


def test_an_empty_argument_is_refused_and_named(refused):
    for path, command, argument in parameters(click.Argument):
        arguments = [p for p in command.params if isinstance(p, click.Argument)]
        before = ["x"] * arguments.index(argument)
        error = refused(*path, *before, "")
        assert f"{argument.human_readable_name} " in error
        assert '"" is empty' in error


def test_one_empty_path_among_several(refused):
    error = refused("compare", "a.zip", "", "--ref", "monet")
    assert "SUBMISSIONS " in error
    assert '"" is empty' in error


def test_help_is_shown_whatever_else_is_given(run):
    assert run("score", "", "--ref", "", "--ref", "", "--help").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "last"),
    [
        (("score", "images.zip", "monet_jpg/"), "monet_jpg/"),
        (("diagnose", "images.zip", "monet_jpg/", "--limit", "5"), "monet_jpg/"),
        (("compare", "a.zip", "b.zip", "monet_jpg/"), "monet_jpg/"),
    ],
)
def test_a_reference_without_its_option(arguments, last, refused):
    error = refused(*arguments)
    assert "Missing option '--ref', the real pictures." in error
    assert f"If they are {last}: --ref {last}" in error


def test_every_group_looks_at_arguments():
    groups = [cli, *(command for command in cli.commands.values() if hasattr(command, "commands"))]
    assert len(groups) > 3
    assert all(isinstance(group, CommandGroup) for group in groups)


@pytest.mark.parametrize(
    ("command", "named"),
    [
        (
            ("score", "none", "--ref", "none"),
            {
                ("skip_bad", True): "--skip-bad",
                ("cache", False): "--no-cache",
                ("reference", None): "--ref",
                ("memorization_reference", "a b"): "--memorization-ref 'a b'",
                ("images", None): "IMAGES",
                ("batch_size", 8): "--batch-size 8",
                ("data.fit", "crop"): "--set data.fit=crop",  # of another command
                ("rules", None): "rules",
            },
        ),
        (
            ("train-baseline", "--photos", "none", "--monets", "none"),
            {
                ("data.fit", "crop"): "--set data.fit=crop",
                ("data.select_paintings", "my list"): "--select 'my list'",
                ("training.submission", 32): "--set training.submission=32",
                ("training.budget", "5m"): "--budget 5m",
                ("score", False): "--no-score",
                ("settings", None): "--set",
                ("out", None): "--out",
            },
        ),
    ],
)
def test_messages_name_what_the_command_has(command, named, run, monkeypatch):
    """Then what other commands have; settings that none has an option for are named as Python's."""
    told = {}

    def fail(*_, **__):
        told.update({key: setting(*key) for key in named})
        raise KeyboardInterrupt

    monkeypatch.setattr("mifid.scoring.score", fail)
    monkeypatch.setattr("mifid.baseline.train_baseline", fail)
    run(*command)
    assert told == named
    assert option_names() == {}  # Python's words again, once the command is done
    assert setting("skip_bad", True) == "skip_bad=True"


def test_a_hint_is_in_the_words_of_where_it_is_read(folder, failure):
    from mifid import MifidError
    from mifid import score as score_images

    (folder / "out" / "bad.png").write_bytes(b"no picture")
    on_the_command_line = failure("score", "out", "--ref", "monet", "--extractor", "toys:colours")
    assert "leave such pictures out with --skip-bad.\n" in on_the_command_line
    with pytest.raises(MifidError) as caught:
        score_images("out", "monet", extractor="toys:colours")
    assert "leave such pictures out with skip_bad=True." in caught.value.hint


@pytest.mark.parametrize(
    ("given", "here"),
    [
        (("score", "--input1", "a.zip", "--input2", "b"), "without an option"),
        (("score", "a.zip", "--real", "b"), "--ref"),
        (("compare", "a.zip", "--num_workers", "2"), "--workers"),
        (("score", "a.zip", "--ref", "b", "--gpu", "0"), "--device cuda"),
        (("train-baseline", "--lr", "0.1"), "--set optimiser.rate="),
        (("train-baseline", "--batch-size", "4"), "--set training.batch="),
        (("train-baseline", "--n-epochs", "4"), "'--epochs'"),
        (("train-baseline", "--dataroot", "a"), "--photos and --monets"),
    ],
)
def test_options_of_other_tools_get_what_stands_here_for_them(given, here, refused):
    error = refused(*given)
    assert error.startswith("No such option '--")
    assert here in error


def test_an_option_of_another_tool_that_nothing_stands_for_in_this_command(refused):
    assert refused("check", "--gpu", "0") == "No such option '--gpu'.\n"


def test_what_stands_for_options_elsewhere_exists():
    known = {option for _, _, p in parameters(click.Option) for option in p.opts}
    named = {word for here in ELSEWHERE.values() for word in here.split() if word[0] == "-"}
    assert named <= known
    assert not known & {"--input1", "--input2", "--real", "--gpu"}


def test_a_path_in_place_of_a_command_gets_the_command(refused, tmp_path):
    (tmp_path / "images.zip").touch()
    path = str(tmp_path / "images.zip")
    assert f"mifid score {path} --ref monet_jpg" in refused(path, "monet_jpg")
