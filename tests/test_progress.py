"""How work tells that it goes on: bars for those who look, silence for everybody else."""

import io
import sys
import threading
import types
from contextlib import suppress

import pytest

from mifid.progress import Bars, Lines, Silent, choose, is_watched, note


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


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_what_a_caller_gives_is_taken(monkeypatch):
    own = Silent()
    assert choose(own) is own
    assert isinstance(choose(False), Silent)
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert isinstance(choose(True), Bars)


def test_who_reads_a_log_gets_lines(monkeypatch):
    """Of nohup and SLURM; and of Kaggle's "Save & Run All", where even a terminal is only a log."""
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert isinstance(choose(True), Lines)
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setenv("KAGGLE_KERNEL_RUN_TYPE", "Batch")
    assert not is_watched(sys.stderr)
    assert isinstance(choose(True), Lines)
    monkeypatch.setenv("KAGGLE_KERNEL_RUN_TYPE", "Interactive")
    assert isinstance(choose(True), Bars)


@pytest.mark.parametrize(
    ("config", "run", "shown"),
    [
        ({"IPKernelApp": {}}, "", Bars),
        ({"IPKernelApp": {}}, "Interactive", Bars),
        ({"IPKernelApp": {}}, "Batch", Lines),
        ({"TerminalIPythonApp": {}}, "", Silent),
    ],
)
def test_nothing_given_means_to_show_it_in_notebooks_alone(config, run, shown, monkeypatch):
    shell = types.SimpleNamespace(config=config)
    ipython = types.SimpleNamespace(get_ipython=lambda: shell)
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setenv("KAGGLE_KERNEL_RUN_TYPE", run)
    assert isinstance(choose(None), shown)
    monkeypatch.delitem(sys.modules, "IPython")
    assert isinstance(choose(None), Silent)


def test_a_fact_is_shown_once_on_displays_that_have_room_for_it():
    log = Log()
    note(Lines(log), "bf16: the GPU has it")
    assert log.getvalue() == "bf16: the GPU has it\n"
    stream = io.StringIO()
    with Bars(stream).task("draw", 3, "picture"):
        note(Bars(stream), "bf16: the GPU has it")
    assert "bf16: the GPU has it\n" in stream.getvalue()
    for display in (Silent(), types.SimpleNamespace(task=None)):  # an own one, without notes
        note(display, "bf16: the GPU has it")


class Time:
    """A clock that stands still until it is set."""

    def __init__(self):
        self.seconds = 100.0

    def __call__(self):
        return self.seconds


class Log(io.StringIO):
    """Lines that were written, told of as they come."""

    def __init__(self):
        super().__init__()
        self.written = threading.Event()

    def flush(self):
        self.written.set()


def lines_of(work):
    """Let ``work(lines, pass_time)`` run, and return the lines that a log holds afterwards."""
    log, time = Log(), Time()
    lines = Lines(log, first=10, every=30, now=time)

    def pass_time(duration):
        for _ in range(duration):
            time.seconds += 1
            lines.tick()

    work(lines, pass_time)
    return log.getvalue().splitlines()


def test_a_line_says_what_how_many_how_fast_and_how_long():
    def work(lines, pass_time):
        with lines.task("generated", 300, "picture") as task:
            task.advance(100)
            task.status("as read")
            pass_time(10)

    (line, end) = lines_of(work)
    assert line == "generated: 100 of 300 pictures, 10 a second, as read, 0:10 so far, 0:20 left"
    assert end.startswith("generated: 100 of 300 pictures")


def test_the_first_line_comes_soon_and_then_one_each_half_minute():
    def work(lines, pass_time):
        with lines.task("train", 1000, "%") as task:
            for _ in range(100):
                task.advance(10)
                pass_time(1)

    assert lines_of(work)[:-1] == [
        "train: 10%, 0:10 so far, 1:30 left",
        "train: 40%, 0:40 so far, 1:00 left",
        "train: 70%, 1:10 so far, 0:30 left",
        "train: 100%, 1:40 so far",
    ]


def test_whoever_saw_work_go_on_sees_it_end():
    def work(lines, pass_time):
        with lines.task("check", 20, "picture") as task:
            task.advance(10)
            pass_time(10)
            task.advance(10)

    assert lines_of(work)[-1] == "check: 20 of 20 pictures, 2 a second, 0:10 so far"


