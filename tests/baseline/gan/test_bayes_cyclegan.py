"""A step against one that is written from the formulas, in float64; maps, bfloat16, compile."""

import copy
from collections import Counter

import pytest
import torch
from small import SMALL, changed
from torch.nn import functional as F

from mifid.baseline.data.random_numbers import Draws
from mifid.baseline.distributed import ALONE
from mifid.baseline.gan.bayes_cyclegan import BayesCycleGan
from mifid.baseline.generation.painter import Painter
from mifid.baseline.models import MapResNet
from mifid.baseline.rules import check
from mifid.errors import InputError

SAMPLES = 3
SGD = {"name": "sgd", "rate": 0.01, "discriminator_rate": 0.02}
CONFIG = changed(
    SMALL,
    generator={
        "network": "map_resnet",
        "norm": "plain_instance",
        "residual_activation": True,
        "init": 0.1,
    },
    discriminator={"norm": "plain_instance", "wide_padding": True, "layers": 2, "init": 0.1},
    loss={"gamma": 0.5},
    optimiser=SGD,
    training={"method": "bayes_cyclegan", "pool": 0},
)
NOISE = changed(CONFIG, generator={"network": "noise_resnet"})


def build(config=CONFIG):
    method = BayesCycleGan(config, device=torch.device("cpu"), draws=Draws(0), processes=ALONE)
    for network in method.networks.values():
        with torch.no_grad():
            for weight in network.parameters():  # biases begin at 0, and would hide in the prior
                if weight.ndim == 1:
                    weight.normal_(std=0.1, generator=torch.Generator().manual_seed(len(weight)))
    return method


def batch(method, seed=0, number=2, size=16):
    generator = torch.Generator().manual_seed(seed)
    number *= 1 + method.further
    return tuple(torch.rand(number, 3, size, size, generator=generator) * 2 - 1 for _ in range(2))


