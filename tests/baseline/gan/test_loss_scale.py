"""Training in float16: a scaled loss, and steps that are left out when gradients overflow.

On a CPU, which torch lets compute in float16.
"""

import copy

import pytest
import torch
from small import changed

from mifid.baseline.data.random_numbers import Draws
from mifid.baseline.distributed import ALONE, Processes
from mifid.baseline.gan.cyclegan import CycleGan
from mifid.baseline.gan.image_pool import ImagePool
from mifid.baseline.gan.plain_gan import PlainGan
from mifid.baseline.gan.precision import LossScale
from mifid.errors import InputError

CPU = torch.device("cpu")
GAN = {
    "generator": {"network": "dcgan", "norm": "batch", "latent": 8},
    "discriminator": {"network": "dcgan", "norm": "batch"},
}
BATCH = {"generator": {"norm": "batch"}, "discriminator": {"norm": "batch"}}


def build(method=CycleGan, precision="float16", **sections):
    name = "gan" if method is PlainGan else "cyclegan"
    sections.setdefault("training", {})
    sections["training"] = {"precision": precision, "method": name, **sections["training"]}
    built = method(changed(**sections), device=CPU, draws=Draws(0), processes=ALONE)
    if built.loss_scale is not None:  # toys have few pixels, and each a large gradient
        assert built.loss_scale.value == 2.0**16
        set_scale(built, 2.0**8)
    return built


def batch(seed=0, times=1.0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.rand(2, 3, 16, 16, generator=generator) * 2 * times - 1 for _ in range(2)]


def advance(method, seed=0, times=1.0):
    return method.advance(*batch(seed, times), fraction=0.0, factor=1.0)


def tensors(tree, path=""):
    if isinstance(tree, torch.Tensor):
        return {path: tree}
    items = tree.items() if isinstance(tree, dict) else ()
    return {k: v for key, part in items for k, v in tensors(part, f"{path}.{key}").items()}


def set_scale(method, value):
    state = method.loss_scale.state_dict()
    state["scaler"]["scale"] = value
    method.loss_scale.load_state_dict(state)


@pytest.mark.parametrize(
    ("method", "sections"), [(CycleGan, {}), (CycleGan, BATCH), (PlainGan, GAN)]
)
def test_it_learns_nearly_what_float32_does_with_weights_in_float32(method, sections):
    half, exact = build(method, **sections), build(method, "float32", **sections)
    assert exact.loss_scale is None
    for seed in range(2):
        losses, expected = advance(half, seed), advance(exact, seed)
        assert losses.dtype == torch.float32
        assert not torch.equal(losses, expected)
        torch.testing.assert_close(losses, expected, rtol=0.02, atol=0.01)
    for name, network in half.networks.items():
        for key, weight in network.named_parameters():
            assert weight.dtype == torch.float32
            # Adam's first two steps: each at most 2e-4, whatever the gradients are.
            other = dict(exact.networks[name].named_parameters())[key]
            assert (weight - other).abs().max() < 1e-3, (name, key)
    assert half.loss_scale.value == 2.0**8
    assert half.loss_scale.in_a_row == 0


def test_gradients_are_divided_by_the_scale():
    sgd = {"name": "sgd", "momentum": 0.0, "rate": 0.1, "discriminator_rate": 0.1}
    moved = []
    for scale in (2.0**4, 2.0**10):
        method = build(optimiser=sgd)
        set_scale(method, scale)
        before = copy.deepcopy(method.painter.state_dict())
        assert advance(method) is not None
        after = method.painter.state_dict()
        moved.append(torch.cat([(after[key] - before[key]).flatten() for key in before]))
    assert moved[0].norm() > 0
    assert (moved[0] - moved[1]).norm() < 0.05 * moved[0].norm()


def test_an_overflow_leaves_weights_as_they_are_and_halves_the_scale():
    method = build()
    advance(method)
    set_scale(method, 2.0**60)
    before = {k: v.clone() for k, v in tensors(method.state_dict()["networks"]).items()}
    moments = copy.deepcopy(method.state_dict()["generators"])
    assert advance(method, seed=1) is None
    assert method.loss_scale.value == 2.0**58  # generators, then discriminators
    assert method.loss_scale.in_a_row == 1
    after = tensors(method.state_dict()["networks"])
    assert all(torch.equal(before[key], after[key]) for key in before)
    for index, held in method.state_dict()["generators"]["adam"]["state"].items():
        for key, value in held.items():
            assert torch.equal(value, moments["adam"]["state"][index][key])
    set_scale(method, 2.0**10)
    assert advance(method, seed=2) is not None
    assert method.loss_scale.in_a_row == 0


