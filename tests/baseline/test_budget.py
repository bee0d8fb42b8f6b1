"""Time budgets, by a clock that the tests wind: what is promised is kept, or refused before."""

import io
import json
import math
import re
from dataclasses import replace
from functools import partial
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small import changed
from toys import colours, drawn, write_pictures

import mifid.baseline.page
import mifid.baseline.scorer
import mifid.baseline.training as training_module
from mifid.baseline.data.batches import Feed
from mifid.baseline.gan.cyclegan import CycleGan
from mifid.baseline.generation.painter import Painter
from mifid.baseline.presets import PRESETS, preset
from mifid.baseline.run import loop, preflight, preparation, run, snapshots
from mifid.baseline.run.budget import (
    LEAST_STEPS,
    SMALLEST,
    Costs,
    Scorings,
    check_budget,
    length_note,
    plan_scorings,
)
from mifid.baseline.run.clock import Clock
from mifid.baseline.run.records import read_metrics
from mifid.errors import InputError, MifidWarning
from mifid.progress import Lines
from mifid.submission.writer import MONET

pytestmark = pytest.mark.usefixtures("undrawn")

RULES = replace(MONET, competition="a toy", at_least=12, at_most=12, size=(16, 16))


class Wound:
    """Stands for the module ``time``: it passes only where a test lets it."""

    def __init__(self):
        self.seconds = 5000.0
        self.spent = {}
        self.tick = lambda: None

    def monotonic(self):
        return self.seconds

    perf_counter = monotonic

    def strftime(self, _format):
        return "2026-01-01 00:00"

    def costs(self, what, seconds):
        self.seconds += seconds
        self.spent[what] = self.spent.get(what, 0.0) + seconds
        self.tick()


@pytest.fixture
def train(tmp_path, monkeypatch):
    """Train on toys with given costs: seconds of a step, of painting and scoring a picture."""
    write_pictures(tmp_path / "photos", drawn("photo", 12))
    write_pictures(tmp_path / "monets", drawn("painting", 4, seed=100))
    write_pictures(tmp_path / "held_out", drawn("painting", 4, seed=200))
    for name in ("plot_losses", "plot_scores"):
        monkeypatch.setattr(snapshots, name, lambda *_, **__: None)
    monkeypatch.setattr(mifid.baseline.page, "show_run", lambda *_, **__: None)
    clock = Wound()
    for module in (loop, preflight, preparation, training_module):
        monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(run, "Clock", partial(Clock, now=clock.monotonic))
    costs = {"step": 0.0, "paint": 0.0, "scoring": 0.0, "score": 0.0}

    def winding(owner, name, what, number):
        real = getattr(owner, name)

        def wound(*arguments, **options):
            clock.costs(what, costs[what] * number(arguments))
            return real(*arguments, **options)

        monkeypatch.setattr(owner, name, wound)

    # Nothing is learnt: only what it costs counts here.
    losses = torch.ones(len(CycleGan.losses))
    monkeypatch.setattr(Feed, "next", lambda *_: (None, None))
    monkeypatch.setattr(CycleGan, "step", lambda *_, **__: losses)
    winding(CycleGan, "step", "step", lambda _: 1)
    winding(Painter, "paint", "paint", lambda arguments: len(arguments[1]))
    winding(mifid.baseline.scorer.ReferenceScorer, "__call__", "scoring", lambda _: 1)

    def extractor(batch):
        clock.costs("score", costs["score"] * len(batch))
        return colours(batch)

    def begin(
        budget,
        out="run",
        *,
        points=3,
        score=True,
        resume=False,
        config=None,
        progress=None,
        anyway=False,
        **given,
    ):
        costs.update(given)
        config = config or changed(
            training={"steps": 0, "budget": budget, "log_steps": 1, "ema": 0.0},
            score={"points": points},
        )
        places = tmp_path / "photos", tmp_path / "monets", tmp_path / out
        began = clock.seconds
        trained = training_module.train_baseline(
            *places,
            config=config,
            held_out=tmp_path / "held_out" if score else None,
            extractor=extractor if score else None,
            score=score,
            resume=resume,
            anyway=anyway,
            rules=RULES,
            progress=progress,
        )
        return trained, clock.seconds - began

    begin.clock = clock
    begin.folder = tmp_path / "run"
    return begin


def lines(folder, kind):
    return [row for row in read_metrics(folder) if row["kind"] == kind]


