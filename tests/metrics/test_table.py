"""Every entry of the table of metrics behaves like a metric."""

import inspect
from pathlib import Path

import numpy as np
import pytest

from mifid.errors import FeatureError, UnavailableError
from mifid.metrics import CORE, GROUPS, METRICS
from mifid.metrics.base import Metric, rows_of
from mifid.metrics.kernel import kernel_distance

SIDES = {"generated": 60, "reference": 40, "training": 45, "held_out": 50}


def arrays(metric, random, **rows):
    sizes = SIDES | rows
    own = [need for need in metric.needs if need != "logits"]
    given = {need: random.rand(sizes[need.removesuffix("_spatial")], 5) for need in own}
    if "logits" in metric.needs:
        given["logits"] = random.randn(sizes["generated"], 7)
    return given


@pytest.mark.parametrize("name", METRICS)
def test_conforms(name, random):
    metric = METRICS[name]
    assert isinstance(metric, Metric)
    assert metric.name == name
    assert metric.title
    assert metric.better
    assert metric.source
    parameters = inspect.signature(metric.function).parameters
    assert all(p.kind is inspect.Parameter.KEYWORD_ONLY for p in parameters.values())
    assert set(metric.needs) <= set(parameters)
    for key, value in metric.settings.items():
        assert parameters[key].default == value, key
    given = arrays(metric, random)
    before = {key: value.copy() for key, value in given.items()}
    values = metric.function(**given, **metric.settings)
    assert list(values) == list(metric.values)
    for key, value in values.items():
        assert type(value) is float, key
        assert np.isfinite(value), key
    for key, value in given.items():
        assert (value == before[key]).all(), key  # arguments are never changed
    assert metric.function(**given, **metric.settings) == values  # the same on every run


@pytest.mark.parametrize("name", [name for name in METRICS if "seed" not in METRICS[name].settings])
def test_the_order_of_pictures_does_not_matter(name, random):
    metric = METRICS[name]
    given = arrays(metric, random)
    values = metric.function(**given)
    turned = metric.function(**{key: value[::-1] for key, value in given.items()})
    assert turned == pytest.approx(values, rel=1e-6)


@pytest.mark.parametrize(
    "name", [name for name in METRICS if name not in (*CORE, "sfid", "vendi", "cmmd")]
)
def test_too_few_pictures_is_told(name, random):
    metric = METRICS[name]
    with pytest.raises(UnavailableError, match=r"\d"):
        metric.function(**arrays(metric, random, **dict.fromkeys(SIDES, 1)))


@pytest.mark.parametrize("name", METRICS)
def test_what_a_metric_sees_is_what_was_measured(name):
    page = (Path(__file__).parents[2] / "docs" / "meaning.md").read_text(encoding="utf-8")
    metric = METRICS[name]
    assert bool(metric.sees) == bool(metric.misses)
    if metric.sees:
        assert f"| `{name}` | {metric.sees} | {metric.misses} |" in page


def test_groups_name_metrics():
    for members in GROUPS.values():
        assert set(members) <= set(METRICS)


class Parts:
    """Features in parts, as a feature store has them."""

    def __init__(self, features, ends):
        self.parts = np.split(features, ends)

    def __len__(self):
        return sum(map(len, self.parts))

    def row_blocks(self):
        yield from self.parts


@pytest.mark.parametrize("width", [5, 80])  # C_T projects on 64 axes
@pytest.mark.parametrize(
    "name", [name for name in METRICS if METRICS[name].blocks and name not in ("fid", "mifid")]
)
def test_blocks_of_generated_pictures_give_what_all_at_once_give(name, width, random, monkeypatch):
    # FID, and so MiFID, takes the moments of all blocks instead.
    monkeypatch.setattr("mifid.metrics.mind._PASS_BYTES", 8 * 1000 * 100)
    metric = METRICS[name]
    sides = {need: random.standard_normal((90, width)) for need in metric.needs}
    settings = {"subsets": 4, "subset_size": 20} if name == "kid" else {}
    parts = Parts(sides["generated"], [7, 8, 20])
    found = metric.function(**{**sides, "generated": parts}, **settings)
    assert found == pytest.approx(dict(metric.function(**sides, **settings)), rel=1e-11)


def test_kid_of_blocks_holds_the_rows_of_its_subsets(random):
    sides = {side: random.standard_normal((200, 6)) for side in ("generated", "reference")}
    parts = Parts(sides["generated"], [50, 100])
    for settings in ({"subsets": 2, "subset_size": 9}, {"subsets": None}):
        found = kernel_distance(**{**sides, "generated": parts}, **settings)
        assert found == pytest.approx(kernel_distance(**sides, **settings), rel=1e-12)
    held = rows_of(parts, np.array([0, 49, 50, 199]))
    np.testing.assert_array_equal(held, sides["generated"][[0, 49, 50, 199]])


def test_an_array_of_another_library_that_has_blocks_is_an_array(random):
    class Chunked(list):
        """As dask's arrays: with a length, rows, and an attribute ``blocks``."""

        blocks = ()

    sides = {side: random.standard_normal((30, 4)) for side in ("generated", "reference")}
    given = sides | {"generated": Chunked(sides["generated"])}
    assert kernel_distance(**given, subsets=None) == kernel_distance(**sides, subsets=None)


@pytest.mark.parametrize("name", ["kid", "mind", "ct"])
def test_blocks_of_another_width_or_too_few_rows_are_refused(name, random):
    metric = METRICS[name]
    sides = {need: random.standard_normal((90, 5)) for need in metric.needs}
    wide = Parts(random.standard_normal((90, 6)), [40])
    with pytest.raises(FeatureError, match="generated features have width 6"):
        metric.function(**{**sides, "generated": wide})
    with pytest.raises(UnavailableError, match=r"at least \d+ generated pictures are needed"):
        metric.function(**{**sides, "generated": Parts(random.standard_normal((1, 5)), [])})