def test_a_picture_that_overflows_leaves_nothing_in_averages_statistics_and_pools():
    method = build(**BATCH, loss={"lecam": 0.3, "lecam_start": 1})
    for seed in range(2):
        assert advance(method, seed) is not None
    before = {k: v.clone() for k, v in tensors(method.state_dict()["networks"]).items()}
    assert advance(method, times=1e6) is None  # above 65,504, float16's largest number
    state = tensors(method.state_dict())
    assert {key for key, value in state.items() if not value.isfinite().all()} == set()
    after = tensors(method.state_dict()["networks"])
    assert all(torch.equal(before[key], after[key]) for key in before)
    for seed in range(3, 6):  # what the pools return is finite
        assert advance(method, seed).isfinite().all()


def test_a_pool_does_not_keep_what_is_not_finite_and_draws_as_if_it_had():
    pool, draws, usual = ImagePool(2, may_overflow=True), Draws(0), Draws(0)
    pictures = torch.ones(3, 3, 2, 2)
    pictures[1, 0, 0, 0] = torch.inf
    pool.exchange(pictures, draws)
    ImagePool(2).exchange(torch.ones(3, 3, 2, 2), usual)
    assert len(pool) == 2
    assert pool.state_dict()["pictures"].isfinite().all()
    assert torch.equal(draws.uniform(pictures), usual.uniform(pictures))


def test_a_step_after_loading_equals_one_without_also_after_an_overflow():
    whole, first = build(), build()
    for method in (whole, first):
        set_scale(method, 2.0**24)
        assert advance(method, 0) is None
    second = build()
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    second.draws.load_state_dict(first.draws.state_dict())
    assert second.loss_scale.state_dict() == whole.loss_scale.state_dict()
    seen = []
    for seed in range(1, 9):
        one, two = advance(whole, seed), advance(second, seed)
        assert (one is None) == (two is None)
        assert one is None or torch.equal(one, two)
        seen.append(one is None)
    assert seen[0]
    assert not seen[-1]
    one, two = (tensors(method.state_dict()) for method in (whole, second))
    assert all(torch.equal(one[key], two[key]) for key in one)
    assert whole.loss_scale.state_dict() == second.loss_scale.state_dict()


class Peers(Processes):
    """Another process, whose gradients are not finite, is averaged in."""

    def average_gradients(self, parameters):
        for parameter in parameters:
            if parameter.grad is not None:
                parameter.grad.add_(torch.inf)


def test_an_overflow_on_another_process_is_one_on_all():
    """Averaged gradients are alike, so all leave the same steps out, and have the same scale."""
    method = build()
    method.processes = Peers()
    before = copy.deepcopy(method.painter.state_dict())
    assert advance(method) is None
    assert method.loss_scale.value == 2.0**6
    after = method.painter.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)


@pytest.mark.parametrize(
    "changes",
    [
        {"in_a_row": -1},
        {"in_a_row": 1.0},
        {"scaler": {}},
        {"scaler": {**LossScale(CPU).state_dict()["scaler"], "scale": float("nan")}},
    ],
)
def test_a_state_that_is_none_is_refused(changes):
    scale = LossScale(CPU)
    with pytest.raises(InputError, match="loss_scale"):
        scale.load_state_dict({**scale.state_dict(), **changes})


def test_a_checkpoint_without_a_scale_is_loaded_where_none_is_needed():
    exact = build(precision="float32")
    assert "loss_scale" not in exact.state_dict()
    exact.load_state_dict(exact.state_dict())
    with pytest.raises(InputError, match="no state of loss_scale"):
        build().load_state_dict(exact.state_dict())


def test_auto_is_float32_on_a_cpu():
    method = build(precision="auto")
    assert method.config.training.precision == "float32"
    assert method.loss_scale is None