def test_a_run_ends_in_time_and_every_step_trains(train):
    trained, seconds = train("300s", step=1.0, paint=0.01, score=0.01)
    assert seconds <= 300
    assert trained.step >= 250  # and the time is used
    assert trained.check.findings
    rows = lines(train.folder, "train")
    assert len(rows) == trained.step
    assert all(row["rate"] > 0 for row in rows)
    assert (
        rows[0]["rate"] == 2e-4
    )  # a schedule begins at its beginning, however long preparing took
    assert rows[-1]["rate"] < 0.05 * 2e-4  # and follows the time to its end
    assert rows[-1]["fraction"] == 1


def test_a_log_grows_by_a_line_a_minute_that_says_how_the_training_goes(train):
    log = io.StringIO()
    lines = Lines(log, now=train.clock.monotonic)
    train.clock.tick = lines.tick
    train("10m", step=1.0, scoring=0.1, points=2, progress=lines)
    training = [line for line in log.getvalue().splitlines() if line.startswith("train:")]
    times = [line.partition(" so far")[0].rpartition(", ")[2].split(":") for line in training]
    seconds = [60 * int(minutes) + int(rest) for minutes, rest in times]
    assert seconds[0] <= 60
    assert all(later - earlier <= 60 for earlier, later in pairwise(seconds))
    # A batch of two takes a second; all losses are 1, those of each side are added up.
    said = r"train: \d+%, step \d+ G 2\.000 cycle 2\.000 D 2\.000 2 pairs/s( mifid \S+)?, .* left"
    found = [re.fullmatch(said, line) for line in training[:-1]]
    assert all(found)
    assert [bool(one[1]) for one in found] == [False] * 10 + [True] * 10  # scored half-way


def test_a_budget_that_preparing_has_used_up_is_refused_before_anything_is_measured(
    train, monkeypatch
):
    devices = training_module.choose
    monkeypatch.setattr(
        training_module, "choose", lambda given: (train.clock.costs("open", 30), devices(given))[1]
    )
    with pytest.raises(InputError, match=r"budget of 10 s .* preparing the pictures alone took 30"):
        train("10s", step=1.0)
    assert "step" not in train.clock.spent
    assert not train.folder.exists()


def test_what_preparing_takes_is_of_the_budget_and_not_of_the_schedule(train, monkeypatch):
    real = run.prepare

    def slow(*arguments, **options):
        train.clock.seconds += 250
        return real(*arguments, **options)

    monkeypatch.setattr(run, "prepare", slow)
    trained, seconds = train("500s", step=1.0, score=False)
    assert seconds <= 500
    assert LEAST_STEPS <= trained.step < 250
    assert lines(train.folder, "train")[0]["rate"] == 2e-4


@pytest.mark.parametrize("score", [0.02, 0.2, 0.5])
def test_scoring_before_the_submission_takes_at_most_a_tenth(score, train, recwarn):
    train("400s", step=1.0, score=score, points=20)
    spent = dict(train.clock.spent)
    submitted = 12 + 12 + 4 + 4  # of images.zip; of the references, which are read first
    assert spent["score"] - submitted * score <= 40
    told = [str(w.message) for w in recwarn if "a tenth of 400s" in str(w.message)]
    times = len({row["step"] for row in lines(train.folder, "score") if row["step"]})
    assert bool(told) == (times < 20)


def test_a_score_that_takes_longer_than_the_tenth_is_left_out_and_told_of(train):
    with pytest.warns(MifidWarning, match="no snapshot is scored"):
        trained, seconds = train("300s", step=1.0, scoring=12.0)
    assert seconds <= 300
    assert lines(train.folder, "score") == []
    assert trained.best.step == trained.step  # the last
    assert trained.report.fid > 0  # the submission has its score all the same


def test_scoring_that_becomes_slow_is_done_less_often(train, monkeypatch):
    real = mifid.baseline.scorer.ReferenceScorer.__call__
    calls = []

    def slower(self, pictures):
        calls.append(1)
        if len(calls) > 5:  # after all was measured
            train.clock.costs("slow", 10.0)
        return real(self, pictures)

    monkeypatch.setattr(mifid.baseline.scorer.ReferenceScorer, "__call__", slower)
    with pytest.warns(MifidWarning, match="less often than planned"):
        train("400s", step=1.0, score=0.01, points=10)
    assert len({row["step"] for row in lines(train.folder, "score") if row["step"]}) < 10


