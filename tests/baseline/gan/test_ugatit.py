"""A step of U-GAT-IT against its formulas, written out in the authors' order, in float64."""

import copy

import numpy as np
import pytest
import torch
from original_networks import UGATIT
from small import changed
from torch.nn import functional as F

from mifid.baseline.data.random_numbers import Draws
from mifid.baseline.distributed import ALONE
from mifid.baseline.figures.sheets import heat_map
from mifid.baseline.foreign.ugatit_resnet import recognise
from mifid.baseline.gan.method import Shown
from mifid.baseline.gan.ugatit import UGatIt
from mifid.baseline.generation.painter import Painter
from mifid.baseline.rules import check
from mifid.errors import InputError

CPU = torch.device("cpu")
SIZE = 16
CONFIG = changed(
    generator={"network": "ugatit", "blocks": 2, "init_type": "torch"},
    discriminator={"network": "ugatit", "layers": 1, "init_type": "torch"},
    loss={"identity": 10.0, "discriminator_scale": 1.0},
    optimiser={"rate": 1e-3, "discriminator_rate": 1e-3, "weight_decay": 1e-4},
    training={"method": "ugatit", "pool": 0, "steps": 3},
)


def build(config=CONFIG):
    return UGatIt(config, device=CPU, draws=Draws(0), processes=ALONE)


def batch(seed=0, number=2, dtype=torch.float32):
    generator = torch.Generator().manual_seed(seed)
    shape = (2, number, 3, SIZE, SIZE)
    return (torch.rand(shape, generator=generator, dtype=torch.float64) * 2 - 1).to(dtype)


def spectral(weights, name, *, power):
    """Return W / sigma, u and v having made ``power`` steps of the power method."""
    original = weights[f"{name}.parametrizations.weight.original"]
    u, v = (weights[f"{name}.parametrizations.weight.0._{k}"] for k in "uv")
    if original.ndim > 1:
        flat = original.detach().flatten(1)
        for _ in range(power):
            u.copy_(F.normalize(flat @ v, dim=0, eps=1e-12))
            v.copy_(F.normalize(flat.T @ u, dim=0, eps=1e-12))
    return original / (u.clone() @ original.flatten(1) @ v.clone())


def judge(weights, x, *, power=1):
    """Return patches and map logits of both scales, by plain functional calls."""
    made = []
    for scale in ("local_scale", "global_scale"):
        y, stages = x, 0
        while f"{scale}.stages.{stages}.conv.bias" in weights:
            stages += 1
        for n in range(stages):
            name = f"{scale}.stages.{n}.conv"
            y = F.conv2d(
                F.pad(y, (1, 1, 1, 1), "reflect"),
                spectral(weights, name, power=power),
                weights[f"{name}.bias"],
                stride=1 if n == stages - 1 else 2,
            )
            y = F.leaky_relu(y, 0.2)
        logits, products = [], []
        for kind, seen in (("average", y.mean((2, 3))), ("maximum", y.amax((2, 3)))):
            name = f"{scale}.activation_map.{kind}"
            logits.append(F.linear(seen, spectral(weights, name, power=power)))
            original = weights[f"{name}.parametrizations.weight.original"]
            products.append(y * original[:, :, None, None])
        joined = (weights[f"{scale}.activation_map.join.{key}"] for key in ("weight", "bias"))
        y = F.leaky_relu(F.conv2d(torch.cat(products, 1), *joined), 0.2)
        out = spectral(weights, f"{scale}.out", power=power)
        made += [F.conv2d(F.pad(y, (1, 1, 1, 1), "reflect"), out), torch.cat(logits, 1)]
    return made


def mse(made, target):
    return sum(F.mse_loss(each, torch.full_like(each, target)) for each in made)


def bce(logits, target):
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))


