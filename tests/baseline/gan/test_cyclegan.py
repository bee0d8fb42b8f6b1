"""A step against a plain one, written out: separate passes, a backward pass a network."""

import copy

import pytest
import torch
from small import changed
from torch.nn import functional as F

from mifid.baseline.data.random_numbers import Draws
from mifid.baseline.distributed import ALONE
from mifid.baseline.gan.cyclegan import CycleGan
from mifid.baseline.gan.plain_gan import PlainGan
from mifid.baseline.generation.painter import Painter
from mifid.errors import InputError

CPU = torch.device("cpu")


def build(config, method=CycleGan):
    torch.manual_seed(0)
    return method(config, device=CPU, draws=Draws(0), processes=ALONE)


def batch(seed=0, size=16, number=2):
    generator = torch.Generator().manual_seed(seed)
    return (torch.rand(number, 3, size, size, generator=generator) * 2 - 1 for _ in range(2))


def plain_step(networks, optimisers, photos, paintings, config):
    """LSGAN CycleGAN as commonly written; all gradients are taken before any weight moves."""
    loss = config.loss
    painter, photographer = networks["painter"], networks["photographer"]
    critics = {
        "painting": networks["painting_discriminator"],
        "photo": networks["photo_discriminator"],
    }
    painted, photographed = painter(photos), photographer(paintings)
    cycle = {
        "painting": F.l1_loss(painter(photographed), paintings),
        "photo": F.l1_loss(photographer(painted), photos),
    }
    identity = {
        "painting": F.l1_loss(painter(paintings), paintings),
        "photo": F.l1_loss(photographer(photos), photos),
    }
    made = {"painting": painted, "photo": photographed}
    real = {"painting": paintings, "photo": photos}
    weight = {"painting": loss.painting_weight, "photo": loss.photo_weight}
    gradients, told = {}, {}
    for side, name in (("painting", "painter"), ("photo", "photographer")):
        wanted = ((critics[side](made[side]) - loss.generator_label) ** 2).mean()
        total = weight[side] * (loss.weight * wanted + loss.identity * identity[side])
        total = total + loss.cycle * sum(weight[s] * cycle[s] for s in cycle)
        gradients[name] = torch.autograd.grad(
            total, list(networks[name].parameters()), retain_graph=True
        )
        told[f"generator_adversarial_{side}"] = wanted
    for side in ("painting", "photo"):
        on_real = ((critics[side](real[side]) - loss.real_label) ** 2).mean()
        on_fake = ((critics[side](made[side].detach()) - loss.fake_label) ** 2).mean()
        total = loss.discriminator_scale * (on_real + on_fake)
        name = f"{side}_discriminator"
        gradients[name] = torch.autograd.grad(total, list(networks[name].parameters()))
        told[f"discriminator_{side}"] = total
    for name, network in networks.items():
        for weight_, gradient in zip(network.parameters(), gradients[name], strict=True):
            weight_.grad = gradient
        optimisers[name].step()
    told |= {f"cycle_{s}": v for s, v in cycle.items()}
    told |= {f"identity_{s}": v for s, v in identity.items()}
    return told


@pytest.mark.parametrize(
    "sections",
    [
        {},
        {"generator": {"norm": "batch"}, "discriminator": {"norm": "batch"}},
        {"loss": {"painting_weight": 3.0, "photo_weight": 0.5, "identity": 2.0, "real_label": 0.9}},
        {"loss": {"generator_label": 0.8, "discriminator_scale": 1.0, "weight": 2.0}},
        {"generator": {"network": "unet", "depth": 3}},
    ],
)
def test_three_steps_equal_a_plain_loop(sections):
    # SGD: Adam makes whole steps of gradients that are nothing but rounding.
    sgd = {"name": "sgd", "rate": 0.002, "discriminator_rate": 0.004}
    config = changed(**({"training": {"pool": 0}, "optimiser": sgd} | sections))
    method = build(config)
    networks = {name: copy.deepcopy(network) for name, network in method.networks.items()}
    rates = {True: config.optimiser.discriminator_rate, False: config.optimiser.rate}
    optimisers = {
        name: torch.optim.SGD(network.parameters(), lr=rates["discriminator" in name], momentum=0.9)
        for name, network in networks.items()
    }
    for step in range(3):
        photos, paintings = batch(step)
        losses = method.step(photos, paintings, fraction=0.0, factor=1.0)
        expected = plain_step(networks, optimisers, photos, paintings, config)
        told = torch.stack([expected[name] for name in method.losses]).detach()
        torch.testing.assert_close(losses, told, rtol=1e-4, atol=1e-5)
    for name, network in networks.items():
        ours = method.networks[name].state_dict()
        for key, value in network.state_dict().items():
            if "running" in key or "num_batches" in key:
                continue  # batch norm sees its pictures in another order
            torch.testing.assert_close(ours[key], value, rtol=1e-4, atol=2e-5)