def test_a_budget_too_short_is_refused_with_the_arithmetic_before_anything_is_written(train):
    with pytest.raises(InputError) as refused:
        train("180s", step=8.2, paint=0.1, score=0.1)
    text = refused.value.message
    assert "a budget of 3 min is too short here" in text
    assert "a step takes 8 s" in text
    assert "(0.244 pairs/s)" in text  # a batch of two in 8.2 s
    assert "fewer than 200 steps nothing is learnt" in text
    steps, pairs = map(int, re.search(r"so (\d+) steps, (\d+) pairs, fit", text).groups())
    assert 15 <= steps <= 20  # (180 - 2 * 8.2 - painting and scoring) / 8.2
    assert pairs == 2 * steps
    minutes = int(re.search(r"training\.budget=(\d+)m", refused.value.hint)[1])
    assert 1640 / 0.9 < 60 * minutes < 2400
    assert "preset='tiny'" in refused.value.hint
    assert "anyway=True" in refused.value.hint
    assert not train.folder.exists()
    trained, seconds = train(f"{minutes}m", out="longer", step=8.2, paint=0.1, score=0.1)
    assert trained.step >= 200  # what is advised suffices
    assert seconds <= 60 * minutes
    trained, seconds = train("180s", step=8.2, paint=0.1, score=0.1, anyway=True)
    assert 15 <= trained.step <= 20
    assert seconds <= 180


def test_how_far_a_run_will_come_is_shown_before_the_first_step(train):
    def shown(*length, config=None, **given):
        log = io.StringIO()
        progress = Lines(log, now=train.clock.monotonic)
        train(*length, config=config, progress=progress, step=0.5, score=False, **given)
        return log.getvalue().splitlines()[0]

    of_budget = shown("200s")
    said = r"A budget of 200s leaves (\d) min (\d+) s .*at 4 pairs/s .* (\d+) steps, (\d+) pairs\."
    found = re.fullmatch(said, of_budget)
    minutes, seconds, steps, pairs = map(int, found.groups())
    assert abs(steps - 2 * (60 * minutes + seconds)) <= 2  # seconds are rounded
    assert pairs == 2 * steps
    both = changed(training={"steps": 210, "budget": "1h", "ema": 0.0, "log_steps": 50})
    wanted = (
        "210 steps, 420 pairs, take about 1 min 45 s at 4 pairs/s, without scoring and painting."
    )
    assert shown("", "steps", config=both) == wanted
    alone = changed(training={"steps": 210, "ema": 0.0, "log_steps": 50})
    assert shown("", "alone", config=alone) == wanted


def test_the_pairs_that_the_preset_wants_stand_beside_those_that_fit():
    given = {"preset": "kaggle-5h", "step": 4 / 9.8, "wanted": 220_000}
    config = changed(training={"budget": "5h", "batch": 4})
    said = length_note(config, steps=55_000, left=5 * 3600, **given)
    assert "at 9.8 pairs/s" in said
    assert "44,100 steps, 176,400 of the 220,000 pairs of kaggle-5h" in said
    said = length_note(config, steps=55_000, left=10 * 3600, **given)
    assert "55,000 steps, 220,000 of the 220,000 pairs of kaggle-5h" in said
    assert "6 h 14 min" in said
    with pytest.raises(InputError, match=r"\d+ of the 220,000 pairs of kaggle-5h, fit"):
        asked("3m", step=5.0, wanted=220_000)


def test_the_memory_of_a_gpu_is_measured_in_the_trial(monkeypatch):
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda _: None)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (14_000_000_000, 16_000_000_000))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda _: 500_000_000)
    monkeypatch.setattr(torch.cuda, "max_memory_reserved", lambda _: 6_100_000_000)
    monkeypatch.setattr(preflight, "_second_step", lambda parts: 0.25 if parts == "parts" else 0)
    trial = preflight.try_training(lambda: "parts", torch.device("cuda"))
    assert trial == preflight.Trial(0.25, 6_100_000_000, 14_500_000_000)
    said = preflight.memory_note(trial)
    assert "6.1 GB of the 14.5 GB" in said
    with pytest.warns(MifidWarning, match=r"13\.5 GB of the 14\.5 GB .* lower training\.batch"):
        preflight.memory_note(replace(trial, memory=13_500_000_000))
    trial = preflight.try_training(lambda: "parts", torch.device("cpu"))
    assert trial == preflight.Trial(0.25)
    assert preflight.memory_note(trial) == ""  # nothing is invented


