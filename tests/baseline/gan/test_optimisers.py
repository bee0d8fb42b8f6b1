"""Each optimiser against its paper's loop in float64, and what the Stepper adds."""

import copy
import math
import sys

import numpy as np
import pytest
import torch
from small import changed
from torch import nn

from mifid.baseline.config.schema import Optimiser
from mifid.baseline.data.random_numbers import Draws
from mifid.baseline.distributed import ALONE
from mifid.baseline.gan.cyclegan import CycleGan
from mifid.baseline.gan.optimisers import OPTIMISERS, Stepper
from mifid.errors import CompatibilityError, InputError, UnavailableError

NAMES = [*OPTIMISERS, "adam_sgd"]
RATE = 0.01


def weights(seed=0):
    generator = torch.Generator().manual_seed(seed)
    shapes = [(3, 2), (4, 2, 3, 3)]
    return [nn.Parameter(torch.randn(shape, generator=generator)) for shape in shapes]


def give_gradients(parameters, seed):
    generator = torch.Generator().manual_seed(1000 + seed)
    for weight in parameters:
        weight.grad = torch.randn(weight.shape, generator=generator)


def run(stepper, parameters, steps, *, start=0, total=10):
    for i in range(start, start + steps):
        give_gradients(parameters, i)
        stepper.step(fraction=i / total, factor=1 - i / total)


def adam(g, i, s, c):
    s["m"] = c.beta1 * s.get("m", 0) + (1 - c.beta1) * g
    s["v"] = c.beta2 * s.get("v", 0) + (1 - c.beta2) * g**2
    m, v = s["m"] / (1 - c.beta1**i), s["v"] / (1 - c.beta2**i)
    return m / (np.sqrt(v) + 1e-8)


def radam(g, i, s, c):
    """Liu et al. 2020, algorithm 2."""
    s["m"] = c.beta1 * s.get("m", 0) + (1 - c.beta1) * g
    s["v"] = c.beta2 * s.get("v", 0) + (1 - c.beta2) * g**2
    m = s["m"] / (1 - c.beta1**i)
    longest = 2 / (1 - c.beta2) - 1
    length = longest - 2 * i * c.beta2**i / (1 - c.beta2**i)
    if length <= 5:  # the paper: 4; torch and the authors' code: 5
        return m
    r = (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)
    return math.sqrt(r) * m * math.sqrt(1 - c.beta2**i) / (np.sqrt(s["v"]) + 1e-8)


def sgd(g, i, s, c):
    s["b"] = c.momentum * s.get("b", 0) + g
    return s["b"]


def adabelief(g, i, s, c):
    """Zhuang et al. 2020, algorithm 2."""
    s["m"] = c.beta1 * s.get("m", 0) + (1 - c.beta1) * g
    s["s"] = c.beta2 * s.get("s", 0) + (1 - c.beta2) * (g - s["m"]) ** 2 + 1e-16
    m, belief = s["m"] / (1 - c.beta1**i), s["s"] / (1 - c.beta2**i)
    return m / (np.sqrt(belief) + 1e-16)


def adamw(g, i, s, c):
    return adam(g, i, s, c)


@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
@pytest.mark.parametrize("update", [adam, adamw, radam, sgd, adabelief])
def test_equals_the_papers_loop(update, weight_decay):
    """Weight decay is added to the gradient in all of them but adamw, which shrinks the weight."""
    config = Optimiser(update.__name__, weight_decay=weight_decay)
    parameters = weights()
    expected = [weight.detach().double().numpy().copy() for weight in parameters]
    states = [{} for _ in parameters]
    stepper = Stepper(config, parameters, rate=RATE)
    for i in range(1, 11):
        factor = 1 / i
        give_gradients(parameters, i)
        for weight, value, state in zip(parameters, expected, states, strict=True):
            added, shrunk = (0, weight_decay) if update is adamw else (weight_decay, 0)
            gradient = weight.grad.double().numpy() + added * value
            value -= RATE * factor * (shrunk * value + update(gradient, i, state, config))
        stepper.step(fraction=0, factor=factor)
    for weight, value in zip(parameters, expected, strict=True):
        np.testing.assert_allclose(weight.detach().numpy(), value, atol=2e-5)


