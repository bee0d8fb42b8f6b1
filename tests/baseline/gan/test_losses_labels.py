"""Ranges, rates, and that nothing is drawn in vain."""

import pytest
import torch

from mifid.baseline.config.schema import Loss
from mifid.baseline.data.random_numbers import Draws
from mifid.baseline.gan.losses import draw_labels

MANY = torch.empty(4000, 1)


class NoDraws:
    def __getattr__(self, name):
        raise AssertionError(f"drew {name}")


@pytest.mark.parametrize("name", ["lsgan", "hinge"])
def test_plain_labels_draw_nothing(name):
    noise = 0.3 if name == "hinge" else 0.0
    loss = Loss(adversarial=name, real_label=0.9, fake_label=0.1, label_noise=noise)
    real, fake = draw_labels(loss, NoDraws(), torch.empty(3, 7))
    assert real.shape == fake.shape == (3, 1, 1, 1)
    assert real.dtype == fake.dtype == torch.float32
    assert torch.equal(real.flatten(), torch.full((3,), 0.9))
    assert torch.equal(fake.flatten(), torch.full((3,), 0.1))


def test_noise_goes_inwards_and_fills_its_range():
    loss = Loss(real_label=1.0, fake_label=0.0, label_noise=0.1)
    real, fake = draw_labels(loss, Draws(0), MANY)
    assert real.shape == fake.shape == (4000, 1, 1, 1)
    assert 0.9 <= real.min() < 0.901
    assert 0.999 < real.max() <= 1
    assert 0 <= fake.min() < 0.001
    assert 0.099 < fake.max() <= 0.1
    assert real.mean().item() == pytest.approx(0.95, abs=0.003)  # 6 deviations of the mean
    together = torch.corrcoef(torch.stack([real.flatten(), fake.flatten()]))
    assert abs(together[0, 1]) < 0.1


def test_flips_exchange_a_pairs_labels_at_their_rate():
    real, fake = draw_labels(Loss(flip=0.25), Draws(1), MANY)
    assert torch.equal(real + fake, torch.ones_like(real))
    assert fake.mean().item() == pytest.approx(0.25, abs=0.042)


def test_flipped_labels_keep_their_noise():
    real, fake = (
        label.flatten() for label in draw_labels(Loss(flip=0.5, label_noise=0.1), Draws(2), MANY)
    )
    flipped = real < fake
    assert 0.4 < flipped.float().mean() < 0.6
    assert real[flipped].max() <= 0.1
    assert fake[flipped].min() >= 0.9
    assert real[~flipped].min() >= 0.9


def test_hinge_draws_the_exchange_alone():
    loss = Loss(adversarial="hinge", flip=0.5, label_noise=0.5)
    real, fake = draw_labels(loss, Draws(3), MANY)
    assert set(real.flatten().tolist()) == {0.0, 1.0}
    assert torch.equal(real, 1 - fake)