def test_without_identity_loss_it_is_not_computed():
    method = build(changed(loss={"identity": 0.0}))
    losses = dict(zip(method.losses, method.step(*batch(), fraction=0, factor=1), strict=True))
    assert losses["identity_painting"] == losses["identity_photo"] == 0
    assert losses["cycle_photo"] > 0


def test_discriminators_do_not_move_with_the_generators():
    method = build(changed(optimiser={"discriminator_rate": 0.0}))
    before = copy.deepcopy(method.networks["photo_discriminator"].state_dict())
    painter = copy.deepcopy(method.painter.state_dict())
    method.step(*batch(), fraction=0, factor=1)
    after = method.networks["photo_discriminator"].state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert not all(torch.equal(painter[k], v) for k, v in method.painter.state_dict().items())


def test_the_rate_follows_the_factor():
    moves = []
    for factor in (0.0, 1.0):
        method = build(changed())
        before = copy.deepcopy(method.painter.state_dict())
        method.step(*batch(), fraction=0, factor=factor)
        moves.append(
            sum((before[k] - v).abs().sum() for k, v in method.painter.state_dict().items())
        )
    assert moves[0] == 0 < moves[1]


@pytest.mark.parametrize("side", ["paintings", "photos"])
def test_diffaugment_is_for_the_chosen_discriminator(side):
    plain = build(changed(optimiser={"rate": 0.0, "discriminator_rate": 0.0}))
    augmented = build(
        changed(
            optimiser={"rate": 0.0, "discriminator_rate": 0.0},
            diffaugment={"color": 1.0, "discriminators": side},
        )
    )
    first, second = (
        dict(zip(m.losses, m.step(*batch(), fraction=0, factor=1).tolist(), strict=True))
        for m in (plain, augmented)
    )
    changed_side, other = ("painting", "photo") if side == "paintings" else ("photo", "painting")
    assert first[f"discriminator_{changed_side}"] != second[f"discriminator_{changed_side}"]
    assert first[f"discriminator_{other}"] == second[f"discriminator_{other}"]


def test_input_noise_falls_to_nothing():
    config = changed(loss={"input_noise": 0.5}, optimiser={"rate": 0.0, "discriminator_rate": 0.0})
    without = build(changed(optimiser={"rate": 0.0, "discriminator_rate": 0.0}))
    expected = without.step(*batch(), fraction=0, factor=1)
    at_start = build(config).step(*batch(), fraction=0.0, factor=1)
    at_end = build(config).step(*batch(), fraction=1.0, factor=1)
    assert not torch.allclose(at_start, expected)
    torch.testing.assert_close(at_end, expected)


def test_pretraining_copies_paintings_and_leaves_the_others_alone():
    method = build(changed())
    others = copy.deepcopy(method.networks["photographer"].state_dict())
    photos, paintings = batch()
    losses = [method.pretrain(photos, paintings) for _ in range(30)]
    place = method.losses.index("identity_painting")
    assert losses[-1][place] < losses[0][place]
    assert losses[0].count_nonzero() == 1
    after = method.networks["photographer"].state_dict()
    assert all(torch.equal(others[key], after[key]) for key in others)


def test_bf16_keeps_weights_and_losses_in_float32():
    method = build(changed(training={"precision": "bf16"}))
    exact = build(changed())
    photos, paintings = batch()
    losses = method.step(photos, paintings, fraction=0, factor=1)
    expected = exact.step(photos, paintings, fraction=0, factor=1)
    assert losses.dtype == torch.float32
    assert all(w.dtype == torch.float32 for w in method.painter.parameters())
    assert not torch.equal(losses, expected)
    torch.testing.assert_close(losses, expected, rtol=0.1, atol=0.05)