def test_adam_then_sgd_changes_over_at_the_switch():
    """Adam's first step is rate * sign(g); SGD's is sgd_rate * g, whatever Adam's rate was."""
    config = Optimiser("adam_sgd", switch=0.5, sgd_rate=0.25)
    for fraction, expected in [(0.49, -RATE * 2.0 / 2.0), (0.5, -0.25 * 2.0), (1.0, -0.25 * 2.0)]:
        weight = nn.Parameter(torch.zeros(3))
        weight.grad = torch.full((3,), 2.0)
        Stepper(config, [weight], rate=RATE).step(fraction=fraction, factor=1)
        torch.testing.assert_close(weight.detach(), torch.full((3,), expected))


@pytest.mark.parametrize("name", NAMES)
def test_the_factor_sets_the_rate_anew_each_time(name):
    parameters = weights()
    stepper = Stepper(Optimiser(name), parameters, rate=RATE)
    before = [weight.detach().clone() for weight in parameters]
    give_gradients(parameters, 0)
    stepper.step(fraction=0.9, factor=0)
    assert all(torch.equal(b, weight) for b, weight in zip(before, parameters, strict=True))
    stepper.step(fraction=0.9, factor=1)  # not 0 times 1
    assert not any(torch.equal(b, weight) for b, weight in zip(before, parameters, strict=True))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("steps", [0, 2, 7])
def test_goes_on_from_its_state_bit_for_bit(name, steps):
    """adam_sgd before its switch, and after it."""
    config = Optimiser(name, weight_decay=0.01)
    parameters = weights()
    stepper = Stepper(config, parameters, rate=RATE)
    run(stepper, parameters, steps)
    saved = copy.deepcopy((stepper.state_dict(), [weight.data for weight in parameters]))
    run(stepper, parameters, 3, start=steps)

    others = [nn.Parameter(value) for value in saved[1]]
    other = Stepper(config, others, rate=RATE)
    other.load_state_dict(saved[0])
    run(other, others, 3, start=steps)
    for one, two in zip(parameters, others, strict=True):
        assert torch.equal(one, two)


@pytest.mark.parametrize("name", NAMES)
def test_weights_without_gradient_stay(name):
    """As the photo generator's while the painter learns to copy."""
    first, second = weights()
    stepper = Stepper(Optimiser(name, weight_decay=0.1), [first, second], rate=RATE)
    before = second.detach().clone()
    give_gradients([first], 0)
    stepper.step(fraction=0, factor=1)
    assert torch.equal(second, before)


def test_zero_grad_forgets_gradients():
    parameters = weights()
    stepper = Stepper(Optimiser(), parameters, rate=RATE)
    give_gradients(parameters, 0)
    stepper.zero_grad()
    assert all(weight.grad is None for weight in parameters)


@pytest.mark.parametrize("name", NAMES)
def test_memory_formats_do_not_matter(name):
    """Fused Adam alone would be wrong here: weights channels_last, gradients not."""
    plain = weights()
    last = [
        nn.Parameter(weight.detach().clone(memory_format=torch.channels_last))
        if weight.dim() == 4
        else nn.Parameter(weight.detach().clone())
        for weight in plain
    ]
    assert last[1].stride() != plain[1].stride()
    for parameters in (plain, last):
        run(Stepper(Optimiser(name), parameters, rate=RATE), parameters, 4)
    for one, two in zip(plain, last, strict=True):
        torch.testing.assert_close(one, two, atol=1e-6, rtol=0)


def test_says_how_to_get_adabelief(monkeypatch):
    monkeypatch.setitem(sys.modules, "pytorch_optimizer", None)
    with pytest.raises(UnavailableError, match=r"needs pytorch-optimizer.*\npip install 'mifid\["):
        Stepper(Optimiser("adabelief"), weights(), rate=RATE)