def plain_step(generators, judges, optimisers, photos, paintings):
    """U-GAT-IT as its authors' code has it: D first, then fakes once more, and G."""
    painter, photographer = generators
    painted, photographed = painter(photos)[0].detach(), photographer(paintings)[0].detach()
    told = {}
    for side, real, fake in (("painting", paintings, painted), ("photo", photos, photographed)):
        on_real = judge(judges[side], real, power=1)
        told[f"discriminator_{side}"] = mse(on_real, 1) + mse(judge(judges[side], fake, power=0), 0)
    step(optimisers["discriminators"], told["discriminator_painting"] + told["discriminator_photo"])
    total = 0
    for side, ours, other, given, own in (
        ("painting", painter, photographer, photos, paintings),
        ("photo", photographer, painter, paintings, photos),
    ):
        made, to_translate, _ = ours(given)
        same, to_keep, _ = ours(own)
        back = {"painting": "photo", "photo": "painting"}[side]
        told[f"generator_adversarial_{side}"] = mse(judge(judges[side], made), 1)
        told[f"cycle_{back}"] = F.l1_loss(other(made)[0], given)
        told[f"identity_{side}"] = F.l1_loss(same, own)
        told[f"attention_{side}"] = bce(to_translate, 1) + bce(to_keep, 0)
        total = total + told[f"generator_adversarial_{side}"] + 10 * told[f"cycle_{back}"]
        total = total + 10 * told[f"identity_{side}"] + 1000 * told[f"attention_{side}"]
    step(optimisers["generators"], total)
    with torch.no_grad():
        for generator in generators:
            for name, weight in generator.named_parameters():
                if name.endswith("rho"):
                    weight.clamp_(0, 1)
    return told


def step(optimiser, loss):
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()


def test_three_steps_equal_the_authors_order_of_steps(monkeypatch):
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)  # losses in float64, too
    generators = [UGATIT(width=4, blocks=2).double() for _ in range(2)]
    method = build()
    for name, seed, original in zip(("painter", "photographer"), (1, 2), generators, strict=True):
        torch.manual_seed(seed)
        for weight in original.parameters():
            weight.data += 0.1 * torch.randn_like(weight)
        method.networks[name].load_state_dict(recognise(original.state_dict()).weights)
        with torch.no_grad():  # as exact as the original's
            method.networks[name].double().load_state_dict(recognise(original.state_dict()).weights)
    judges = {}
    for side in ("painting", "photo"):
        network = method.networks[f"{side}_discriminator"].double()
        judges[side] = {k: v.detach().clone() for k, v in network.state_dict().items()}
        for name in dict(network.named_parameters()):
            judges[side][name].requires_grad_()
    of_judges = [w for each in judges.values() for w in each.values() if w.requires_grad]
    given = {"lr": 1e-3, "betas": (0.5, 0.999), "weight_decay": 1e-4}
    optimisers = {
        "generators": torch.optim.Adam([w for g in generators for w in g.parameters()], **given),
        "discriminators": torch.optim.Adam(of_judges, **given),
    }
    rhos = []
    for number in range(3):
        photos, paintings = batch(number, dtype=torch.float64)
        losses = method.step(photos, paintings, fraction=0.0, factor=1.0)
        expected = plain_step(generators, judges, optimisers, photos, paintings)
        told = torch.stack([expected[name] for name in method.losses]).detach()
        torch.testing.assert_close(losses, told, rtol=1e-6, atol=0)
        rhos += [rho.detach().clone() for rho in method._rhos]
    for name, original in zip(("painter", "photographer"), generators, strict=True):
        ours = method.networks[name].state_dict()
        for key, value in recognise(original.state_dict()).weights.items():
            torch.testing.assert_close(ours[key].double(), value.double(), rtol=0, atol=1e-5)
    for side, weights in judges.items():
        ours = method.networks[f"{side}_discriminator"].state_dict()
        for key, value in weights.items():
            torch.testing.assert_close(ours[key], value.detach(), rtol=0, atol=1e-7)
    every = torch.cat(rhos)
    assert every.min() == 0, "some rho of LIN would have gone below 0"
    assert every.max() <= 1


def test_rho_stays_within_0_and_1_of_both_generators():
    method = build(changed(CONFIG, optimiser={"rate": 0.5}))
    assert len(method._rhos) == 2 * (2 * 2 + 2)
    method.step(*batch(), fraction=0, factor=1)
    for name in ("painter", "photographer"):
        rhos = [w for key, w in method.networks[name].named_parameters() if "rho" in key]
        assert len(rhos) == 6
        every = torch.cat(rhos)
        assert every.min() == 0
        assert every.max() == 1