class Written:
    """Bayesian CycleGAN from the paper's formulas, by functional calls on tables of weights."""

    def __init__(self, method, config):
        self.config = config
        self.weights = {
            name: {
                key: weight.detach().clone().requires_grad_()
                for key, weight in network.named_parameters()
            }
            for name, network in method.networks.items()
        }

    def conv(self, weights, name, x, **how):
        return F.conv2d(x, weights[f"{name}.weight"], weights[f"{name}.bias"], **how)

    def normed(self, x):
        centred = x - x.mean((2, 3), keepdim=True)
        return centred / (centred.square().mean((2, 3), keepdim=True) + 1e-5).sqrt()

    def reflected(self, weights, name, x, border):
        return self.conv(weights, name, F.pad(x, [border] * 4, "reflect"))

    def down(self, weights, part, x):
        x = F.relu(self.normed(self.reflected(weights, f"{part}.stem.conv", x, 3)))
        for name in ("down1", "down2"):
            x = self.conv(weights, f"{part}.{name}.conv", x, stride=2, padding=1)
            x = F.relu(self.normed(x))
        return x

    def up(self, weights, part, x):
        for name in ("up1", "up2"):
            weight, bias = (weights[f"{part}.{name}.conv.{key}"] for key in ("weight", "bias"))
            x = F.conv_transpose2d(x, weight, bias, stride=2, padding=1, output_padding=1)
            x = F.relu(self.normed(x))
        return torch.tanh(self.reflected(weights, f"{part}.out.conv", x, 3))

    def generated(self, name, pictures, maps):
        weights = self.weights[name]
        x = self.down(weights, "resnet", torch.cat([pictures, maps], dim=1))
        for block in range(self.config.generator.blocks):
            y = x
            for half in ("first", "second"):
                y = self.reflected(weights, f"resnet.blocks.{block}.{half}.conv", y, 1)
                y = F.relu(self.normed(y))
            x = x + y
        return self.up(weights, "resnet", x)

    def encoded(self, name, picture):
        weights = self.weights[name]
        inner = self.down(weights, "encoder.resnet", picture)
        window = inner.shape[-1] // 2
        code = F.avg_pool2d(inner, window).flatten(1)
        mean, log_variance = (
            F.linear(code, weights[f"encoder.{key}.weight"], weights[f"encoder.{key}.bias"])
            for key in ("mean", "log_variance")
        )
        return self.up(weights, "encoder.resnet", inner), mean, log_variance

    def scores(self, name, x):
        weights = self.weights[name]
        for stage in range(3):
            stride = 2 if stage < 2 else 1
            x = self.conv(weights, f"stages.{stage}.conv", x, stride=stride, padding=2)
            x = F.leaky_relu(x if stage == 0 else self.normed(x), 0.2)
        return self.conv(weights, "out.conv", x, padding=2)

    def prior(self, name):
        kept = [w for key, w in self.weights[name].items() if not key.startswith("encoder.")]
        return sum((w**2).mean() for w in kept) / self.config.training.batch

    def step(self, photos, paintings, maps):
        """A loss of one picture after the other; ``maps``: name -> picture -> maps and KL."""
        loss, batch_size = self.config.loss, len(photos)
        sides = {"painting": paintings, "photo": photos}
        of = {"painting": "painter", "photo": "photographer"}
        other = {"painting": "photo", "photo": "painting"}
        made = {side: [[] for _ in range(SAMPLES)] for side in sides}
        again = copy.deepcopy(made)
        kl = dict.fromkeys(sides, 0.0)
        last = {side: [] for side in sides}
        for side, name in of.items():
            for number in range(batch_size):
                for k in range(SAMPLES):
                    drawn, divergence = maps(name, k, number)
                    given = sides[other[side]][number : number + 1]
                    made[side][k].append(self.generated(name, given, drawn))
                    kl[side] = kl[side] + divergence / batch_size
                last[side].append(drawn)
        for side, name in of.items():
            for k in range(SAMPLES):
                for number in range(batch_size):
                    picture = made[other[side]][k][number]
                    again[side][k].append(self.generated(name, picture, last[side][number]))
        told, generators, judges = {}, 0.0, 0.0
        for side, real in sides.items():
            judge = f"{side}_discriminator"
            fakes = torch.cat([torch.cat(each) for each in made[side]])
            backs = torch.cat([torch.cat(each) for each in again[side]])
            adversarial = ((self.scores(judge, fakes) - 1) ** 2).mean()
            back = ((self.scores(judge, backs) - 1) ** 2).mean()
            cycle = sum((torch.cat(each) - real).abs().mean() for each in again[side])
            generators = generators + adversarial + loss.gamma * back + loss.cycle * cycle
            generators = generators + loss.kl * kl[side]
            of_real = SAMPLES * ((self.scores(judge, real) - 1) ** 2).mean()
            of_fake = (self.scores(judge, fakes.detach()) ** 2).mean()
            of_back = (self.scores(judge, backs.detach()) ** 2).mean()
            judged = 0.5 * (of_real + of_fake) + 0.5 * loss.gamma * (of_real + of_back)
            judges = judges + judged
            told |= {
                f"generator_adversarial_{side}": adversarial,
                f"back_adversarial_{side}": back if loss.gamma else back * 0,
                f"cycle_{side}": cycle,
                f"kl_{side}": kl[side] + torch.zeros(()),
                f"discriminator_{side}": judged,
            }
        told["prior_generators"] = sum(self.prior(name) for name in of.values())
        told["prior_discriminators"] = sum(self.prior(f"{side}_discriminator") for side in sides)
        generators = generators + loss.prior * told["prior_generators"]
        judges = judges + loss.prior * told["prior_discriminators"]
        self.update(generators, of.values(), SGD["rate"])
        self.update(judges, [f"{side}_discriminator" for side in sides], SGD["discriminator_rate"])
        return told

    def update(self, loss, names, rate):
        """One step of SGD; its first has no momentum yet."""
        weights = [weight for name in names for weight in self.weights[name].values()]
        for weight, gradient in zip(
            weights, torch.autograd.grad(loss, weights, retain_graph=True), strict=True
        ):
            weight.requires_grad_(False).sub_(rate * gradient)