def test_large_networks_say_what_they_need_before_they_are_built(monkeypatch):
    """670.8 million weights, each with its gradient and Adam's two moments."""
    free = {"cpu": 12_000_000_000}
    monkeypatch.setattr(preflight, "available_memory", lambda: free["cpu"])
    full, cpu = PRESETS["ugatit-full"].config, torch.device("cpu")
    said = preflight.weights_note(full, cpu)
    assert "670.8 million weights" in said
    assert "10.7 GB of memory" in said
    assert said.endswith("12.0 GB are free")
    free["cpu"] = 8_000_000_000
    with pytest.warns(MifidWarning, match=r"8\.0 GB are free.*generator\.network=.?ugatit"):
        preflight.weights_note(full, cpu)
    free["cpu"] = None
    assert "free" not in preflight.weights_note(full, cpu)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (9_000_000_000, 16_000_000_000))
    with pytest.warns(MifidWarning, match=r"9\.0 GB are free"):
        preflight.weights_note(full, torch.device("cuda"))
    for name in ("ugatit", "kaggle-5h", "derunets-dcgan"):
        assert preflight.weights_note(PRESETS[name].config, cpu) == ""


@pytest.mark.parametrize("painting", ["worse", "better"])
def test_a_run_that_made_things_worse_says_so_first(painting, train, monkeypatch):
    values = iter([40.0, 9.95] if painting == "worse" else [14.0, 19.95])
    last = []

    def scored(_self, pictures):
        for _ in pictures:
            pass
        last.append(next(values, 14.0))
        return {"mifid": last[-1], "fid": last[-1]}

    monkeypatch.setattr(mifid.baseline.scorer.ReferenceScorer, "__call__", scored)
    config = changed(training={"steps": 2, "ema": 0.0}, score={"points": 1})
    trained, _ = train("", config=config)
    if painting == "better":
        assert trained.worse == ""
        return
    assert "mifid 14, the same photos unpainted have 9.95" in trained.worse
    assert "Train longer" in trained.worse
    assert trained.report.warnings[0] == trained.worse
    saved = json.loads((train.folder / "score.json").read_text(encoding="utf-8"))
    assert saved["warnings"][0] == trained.worse


def test_a_budget_is_too_short_before_scores_are_tried(train):
    with pytest.raises(InputError, match="too short here"):
        train("180s", step=8.2, scoring=100.0)
    assert "scoring" not in train.clock.spent


def test_a_run_that_goes_on_keeps_to_its_budget(train, monkeypatch):
    """It was stopped half-way, and preparing to go on takes most of the rest."""
    import signal

    real = loop.Trainer._step

    def stopped(self):
        if self.step == 90:
            signal.raise_signal(signal.SIGTERM)
        return real(self)

    costs = {"step": 1.0, "paint": 0.01, "score": 0.01}
    with monkeypatch.context() as patch:
        patch.setattr(loop.Trainer, "_step", stopped)
        first, before = train("300s", **costs)
    assert first.interrupted is signal.SIGTERM
    trained, after = train("300s", resume=True, **costs)
    assert before + after <= 300
    assert trained.step > 120
    # The third time nothing of the time is left: what was trained is scored and painted with.
    with monkeypatch.context() as patch:
        patch.setattr(loop.Trainer, "_step", stopped)
        train("300s", out="other", **costs)
    train.clock.seconds += 0
    prepare = run.prepare

    def slow(*arguments, **options):
        train.clock.seconds += 300
        return prepare(*arguments, **options)

    monkeypatch.setattr(run, "prepare", slow)
    late, _ = train("300s", out="other", resume=True, **costs)
    assert late.step == 91
    assert late.best is not None
    assert late.check.findings


CONFIG = changed(score={"points": 20})


def test_a_finished_run_gets_a_longer_budget(train):
    costs = {"step": 1.0, "paint": 0.01, "score": 0.01}
    first, _ = train("300s", **costs)
    before = lines(train.folder, "train")
    with pytest.warns(MifidWarning, match="goes on .* with another length, of which") as told:
        longer, seconds = train("600s", resume=True, **costs)
    said = next(str(w.message) for w in told if "another length" in str(w.message))
    after = lines(train.folder, "train")[len(before) :]
    assert longer.trained_steps == len(after)
    assert 530 <= longer.step <= 600
    assert seconds <= 600 - first.step
    over = float(re.search(r"of which (\d+)%", said)[1]) / 100
    assert abs(after[0]["fraction"] - over) < 0.02  # what is said is what is done
    assert abs(after[0]["fraction"] - first.step / longer.step) < 0.05
    assert [row["fraction"] for row in after] == sorted(row["fraction"] for row in after)
    # The schedule follows: constant up to a half, then down, as in a run of this length.
    for row in after:
        wanted = min(1.0, 2 * (1 - row["fraction"]))
        assert abs(row["rate"] / 2e-4 - wanted) < 0.02


