"""Which network chooses among snapshots, and which one scores the submission."""

from types import SimpleNamespace

import pytest

from mifid import extractors
from mifid.baseline import scorer, training
from mifid.baseline.config import Config, Inputs, override
from mifid.errors import MifidWarning


def scorers(monkeypatch, *, inputs, found, extractor=None, config=None):
    """Return (network, weights, epsilon) of both scorers; none is loaded."""
    monkeypatch.setattr(scorer, "ReferenceScorer", lambda paintings, **given: given)
    monkeypatch.setattr(extractors, "find", lambda weights: found, raising=False)
    run = SimpleNamespace(inputs=inputs, config=config or Config(), device="cpu", progress=None)
    made = training._scorers(run, extractor, backend="auto", workers=None, skip=False)
    return [(one["extractor"], one["weights"], one["epsilon"]) for one in made]


def test_by_default_lite0_chooses_and_inception_scores_the_submission(monkeypatch):
    made = scorers(monkeypatch, inputs=Inputs(monets="m"), found="here")
    assert made == [("lite0", None, None), ("inception", None, None)]
    own = Inputs(monets="m", weights="w.pth", epsilon=0.2)
    made = scorers(monkeypatch, inputs=own, found="here")
    assert made == [("lite0", None, 0.2), ("inception", "w.pth", 0.2)]


def test_without_inceptions_weights_lite0_scores_the_submission_and_says_so(monkeypatch):
    with pytest.warns(MifidWarning, match=r"lite0, which is not Kaggle's number.*weights fetch"):
        made = scorers(monkeypatch, inputs=Inputs(monets="m"), found=None)
    assert made == [("lite0", None, None)] * 2


def test_snapshots_can_be_chosen_by_inception(monkeypatch):
    config = override(Config(), "score.extractor=inception")
    made = scorers(monkeypatch, inputs=Inputs(monets="m"), found="here", config=config)
    assert made == [("inception", None, None)] * 2


@pytest.mark.parametrize("in_file", [False, True])
def test_a_named_network_scores_all(in_file, monkeypatch):
    inputs = Inputs(monets="m", extractor="inception-random" if in_file else "", weights="w")
    named = None if in_file else "inception-random"
    made = scorers(monkeypatch, inputs=inputs, found="here", extractor=named)
    assert made == [("inception-random", "w", None)] * 2
