"""How work tells that it goes on: bars for those who look, silence for everybody else."""

import io
import sys
import types

import pytest

from mifid.progress import Bars, Silent, choose


def shown(total, unit, steps):
    stream = io.StringIO()
    with Bars(stream).task("generated", total, unit) as task:
        for step in steps:
            task.advance(step)
        task._bar.refresh()
        return stream.getvalue()


def test_a_bar_shows_what_how_many_how_fast_and_how_long():
    text = shown(200, "picture", [100])
    assert "generated: " in text
    assert " 50%" in text
    assert "100/200 [" in text
    assert "pictures/s]" in text
    assert "<" in text.rsplit("[", 1)[1]  # elapsed<left


def test_without_a_total_a_bar_counts():
    text = shown(None, "picture", [3, 4])
    assert "7 pictures [" in text
    assert "%" not in text


def test_bytes_are_shown_in_larger_units():
    assert "50.0M/95.0M [" in shown(95_000_000, "B", [50_000_000])


def test_a_bar_goes_away_when_the_work_ends_or_fails():
    stream = io.StringIO()
    with pytest.raises(KeyboardInterrupt), Bars(stream).task("draw", 3, "picture"):
        raise KeyboardInterrupt
    assert stream.getvalue().endswith("\r")


def test_bars_are_drawn_on_stderr(capsys):
    with Bars().task("draw", 3, "picture") as task:
        task.advance()
    captured = capsys.readouterr()
    assert "draw" in captured.err
    assert captured.out == ""


def test_silence_says_nothing(capsys):
    with Silent().task("draw", 3, "picture") as task:
        task.advance()
        task.advance(2)
    assert capsys.readouterr() == ("", "")


def test_what_a_caller_gives_is_taken():
    own = Silent()
    assert choose(own) is own
    assert isinstance(choose(True), Bars)
    assert isinstance(choose(False), Silent)


@pytest.mark.parametrize(
    ("config", "bars"), [({"IPKernelApp": {}}, True), ({"TerminalIPythonApp": {}}, False)]
)
def test_nothing_given_means_bars_in_notebooks_alone(config, bars, monkeypatch):
    shell = types.SimpleNamespace(config=config)
    ipython = types.SimpleNamespace(get_ipython=lambda: shell)
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    assert isinstance(choose(None), Bars if bars else Silent)
    monkeypatch.delitem(sys.modules, "IPython")
    assert isinstance(choose(None), Silent)