GAN = {
    "training": {"method": "gan", "pool": 0},
    "generator": {"network": "dcgan", "norm": "batch", "latent": 8},
    "discriminator": {"network": "dcgan", "norm": "batch", "sigmoid": True},
    "loss": {"adversarial": "bce"},
}


def test_a_plain_gan_learns_from_paintings_alone():
    method = build(changed(**GAN), PlainGan)
    photos, paintings = batch(size=16, number=4)
    before = copy.deepcopy(method.painter.state_dict())
    losses = method.step(photos, paintings, fraction=0, factor=1)
    again = build(changed(**GAN), PlainGan)
    other = again.step(torch.zeros_like(photos), paintings, fraction=0, factor=1)
    assert torch.equal(losses, other)
    assert losses.shape == (2,)
    assert not all(torch.equal(before[k], v) for k, v in method.painter.state_dict().items())


@pytest.mark.parametrize(("method", "sections"), [(CycleGan, {}), (PlainGan, GAN)])
def test_a_step_after_loading_equals_one_without(method, sections):
    whole, first, second = (build(changed(**sections), method) for _ in range(3))
    for step in range(2):
        whole.step(*batch(step), fraction=0, factor=1)
        first.step(*batch(step), fraction=0, factor=1)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    second.draws.load_state_dict(first.draws.state_dict())
    expected = whole.step(*batch(9), fraction=0, factor=1)
    assert torch.equal(second.step(*batch(9), fraction=0, factor=1), expected)
    for name, network in whole.networks.items():
        theirs = second.networks[name].state_dict()
        assert all(torch.equal(value, theirs[key]) for key, value in network.state_dict().items())


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")  # dynamo's
def test_compiled_networks_learn_the_same_and_compile_once(monkeypatch):
    """With dynamo's own graphs and no code generation, which would need a compiler here."""
    graphs = []

    def backend(graph, _example_inputs):
        graphs.append(graph)
        return graph.forward

    compile_ = torch.nn.Module.compile
    monkeypatch.setattr(
        torch.nn.Module,
        "compile",
        lambda self, **given: compile_(self, backend=backend, **given),
    )
    torch.compiler.reset()
    compiled, plain = build(changed(training={"compile": True})), build(changed())
    counts = []
    for step in range(4):
        losses = compiled.step(*batch(step), fraction=0, factor=1)
        expected = plain.step(*batch(step), fraction=0, factor=1)
        torch.testing.assert_close(losses, expected, rtol=1e-3, atol=1e-4)
        photos = torch.zeros(3 + step, 16, 16, 3, dtype=torch.uint8)
        Painter(compiled.painter, device=CPU, seed=0).paint(photos, first=0)
        counts.append(len(graphs))
    assert counts[0] > 0
    assert counts[1:] == [counts[0]] * 3, "a snapshot of another size must not compile again"
    assert compiled.painter.state_dict().keys() == plain.painter.state_dict().keys()


@pytest.mark.parametrize(
    ("crop", "generator", "message"),
    [
        (18, {"network": "resnet"}, "augment.crop is 18; expected a multiple of 4"),
        (24, {"network": "unet"}, "augment.crop is 24; expected 0"),
        (24, {"network": "unet", "depth": 4}, "augment.crop is 24; expected a multiple of 16"),
        (16, {"network": "dcgan"}, "augment.crop is 16; expected 0"),
    ],
)
def test_crops_that_the_generator_cannot_paint(crop, generator, message):
    config = changed(data={"size": 32}, augment={"crop": crop}, generator=generator)
    with pytest.raises(InputError, match=message):
        build(config)


@pytest.mark.parametrize("generator", [{}, {"network": "unet", "depth": 4}])
def test_networks_learn_from_crops_and_paint_whole_pictures(generator):
    config = changed(data={"size": 32}, augment={"crop": 16}, generator=generator)
    method = build(config)
    assert torch.isfinite(method.step(*batch(), fraction=0.0, factor=1.0)).all()
    whole, _ = batch(size=32)
    assert method.painter(whole).shape == whole.shape
    with pytest.raises(InputError, match="less than 2 x 2"):  # of a crop, not of a picture
        build(changed(config, discriminator={"layers": 3}))
