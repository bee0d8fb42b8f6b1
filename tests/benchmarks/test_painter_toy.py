"""The training of the painter that comes with mifid: a few steps of small crops."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import painter
from mifid.demo import landscape
from mifid.painting import open_painter

TERMS = {
    "projected": {"content", "projected"},
    "style": {"content", "style"},
    "projected-style": {"content", "projected", "style"},
    "patch": {"content", "patch", "identity"},
    "projected-patch": {"content", "projected", "patch"},
}


@pytest.fixture
def training(monkeypatch):
    """Return a training by a recipe; all but the first step of it teach to paint."""
    for name, value in {"CROP": 64, "BATCH": 2, "WARM": 1, "STYLES": 2}.items():
        monkeypatch.setattr(painter, name, value)
    pictures = np.stack([landscape(np.random.RandomState(seed), 96) for seed in range(4)])

    def begin(recipe):
        torch.manual_seed(0)
        return painter.Training(painter.RECIPES[recipe], pictures[:2], pictures[2:])

    return begin


@pytest.mark.parametrize("recipe", painter.RECIPES)
def test_each_term_of_a_recipe_teaches(recipe, training):
    one = training(recipe)
    assert set(one.advance(0)) == {"copy"}
    before = [each.clone() for each in one.generator.parameters()]
    losses = one.advance(0.5)
    assert set(losses) == TERMS[recipe]
    assert all(math.isfinite(loss) and loss != 0 for loss in losses.values())
    pairs = zip(before, one.generator.parameters(), strict=True)
    assert any(not torch.equal(old, new) for old, new in pairs)


def test_a_training_goes_on_as_if_it_had_not_been_interrupted(training, tmp_path):
    one, other = training("projected-patch"), training("projected-patch")
    for _ in range(2):
        one.advance(0)
    torch.save(one.state(), tmp_path / "state.pt")
    other.restore(torch.load(tmp_path / "state.pt", weights_only=True))
    torch.set_rng_state(one.state()["random"])
    first = one.advance(0)
    other.restore(torch.load(tmp_path / "state.pt", weights_only=True))
    assert other.advance(0) == pytest.approx(first, rel=1e-4)
    painter.write(other, Path(tmp_path / "painter.safetensors"), "a toy")
    assert open_painter(tmp_path / "painter.safetensors").facts["step"] == 3