@pytest.mark.parametrize(
    ("config", "changes"),
    [
        (CONFIG, {}),
        (CONFIG, {"loss": {"gamma": 0.0, "prior": 2.0, "kl": 0.7}}),
        (NOISE, {}),
        (NOISE, {"loss": {"gamma": 0.0}}),
    ],
)
def test_a_step_is_the_one_of_the_formulas(config, changes, monkeypatch):
    # In float64, where losses are float32 otherwise: rounding then hides nothing.
    monkeypatch.setattr(torch.Tensor, "float", torch.Tensor.double)
    config = changed(config, **changes)
    method = build(config)
    for network in method.networks.values():
        network.double()
    written = Written(method, config)
    photos, paintings = (pictures.double() for pictures in batch(method))
    if config.generator.network == "map_resnet":
        to_map = {"painter": paintings[2:], "photographer": photos[2:]}

        def maps(name, k, number):
            picture = to_map[name][2 * k + number][None]
            drawn, mean, log_variance = written.encoded(name, picture)
            return drawn, -0.5 * (1 + log_variance - mean**2 - log_variance.exp()).sum()

    else:
        draws = Draws(0)
        noise = {
            name: draws.normal_like(photos.new_empty(2, SAMPLES, 16, 16))
            for name in ("painter", "photographer")
        }

        def maps(name, k, number):
            return noise[name][number, k][None, None], 0.0

    expected = written.step(photos[:2], paintings[:2], maps)
    losses = method.step(photos, paintings, fraction=0.0, factor=1.0)
    told = torch.stack([expected[name].detach() for name in method.losses])
    torch.testing.assert_close(losses.double(), told, rtol=1e-6, atol=1e-12)
    before = build(config)
    for name, weights in written.weights.items():
        ours = dict(method.networks[name].named_parameters())
        first = dict(before.networks[name].named_parameters())
        assert ours.keys() == weights.keys()
        for key, weight in weights.items():
            torch.testing.assert_close(ours[key], weight, rtol=1e-6, atol=1e-9)
            # A bias before a norm has no effect, and an encoder no prior.
            moved = not torch.equal(first[key].double(), weight)
            assert moved or weight.ndim == 1, (name, key)


def test_only_noise_is_drawn_for_noise_and_only_pictures_are_taken_for_maps():
    assert (build().further, build(NOISE).further) == (SAMPLES, 0)
    untouched = Draws(0).state_dict()
    for config, drawn in ((CONFIG, False), (NOISE, True)):
        method = build(config)
        method.step(*batch(method), fraction=0.0, factor=1.0)
        same = [torch.equal(v, untouched[k]) for k, v in method.draws.state_dict().items()]
        assert all(same) != drawn


def test_an_encoder_learns_from_its_maps_and_its_code_from_the_divergence_alone():
    moved = {}
    for kl in (0.0, 0.1):
        method = build(changed(CONFIG, loss={"kl": kl}))
        before = copy.deepcopy(method.painter.state_dict())
        method.step(*batch(method), fraction=0.0, factor=1.0)
        after = method.painter.state_dict()
        moved[kl] = {key for key in before if not torch.equal(before[key], after[key])}
    codes = {f"encoder.{part}.{key}" for part in ("mean", "log_variance") for key in WEIGHT}
    assert moved[0.1] - moved[0.0] == codes
    assert "encoder.resnet.out.conv.weight" in moved[0.0]


WEIGHT = ("weight", "bias")


@pytest.mark.parametrize("config", [CONFIG, NOISE])
def test_a_step_after_loading_equals_one_without(config):
    whole, first, second = (
        build(changed(config, training={"pool": 4, "mc_samples": 1})) for _ in range(3)
    )
    for step in range(2):
        for method in (whole, first):
            method.step(*batch(method, step), fraction=0, factor=1)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    second.draws.load_state_dict(first.draws.state_dict())
    expected = whole.step(*batch(whole, 9), fraction=0, factor=1)
    assert torch.equal(second.step(*batch(whole, 9), fraction=0, factor=1), expected)
    for name, network in whole.networks.items():
        theirs = second.networks[name].state_dict()
        assert all(torch.equal(value, theirs[key]) for key, value in network.state_dict().items())


def test_two_processes_share_the_noise_of_one():
    photos = torch.zeros(4, 3, 16, 16)
    whole, _ = build(NOISE)._maps("painter", photos, photos)
    whole = whole.unflatten(0, (SAMPLES, 4))
    for rank in (0, 1):
        method = build(NOISE)
        method.draws = Draws(0, rank=rank, world=2)
        mine, _ = method._maps("painter", photos[:2], photos[:2])
        assert torch.equal(mine.unflatten(0, (SAMPLES, 2)), whole[:, rank::2])


@pytest.mark.parametrize("config", [CONFIG, NOISE])
def test_bf16_keeps_weights_and_losses_in_float32(config):
    method, exact = (
        build(changed(config, training={"precision": precision, "mc_samples": 1}))
        for precision in ("bf16", "float32")
    )
    pictures = batch(method)
    losses = method.step(*pictures, fraction=0, factor=1)
    expected = exact.step(*pictures, fraction=0, factor=1)
    assert losses.dtype == torch.float32
    assert not torch.equal(losses, expected)
    torch.testing.assert_close(losses, expected, rtol=0.1, atol=0.05)