def test_quick_work_leaves_no_line_however_often_it_comes():
    def work(lines, pass_time):
        for _ in range(20):
            with lines.task("draw", 3, "picture") as task:
                task.advance(3)
                pass_time(9)

    assert lines_of(work) == []


def test_many_short_pieces_within_a_long_one_are_told_of_as_one_long_one_would_be():
    """None of them is ever old, but the log must move all the same."""

    def work(lines, pass_time):
        with lines.task("mifid compare", None, ""):
            for number in range(40):
                with lines.task(f"{number}.zip", 2, "picture"):
                    pass_time(3)
                    lines.tick()

    lines = [line for line in lines_of(work) if "0:00" not in line]
    told = [int(line.partition(".zip")[0]) for line in lines]
    assert told[0] == 3  # after 10 s
    assert {b - a for a, b in zip(sorted(set(told)), sorted(set(told))[1:], strict=False)} == {10}


def test_work_without_steps_is_told_of_too():
    def work(lines, pass_time):
        with lines.task("mifid score", None, ""), lines.task("scores", None, ""):
            pass_time(75)

    assert lines_of(work) == [f"scores: {t} so far" for t in ("0:10", "0:40", "1:10")]


def test_a_part_is_told_of_with_what_it_is_a_part_of():
    def work(lines, pass_time):
        with lines.task("compare", 4, "submission") as outer:
            pass_time(9)
            outer.advance()
            with lines.task("1.zip", 50, "picture") as task:
                task.advance(2)
                pass_time(1)

    said = "1.zip: 2 of 50 pictures, 2 a second, 0:01 so far, 0:24 left"
    assert lines_of(work)[0] == f"{said} (1 of 4 submissions, 0:30 left)"


def test_when_the_inner_work_is_over_the_outer_is_told_of():
    def work(lines, pass_time):
        with lines.task("mifid score", None, ""):
            with lines.task("read", None, "picture") as task:
                task.advance(1234)
            pass_time(3700)

    told = lines_of(work)
    assert told[0] == "mifid score: 0:10 so far"
    assert told[-1] == "mifid score: 1:01:40 so far"


def test_bytes_are_told_of_in_megabytes():
    def work(lines, pass_time):
        with lines.task("weights", 95_000_000, "B") as task:
            task.advance(47_500_000)
            pass_time(10)

    told = lines_of(work)
    assert told[0] == "weights: 47.5 MB of 95.0 MB, 4.8 MB a second, 0:10 so far, 0:10 left"


def test_failed_work_is_not_told_as_ended():
    def work(lines, pass_time):
        with suppress(KeyboardInterrupt), lines.task("draw", 3, "picture"):
            pass_time(10)
            raise KeyboardInterrupt

    assert lines_of(work) == ["draw: 0 of 3 pictures, 0:10 so far"]


def test_lines_come_by_themselves_while_nothing_advances(monkeypatch):
    """A matrix product of ten minutes calls nobody."""
    monkeypatch.setattr("mifid.progress._TICK_SECONDS", 0.001)
    log = Log()
    with Lines(log, first=0).task("scores", None, ""):
        assert log.written.wait(60)
    assert log.getvalue().startswith("scores: 0:0")


def test_lines_go_to_stderr_as_it_is_when_they_are_due(capsys):
    with Lines(first=0).task("draw", 3, "picture") as task:
        task.advance()
    lines = Lines(first=0)
    with lines.task("draw", 3, "picture"):
        lines.tick()
    captured = capsys.readouterr()
    assert captured.err.splitlines()[0] == "draw: 0 of 3 pictures, 0:00 so far"
    assert captured.out == ""


class Broken(io.StringIO):
    def write(self, text):
        raise BrokenPipeError(text)


def closed():
    stream = io.StringIO()
    stream.close()
    return stream


@pytest.mark.parametrize("stream", [None, Broken(), closed()])
def test_what_the_stream_does_not_take_ends_no_work(stream, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stderr", stream)
    lines = Lines(first=0)
    with lines.task("draw", 3, "picture") as task:
        lines.tick()
        task.advance()
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("stream", [None, io.StringIO(), closed()])
def test_what_nobody_looks_at_is_no_terminal(stream):
    assert not is_watched(stream)


def test_a_bar_of_work_without_steps_shows_the_time():
    stream = io.StringIO()
    with Bars(stream).task("scores", None, ""):
        pass
    assert "scores: 00:00" in stream.getvalue()