def test_refuses_another_optimisers_state():
    state = Stepper(Optimiser("adam_sgd"), weights(), rate=RATE).state_dict()
    with pytest.raises(CompatibilityError, match="state of adam and sgd; expected radam\nSet opt"):
        Stepper(Optimiser("radam"), weights(), rate=RATE).load_state_dict(state)


def test_refuses_the_state_of_other_weights():
    state = Stepper(Optimiser(), weights()[:1], rate=RATE).state_dict()
    with pytest.raises(CompatibilityError, match=r"state of adam is of other weights"):
        Stepper(Optimiser(), weights(), rate=RATE).load_state_dict(state)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "damage",
    [
        lambda held: {key: torch.zeros(2) for key in held},
        lambda held: {key: value.double() for key, value in held.items()},
        lambda held: dict.fromkeys(held, 5),
        lambda _: {},
        lambda _: [1],
        lambda held: {**held, "more": torch.zeros(2)},
    ],
    ids=["shape", "dtype", "kind", "nothing", "list", "more"],
)
def test_refuses_moments_that_do_not_fit(name, damage):
    """Torch takes any shape, and follows it beyond its memory at the next step."""
    parameters = weights()
    stepper = Stepper(Optimiser(name), parameters, rate=RATE)
    run(stepper, parameters, 7)
    state = copy.deepcopy(stepper.state_dict())
    for part in state.values():
        part["state"] = {index: damage(held) for index, held in part["state"].items()}
    with pytest.raises((InputError, CompatibilityError)):
        Stepper(Optimiser(name), weights(), rate=RATE).load_state_dict(state)


def test_settings_of_the_checkpoint_are_not_taken_over():
    parameters = weights()
    stepper = Stepper(Optimiser(), parameters, rate=RATE)
    run(stepper, parameters, 1)
    state = copy.deepcopy(stepper.state_dict())
    state["adam"]["param_groups"][0].update(eps="no number", lr=[], betas=None)
    other = Stepper(Optimiser(), parameters, rate=RATE)
    other.load_state_dict(state)
    run(other, parameters, 1)


@pytest.mark.parametrize("name", ["adam", "adabelief"])
def test_another_eps_slows_the_first_step(name):
    """The first step of both is about rate * g / (|g| + eps), of AdaBelief with m in g's place."""
    steps = []
    for eps in (0.0, 8.0):
        weight = nn.Parameter(torch.zeros(3))
        weight.grad = torch.full((3,), 2.0)
        Stepper(Optimiser(name, eps=eps), [weight], rate=RATE).step(fraction=0, factor=1)
        steps.append(weight.detach()[0].item())
    assert abs(steps[1]) < 0.5 * abs(steps[0])
    if name == "adam":
        assert steps[1] == pytest.approx(-RATE * 2 / (2 + 8))


def test_rectified_adabelief_begins_with_a_plain_step():
    """As RAdam: the variance of the first steps cannot be corrected, so none is divided by."""
    steps = []
    for rectify in (False, True):
        weight = nn.Parameter(torch.zeros(1))
        weight.grad = torch.full((1,), 2.0)
        config = Optimiser("adabelief", rectify=rectify)
        Stepper(config, [weight], rate=RATE).step(fraction=0, factor=1)
        steps.append(weight.item())
    assert steps[0] != steps[1]


@pytest.mark.parametrize(("given", "expected"), [("", ["sgd", "sgd"]), ("radam", ["sgd", "radam"])])
def test_discriminators_may_have_another_optimiser(given, expected):
    config = changed(optimiser={"name": "sgd", "discriminator_name": given})
    method = CycleGan(
        config, device=torch.device("cpu"), draws=Draws(0), processes=ALONE
    ).state_dict()
    assert [[*method[kind]] for kind in ("generators", "discriminators")] == [
        [name] for name in expected
    ]
