"""mifid metrics: what can be asked for, with which direction, source and needs."""

import json

import pytest

from mifid.evaluation.evaluation import check_metrics
from mifid.metrics import GROUPS, METRICS


def squeezed(text):
    """Without blanks: the table breaks lines between any two words."""
    return "".join(text.split())


@pytest.fixture
def listed(run):
    """name -> its rows of the table, columns joined."""
    result = run("metrics")
    assert result.exit_code == 0
    assert result.stderr == ""
    found, name = {}, None
    for line in result.stdout.splitlines():
        if line.startswith(" ") and line[1:2].strip():  # the first column is filled
            name = line.split()[0]
        if name is not None:
            found.setdefault(name, []).append(line)
    return found


def test_every_measure_has_its_rows_in_the_tables_order(listed):
    assert [name for name in listed if name in METRICS] == list(METRICS)
    for name in METRICS:
        first = listed[name][0]
        assert METRICS[name].title.split()[0] in first
        assert METRICS[name].better.split()[0] in first
        rows = squeezed(" ".join(listed[name]))
        for word in METRICS[name].needs:
            assert word.split("_")[0] in rows


def test_groups_can_be_asked_for(run):
    lines = run("metrics").stdout.splitlines()
    groups = dict(line.split(": ") for line in lines if line.split(": ")[0] in GROUPS)
    assert set(groups) == set(GROUPS)
    for name, members in groups.items():
        assert check_metrics([name], 0.1) == set(members.split(", "))


def test_json_holds_all_that_is_known_of_each(run):
    result = run("metrics", "--json")
    assert result.exit_code == 0
    assert result.stderr == ""
    found = json.loads(result.stdout)
    assert [row["name"] for row in found] == list(METRICS)
    for row in found:
        metric = METRICS[row["name"]]
        assert row["title"] == metric.title
        assert row["better"] == {value: metric.direction(value) for value in metric.values}
        assert row["source"] == metric.source
        assert row["remark"] == metric.remark
        assert (row["sees"], row["misses"]) == (metric.sees, metric.misses)
        assert row["values"] == dict(metric.values)
        assert row["needs"] == list(metric.needs)
        # What a score is computed with: its seed is one for all measures.
        seeded = {"seed": 2020} if "seed" in metric.settings else {}
        assert row["settings"] == {**metric.settings, **seeded}
    by_name = {row["name"]: row for row in found}
    assert by_name["pr"]["settings"]["k"] == 3
    assert by_name["dc"]["settings"]["k"] == 5


@pytest.mark.parametrize("name", list(METRICS))
def test_all_of_one(name, run):
    result = run("metrics", name)
    assert result.exit_code == 0
    told, metric = squeezed(result.stdout), METRICS[name]
    cells = (metric.title, metric.better, metric.source, metric.remark, *metric.values)
    for cell in (*cells, metric.sees or "not measured", metric.misses):
        assert squeezed(cell) in told
    for key, value in metric.settings.items():
        # What a score is computed with: its seed is one for all measures.
        assert squeezed(f"{key} {2020 if key == 'seed' else value}") in told
    assert json.loads(run("metrics", name, "--json").stdout)["name"] == name


def test_an_unknown_one_is_told_with_the_nearest(failure):
    message = failure("metrics", "kdi")
    assert "unknown metric 'kdi'" in message
    assert "Did you mean 'kid'?" in message