def test_float16_steps_nearly_as_float32_or_not_at_all():
    method, exact = (
        build(changed(CONFIG, training={"precision": precision, "mc_samples": 1}))
        for precision in ("float16", "float32")
    )
    state = method.loss_scale.state_dict()
    state["scaler"]["scale"] = 2.0**4
    method.loss_scale.load_state_dict(state)
    pictures = batch(method)
    losses = method.advance(*pictures, fraction=0, factor=1)
    expected = exact.step(*pictures, fraction=0, factor=1)
    torch.testing.assert_close(losses, expected, rtol=0.05, atol=0.02)
    before = copy.deepcopy(method.painter.state_dict())
    state["scaler"]["scale"] = 2.0**40  # gradients overflow
    method.loss_scale.load_state_dict(state)
    assert method.advance(*pictures, fraction=0, factor=1) is None
    after = method.painter.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_batch_norm_sees_real_and_translated_pictures_apart_and_all_features_work():
    """With everything on that a discriminator may have: losses are numbers, and weights move."""
    config = changed(
        CONFIG,
        discriminator={"norm": "batch"},
        diffaugment={"color": 1.0, "translation": 1.0},
        loss={
            **{"adversarial": "bce", "label_noise": 0.1, "flip": 0.1, "lecam": 0.1},
            **{"input_noise": 0.1, "lecam_start": 0},
        },
        training={"pool": 3},
    )
    method = build(config)
    for step in range(2):
        losses = method.step(*batch(method, step), fraction=0.0, factor=1.0)
        assert torch.isfinite(losses).all()
    assert set(method.parts()) > {"painting_pool", "painting_lecam", "photo_pool", "photo_lecam"}


def test_steps_use_compiled_encoders_and_painting_compiles_nothing(monkeypatch):
    called = []

    def compile_(module, **_):
        def call(*given):
            called.append(type(module).__name__)
            return module.forward(*given)

        module._compiled_call_impl = call

    monkeypatch.setattr(torch.nn.Module, "compile", compile_)
    method = build(changed(CONFIG, training={"compile": True}))
    losses = method.step(*batch(method), fraction=0, factor=1)
    assert torch.equal(losses, build().step(*batch(method), fraction=0, factor=1))
    assert Counter(called) == {"MapEncoder": 2, "MapResNet": 4, "PatchGAN": 6}
    called.clear()
    photos = torch.zeros(3, 16, 16, 3, dtype=torch.uint8)
    Painter(method.painter, device=torch.device("cpu"), seed=0).paint(photos, first=0)
    assert not called


class Pictures:
    """A set of training pictures, each of one grey level."""

    def __init__(self, number):
        self.levels = torch.arange(number, dtype=torch.uint8)

    def __len__(self):
        return len(self.levels)

    def take(self, indices):
        return self.levels[indices][:, None, None, None].expand(-1, 16, 16, 3)


def test_each_generator_remembers_pictures_of_the_side_that_it_makes():
    method = build()
    method.remember(photos=Pictures(5), paintings=Pictures(100))
    painter, photographer = (method.networks[name] for name in ("painter", "photographer"))
    assert isinstance(painter, MapResNet)
    assert painter.examples[:, 0, 0, 0].tolist() == [i * 100 // 16 for i in range(16)]
    assert set(photographer.examples.flatten().tolist()) == set(range(5))
    build(NOISE).remember(photos=Pictures(5), paintings=Pictures(100))


def test_what_it_refuses():
    check(CONFIG)
    with pytest.raises(InputError, match=r"adversarial is hinge, but training\.method is bayes"):
        check(changed(CONFIG, loss={"adversarial": "hinge"}))
    with pytest.raises(InputError, match="nothing would be learnt"):
        check(changed(CONFIG, loss={"weight": 0.0, "cycle": 0.0}))
    with pytest.raises(InputError, match=r"needs picture, map -> picture") as caught:
        check(changed(CONFIG, generator={"network": "resnet"}))
    assert "noise_resnet or map_resnet" in caught.value.hint
    with pytest.raises(InputError, match=r"training\.pretrain is 2"):
        check(changed(CONFIG, training={"pretrain": 2}))
    with pytest.raises(InputError, match=r"augment\.crop is 16; expected 0"):
        build(changed(CONFIG, data={"size": 32}, augment={"crop": 16}))
    build(changed(NOISE, data={"size": 32}, augment={"crop": 16}))