@pytest.mark.parametrize(
    ("budget", "costs", "times", "photos"),
    [
        (None, Costs(score=100.0), 20, 512),  # without a budget: as asked
        (18_000, Costs(score=0.01, paint=0.01), 20, 512),  # 5 h: 1,800 s for 20 x 2 x 10 s
        (3_600, Costs(score=0.01, paint=0.01), 17, 512),  # 360 s less the photos' 5 s, by 20.48 s
        (600, Costs(score=0.01, paint=0.01), 5, 256),  # fewer photos rather than one or two times
        (60, Costs(score=0.01, paint=0.01), 4, 32),
        (30, Costs(score=0.01, paint=0.01), 2, 32),
        (10, Costs(score=0.01, paint=0.01), 20, 0),  # 1 s: none, only sample pictures
        (600, Costs(scoring=10.0), 2, 32),  # the matrices take most: 20 s a time and 10 s before
    ],
)
def test_scorings_become_fewer_then_smaller_then_none(budget, costs, times, photos):
    planned = plan_scorings(CONFIG, costs, budget=budget, held_back=512, kinds=2)
    assert (planned.points, planned.photos) == (times, photos)


@given(
    budget=st.floats(1, 1e6),
    costs=st.builds(
        Costs, paint=st.floats(0, 10), score=st.floats(0, 10), scoring=st.floats(0, 100)
    ),
    held_back=st.integers(0, 2000),
    kinds=st.sampled_from([1, 2]),
    tried=st.floats(0, 100),
)
def test_planned_scorings_fit_into_a_tenth(budget, costs, held_back, kinds, tried):
    planned = plan_scorings(
        CONFIG, costs, budget=budget, held_back=held_back, kinds=kinds, tried=tried
    )
    assert planned.photos <= held_back
    assert planned.points <= 20
    if planned.photos:
        seconds = costs.scored(planned.photos)
        seconds += planned.points * costs.snapshot(planned.photos, kinds=kinds)
        assert tried + seconds <= 0.1 * budget * (1 + 1e-9)


def asked(
    budget,
    *,
    step,
    elapsed=10.0,
    submission=300,
    photos=64,
    steps=None,
    of_preset="kaggle-5h",
    wanted=0,
    anyway=False,
    **training,
):
    config = changed(training={"budget": budget, **training}, data={"size": 256})
    return check_budget(
        config,
        preset=of_preset,
        elapsed=elapsed,
        costs=Costs(paint=0.1, score=0.1, step=step),
        scorings=Scorings(2, photos, 60.0),
        submission=submission,
        steps=steps,
        kinds=2,
        wanted=wanted,
        anyway=anyway,
    )


def test_the_least_that_is_needed_is_200_steps_or_the_whole_run():
    asked("10m", step=1.0)
    with pytest.raises(InputError, match="fewer than 200 steps nothing"):
        asked("10m", step=3.0)
    asked("10m", step=3.0, anyway=True)
    asked("10m", step=6.0, steps=20)  # --steps 20: so few were asked for
    with pytest.raises(InputError, match="fewer than 700 steps nothing"):
        asked("10m", step=1.0, pretrain=500)  # what comes first teaches to copy


def test_what_is_advised_is_less_than_there_is():
    with pytest.raises(InputError) as refused:
        asked("3m", step=5.0)
    hint = refused.value.hint
    assert "settings=['data.size=128']" in hint
    assert "settings=['training.submission=150']" in hint
    assert "settings=['data.held_back=32']" in hint
    assert "score=False" in hint
    with pytest.raises(InputError) as refused:
        asked("3m", step=5.0, submission=10, photos=0)
    assert "submission" not in refused.value.hint
    assert "score" not in refused.value.hint


def test_the_smallest_preset_is_advised_only_to_who_has_another():
    with pytest.raises(InputError) as refused:
        asked("3m", step=5.0)
    assert "To see only whether it works: preset='tiny'." in refused.value.hint
    with pytest.raises(InputError) as refused:
        asked("3m", step=5.0, of_preset=SMALLEST)
    assert "To see only whether it works: leave out training.budget." in refused.value.hint
    steps = {name: preset(name).config.training.steps or math.inf for name in PRESETS}
    assert min(steps, key=steps.__getitem__) == SMALLEST


def test_without_a_budget_nothing_is_refused():
    asked("", step=1e9)
