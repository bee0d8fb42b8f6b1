"""LeCam: its penalty by hand, averages over steps and processes, a run that goes on with them."""

import pytest
import torch
from small import changed

from mifid.baseline.config.schema import Loss
from mifid.baseline.data.random_numbers import Draws
from mifid.baseline.distributed import ALONE
from mifid.baseline.gan.cyclegan import CycleGan
from mifid.baseline.gan.lecam import LeCam
from mifid.errors import InputError


def scores(*values):
    return torch.tensor(values).view(-1, 1, 1, 1)


def test_before_it_begins_the_averages_are_the_last_means():
    lecam = LeCam(Loss(lecam_start=2), ALONE)
    for real, fake in ((1.0, 0.0), (3.0, 1.0)):
        assert lecam.penalty(scores(real, real), scores(fake, fake)) == 0
    assert lecam.state_dict()["averages"].tolist() == [3, 1]


def test_the_penalty_in_numbers():
    """Averages 3 and 1 become 0.9 x 3 + 0.1 x 2 = 2.9 and 0.9 x 1 + 0.1 x 3 = 1.2."""
    lecam = LeCam(Loss(lecam_start=1), ALONE)
    lecam.penalty(scores(3.0), scores(1.0))
    real, fake = scores(0.0, 4.0).requires_grad_(), scores(2.0, 4.0)
    found = lecam.penalty(real, fake)
    assert lecam.state_dict()["averages"].tolist() == pytest.approx([2.9, 1.2])
    # Real: max(0, 0 - 1.2), max(0, 4 - 1.2); generated: max(0, 2.9 - 2), max(0, 2.9 - 4).
    assert found.item() == pytest.approx((0 + 2.8**2) / 2 + (0.9**2 + 0) / 2)
    found.backward()
    assert real.grad.flatten().tolist() == pytest.approx([0, 2.8])  # the averages have none


class Two:
    """Processes of which the other one's means are known."""

    world = 2

    def average(self, values):
        return (values + torch.tensor([10.0, 20.0])) / 2


def test_means_are_those_of_all_processes():
    lecam = LeCam(Loss(lecam_start=0, lecam_decay=0.0), Two())
    lecam.penalty(scores(2.0), scores(4.0))
    assert lecam.state_dict()["averages"].tolist() == [6, 12]


def build(**loss):
    config = changed(loss={"lecam": 0.1, "lecam_start": 1, **loss}, training={"pool": 0})
    return CycleGan(config, device=torch.device("cpu"), draws=Draws(0), processes=ALONE)


def step(method, seed):
    pictures = torch.rand(2, 2, 3, 16, 16, generator=torch.Generator().manual_seed(seed))
    losses = method.step(*(pictures * 2 - 1), fraction=0.0, factor=1.0)
    return dict(zip(method.losses, losses.tolist(), strict=True))


def test_discriminators_pay_it_and_generators_do_not():
    one, other = build(), build(lecam=10.0)
    for seed in (0, 1):
        ours, theirs = step(one, seed), step(other, seed)
        for name in ours:
            more = theirs[name] - ours[name]
            assert (more > 1e-4) == (seed == 1 and name.startswith("discriminator")), name


def test_a_run_goes_on_with_its_averages():
    whole, first = build(), build()
    step(whole, 0), step(first, 0)
    second = build()
    second.load_state_dict(first.state_dict())
    assert step(second, 1) == step(whole, 1)
    with pytest.raises(InputError, match="lecam"):
        second.parts()["photo_lecam"].load_state_dict({"averages": torch.zeros(3), "steps": 1})


def test_without_it_a_checkpoint_is_as_before():
    method = build(lecam=0.0)
    assert [*method.parts()] == ["generators", "discriminators", "painting_pool", "photo_pool"]