def test_a_step_after_loading_equals_one_without():
    whole, first, second = (build() for _ in range(3))
    for number in range(2):
        whole.step(*batch(number), fraction=0, factor=1)
        first.step(*batch(number), fraction=0, factor=1)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    expected = whole.step(*batch(9), fraction=0, factor=1)
    assert torch.equal(second.step(*batch(9), fraction=0, factor=1), expected)
    for name, network in whole.networks.items():
        theirs = second.networks[name].state_dict()
        assert all(torch.equal(value, theirs[key]) for key, value in network.state_dict().items())


def test_bf16_keeps_weights_singular_vectors_and_losses_in_float32():
    method, exact = build(changed(CONFIG, training={"precision": "bf16"})), build()
    losses, expected = (m.step(*batch(), fraction=0, factor=1) for m in (method, exact))
    assert losses.dtype == torch.float32
    for network in method.networks.values():
        assert {value.dtype for value in network.state_dict().values()} == {torch.float32}
    assert not torch.equal(losses, expected)
    torch.testing.assert_close(losses, expected, rtol=0.1, atol=0.05)


def test_a_compiled_scale_makes_the_same_steps_of_the_power_method():
    """With dynamo's own graphs and no code generation, which would need a compiler here."""
    graphs = []

    def backend(graph, _example_inputs):
        graphs.append(graph)
        return graph.forward

    torch.compiler.reset()
    compiled, plain = (
        build().networks["painting_discriminator"].local_scale.activation_map for _ in range(2)
    )
    compiled.compile(dynamic=False, backend=backend)
    x, counts = torch.randn(2, 8, 4, 4, generator=torch.Generator().manual_seed(0)), []
    for _ in range(3):
        for ours, expected in zip(compiled(x), plain(x), strict=True):
            torch.testing.assert_close(ours, expected)
        counts.append(len(graphs))
    for key, value in plain.state_dict().items():
        torch.testing.assert_close(compiled.state_dict()[key], value)
    assert counts[0] > 0
    assert counts == counts[:1] * 3


def test_columns_are_photo_identity_painting_and_way_back_each_with_its_map():
    method, seen = build(), []
    photos = np.zeros((2, SIZE, SIZE, 3), np.uint8)

    def show(network, pictures):
        seen.append((network, pictures))
        number = len(seen)
        return Shown(np.full_like(photos, number), {"attention": np.full_like(photos, 10 * number)})

    columns = method.columns(method.painter, photos, show)
    photographer = method.networks["photographer"]
    assert [network for network, _ in seen] == [photographer, method.painter, photographer]
    assert [int(pictures.max()) for _, pictures in seen] == [0, 0, 2]
    assert list(columns) == [
        *("photo", "identity: map", "identity", "painting: map", "painting"),
        *("photo again: map", "photo again"),
    ]
    assert [int(column.max()) for column in columns.values()] == [0, 10, 1, 20, 2, 30, 3]


def test_a_flat_map_of_a_generator_is_one_colour():
    """Its authors' code divides by its maximum less its minimum, which is 0."""
    method = build()
    for weight in method.painter.get_submodule("activation_map.join").parameters():
        torch.nn.init.zeros_(weight)
    painted = Painter(method.painter, device=CPU, seed=0).run(
        torch.zeros(1, SIZE, SIZE, 3, dtype=torch.uint8), first=0
    )
    (flat,) = painted.maps.values()
    with np.errstate(all="raise"):
        shown = heat_map(flat.numpy(), side=SIZE)
    assert len(np.unique(shown.reshape(-1, 3), axis=0)) == 1


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"discriminator": {"sigmoid": True}}, "discriminator.sigmoid is True"),
        ({"loss": {"lecam": 0.1}}, "loss.lecam is 0.1"),
        (
            {"discriminator": {"heads": 2}, "loss": {"adversarial": "d2gan"}},
            "discriminator.heads is 2",
        ),
        ({"training": {"pretrain": 2}}, "training.pretrain is 2"),
        ({"generator": {"network": "resnet"}}, "needs picture -> picture, logits, map"),
        ({"discriminator": {"network": "patchgan"}}, "needs picture -> scores of two scales"),
    ],
)
def test_what_it_cannot_do_is_refused(section, said):
    check(CONFIG)
    with pytest.raises(InputError) as caught:
        check(changed(CONFIG, **section))
    assert said in caught.value.message
    assert caught.value.hint
