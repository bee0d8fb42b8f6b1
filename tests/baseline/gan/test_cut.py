"""CUT's step against its authors' loop, written out: passes of their own for keys and queries."""

import copy
import math

import pytest
import torch
from original_networks import BlurredPatchGAN
from original_networks import ResNet as OriginalResNet
from small import changed
from torch.nn import functional as F

from mifid.baseline.config.schema import Generator
from mifid.baseline.data.random_numbers import Draws
from mifid.baseline.distributed import ALONE
from mifid.baseline.gan.cut import Cut, patch_nce
from mifid.baseline.models import build_generator
from mifid.baseline.models.patch_features import PatchHeads, ResNetWithMaps, map_channels
from mifid.baseline.presets import PRESETS
from mifid.baseline.rules import check, idle
from mifid.errors import InputError

CPU = torch.device("cpu")
SIZE = 16
SMOOTH = {"eps": 1e-3}  # Adam makes whole steps of gradients that are nothing but rounding
AUTHORS = changed(
    data={"size": SIZE},
    generator={
        **{"width": 4, "blocks": 5, "norm": "plain_instance", "halving": "blur"},
        "upsample": "blur",
    },
    discriminator={"layers": 2, "halving": "blur", "norm": "plain_instance"},
    optimiser={"rate": 2e-3, "discriminator_rate": 3e-3, **SMOOTH},
    training={"method": "cut", "pool": 0},
)
FAST = {"nce": 10.0, "nce_identity": 0.0, "flip_equivariance": True}


class Noted(Draws):
    """Draws that remember what was drawn for all pictures; ``common`` numbers are given."""

    def __init__(self, *common):
        super().__init__(0)
        self.given, self.drawn = iter(common), []

    def common(self):
        return next(self.given)

    def places(self, number, *, of):
        self.drawn.append(super().places(number, of=of))
        return self.drawn[-1]


def build(config=AUTHORS, draws=None):
    torch.manual_seed(0)
    method = Cut(config, device=CPU, draws=draws or Draws(0), processes=ALONE)
    generator = torch.Generator().manual_seed(1)
    for network in method.networks.values():  # maps that matter, also those of the heads
        for weight in network.parameters():
            weight.data += 0.2 * torch.randn(weight.shape, generator=generator)
    return method


def batch(seed=0, number=2):
    generator = torch.Generator().manual_seed(seed)
    return (torch.rand(number, 3, SIZE, SIZE, generator=generator) * 2 - 1 for _ in range(2))


class Authors:
    """Park et al.'s loop: three optimisers, an encoder pass for each side of each loss."""

    def __init__(self, method):
        self.config = method.config
        config = method.config.generator
        self.painter = OriginalResNet(
            width=config.width, blocks=config.blocks, down="blur", up="blur"
        )
        self.critic = BlurredPatchGAN(width=4, layers=2)
        self.heads = [p.detach().clone().requires_grad_() for p in heads_of(method)]
        networks = method.networks
        for mine, theirs in (
            (self.painter, networks["painter"]),
            (self.critic, networks["painting_discriminator"]),
        ):
            pairs = zip(mine.parameters(), theirs.parameters(), strict=True)
            mine.double()
            for own, weight in pairs:
                own.data.copy_(weight)
        optimiser = self.config.optimiser
        self.optimisers = [
            torch.optim.Adam(weights, rate, betas=(0.5, 0.999), eps=optimiser.eps)
            for weights, rate in (
                (self.critic.parameters(), optimiser.discriminator_rate),
                (self.painter.parameters(), optimiser.rate),
                (self.heads, optimiser.rate),
            )
        ]

    def encode(self, x, flipped=False):
        maps = []
        for number, layer in enumerate(self.painter.model):
            x = layer(x)
            if number in (0, 4, 8, 12, 16):
                maps.append(x.flip(3) if flipped else x)
        return maps

    def project(self, number, values):
        one, bias_1, two, bias_2 = self.heads[4 * number : 4 * number + 4]
        made = F.linear(F.relu(F.linear(values, one, bias_1)), two, bias_2)
        return made / (made.pow(2).sum(1, keepdim=True).pow(0.5) + 1e-7)

    def nce(self, real, made, places, *, flipped):
        total = 0
        queries, keys = self.encode(made, flipped), self.encode(real)
        for number, (asked, given) in enumerate(zip(queries, keys, strict=True)):
            query, key = (
                self.project(
                    number, m.permute(0, 2, 3, 1).flatten(1, 2)[:, places[number]].flatten(0, 1)
                )
                for m in (asked, given)
            )
            total = total + self.contrast(query, key.detach(), pictures=len(real)).mean()
        return total / len(queries)

    def contrast(self, query, key, *, pictures):
        positive = (query * key).sum(1, keepdim=True)
        query, key = (each.view(pictures, -1, each.shape[1]) for each in (query, key))
        negative = torch.bmm(query, key.transpose(2, 1))
        places = query.shape[1]
        negative.masked_fill_(torch.eye(places, dtype=torch.bool)[None], -10.0)
        out = torch.cat([positive, negative.view(-1, places)], dim=1) / 0.07
        return F.cross_entropy(out, torch.zeros(len(out), dtype=torch.long), reduction="none")

    def step(self, photos, paintings, places, *, flipped):
        loss = self.config.loss
        real = torch.cat([photos, paintings]) if loss.nce_identity else photos
        made = self.painter(real.flip(3) if flipped else real)
        painted, same = made[: len(photos)], made[len(photos) :]
        critic, painter, heads = self.optimisers
        judged = 0.5 * (
            self.critic(painted.detach()).pow(2).mean() + (self.critic(paintings) - 1).pow(2).mean()
        )
        critic.zero_grad()
        judged.backward()
        critic.step()
        fooled = (self.critic(painted) - 1).pow(2).mean()
        of_photos = self.nce(photos, painted, places[0], flipped=flipped)
        of_paintings = (
            self.nce(paintings, same, places[1], flipped=flipped)
            if loss.nce_identity
            else made.new_zeros(())
        )
        total = fooled + loss.nce * of_photos + loss.nce_identity * of_paintings
        painter.zero_grad()
        heads.zero_grad()
        total.backward()
        painter.step()
        heads.step()
        return torch.stack([fooled, of_photos, of_paintings, judged]).detach()


def heads_of(method):
    return list(method.networks["heads"].parameters())


@pytest.mark.parametrize(
    ("loss", "common"),
    [({}, ()), (FAST, (0.2, 0.7, 0.1)), ({"flip_equivariance": True}, (0.9, 0.4, 0.3))],
)
def test_three_steps_equal_the_authors_loop(loss, common, monkeypatch):
    """In float64, which the step would leave for its losses: no rounding is near the bounds."""
    monkeypatch.setattr(torch.Tensor, "float", lambda self: self)
    draws = Noted(*common)
    method = build(changed(AUTHORS, loss=loss), draws)
    for network in method.networks.values():
        network.double()
    authors = Authors(method)
    groups = 2 if method.config.loss.nce_identity else 1
    for number in range(3):
        photos, paintings = (each.double() for each in batch(number))
        draws.drawn.clear()
        losses = method.step(photos, paintings, fraction=0.0, factor=1.0)
        places = [draws.drawn[group::groups] for group in range(groups)]
        flipped = bool(common) and common[number] < 0.5
        expected = authors.step(photos, paintings, places, flipped=flipped)
        torch.testing.assert_close(losses, expected, rtol=1e-6, atol=0, check_dtype=False)
    pairs = (
        *zip(method.painter.parameters(), authors.painter.parameters(), strict=True),
        *zip(heads_of(method), authors.heads, strict=True),
        *zip(
            method.networks["painting_discriminator"].parameters(),
            authors.critic.parameters(),
            strict=True,
        ),
    )
    for ours, theirs in pairs:
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-9)


def test_places_are_256_different_ones_of_each_map_or_all():
    draws = Noted()
    build(AUTHORS, draws).step(*batch(), fraction=0, factor=1)
    sides = [SIZE + 6, SIZE, SIZE // 2, SIZE // 4, SIZE // 4]
    expected = [min(256, side**2) for side in sides for _ in range(2)]
    assert [len(each.unique()) for each in draws.drawn] == expected
    assert not torch.equal(draws.drawn[0], draws.drawn[1])  # photos and paintings have their own
    for each, side in zip(draws.drawn[::2], sides, strict=True):
        assert 0.4 * side**2 < each.float().mean() < 0.6 * side**2


def test_patch_nce_of_known_products():
    e = math.exp(1 / 0.07)
    unit = torch.eye(5)[None].double()
    assert patch_nce(unit, unit).item() == pytest.approx(-math.log(e / (e + 4)))
    same = torch.zeros(2, 7, 3).double()
    same[..., 0] = 1
    torch.testing.assert_close(patch_nce(same, same), torch.full((2,), math.log(7)).double())
    assert patch_nce(unit, unit.roll(1, 1)).item() == pytest.approx(-math.log(1 / (e + 4)))


def test_heads_have_as_many_weights_as_the_authors():
    with torch.device("meta"):
        heads = PatchHeads(map_channels(Generator(width=64, blocks=9)))
    assert sum(p.numel() for p in heads.parameters()) == 560_384


@pytest.mark.parametrize(("blocks", "kept"), [(1, [1]), (2, [1, 2]), (5, [1, 5]), (9, [1, 5])])
@pytest.mark.parametrize("norm", ["plain_instance", "none"])
def test_maps_are_those_before_the_norms_and_of_the_blocks(blocks, kept, norm):
    config = Generator(network="resnet", width=4, blocks=blocks, norm=norm, halving="blur")
    network = build_generator(config, size=SIZE, seed=0)
    seen = {}
    for name in ("down1.conv", "down2.conv", *(f"blocks.{n - 1}" for n in kept)):
        note = lambda _, __, made, name=name: seen.update({name: made.detach().clone()})  # noqa: E731
        network.get_submodule(name).register_forward_hook(note)
    x, _ = batch()
    expected = network(x)
    with torch.no_grad():
        picture, maps = ResNetWithMaps(network)(x, paint=True)
        nothing, again = ResNetWithMaps(network)(x, paint=False)
    torch.testing.assert_close(picture, expected)
    assert nothing is None
    assert [each.shape[1] for each in maps] == map_channels(config)
    torch.testing.assert_close(maps[0], F.pad(x, (3, 3, 3, 3), mode="reflect"))
    for found in (maps, again):
        for one, other in zip(found[1:], seen.values(), strict=True):
            assert torch.equal(one, other)


@pytest.mark.parametrize("loss", [{}, FAST])
@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_a_step_after_loading_equals_one_without(loss, precision):
    config = changed(AUTHORS, loss=loss, generator={"blocks": 1}, training={"precision": precision})
    whole, first, second = (build(config) for _ in range(3))
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


@pytest.mark.parametrize("common", [0.1, 0.9])
def test_bf16_has_the_gradients_of_float32(common):
    """Also after keys of a pass without gradients, whose cast weights autocast must not keep."""
    sgd = {"name": "sgd", "rate": 1.0, "discriminator_rate": 0.0, "momentum": 0.0}
    moved = []
    for precision in ("float32", "bf16"):
        config = changed(AUTHORS, loss=FAST, optimiser=sgd, training={"precision": precision})
        method = build(config, Noted(common))
        before = copy.deepcopy(method.painter.state_dict())
        losses = method.step(*batch(), fraction=0, factor=1)
        assert losses.dtype == torch.float32
        moves = [(v - before[k]).flatten() for k, v in method.painter.state_dict().items()]
        moved.append(torch.cat(moves))
    # bfloat16's rounding of so small a network leaves 0.7 to 0.97, by the pictures.
    assert F.cosine_similarity(*moved, dim=0) > 0.6


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")  # dynamo's
def test_compiled_networks_learn_the_same_and_compile_once(monkeypatch):
    """With dynamo's own graphs and no code generation, which would need a compiler here."""
    graphs = []

    def backend(graph, _example_inputs):
        graphs.append(graph)
        return graph.forward

    compile_ = torch.nn.Module.compile
    monkeypatch.setattr(
        torch.nn.Module, "compile", lambda self, **given: compile_(self, backend=backend, **given)
    )
    torch.compiler.reset()
    flips = changed(AUTHORS, loss={"flip_equivariance": True}, generator={"blocks": 1})
    compiled = build(changed(flips, training={"compile": True}), Noted(0.1, 0.9, 0.1, 0.9))
    plain = build(flips, Noted(0.1, 0.9, 0.1, 0.9))
    counts = []
    for step in range(4):
        losses = compiled.step(*batch(step), fraction=0, factor=1)
        expected = plain.step(*batch(step), fraction=0, factor=1)
        torch.testing.assert_close(losses, expected, rtol=1e-3, atol=1e-4)
        counts.append(len(graphs))
    assert counts[1] > 2
    assert counts[1] == counts[3]


def test_the_discriminator_moves_first_and_alone_learns_from_its_loss():
    still = build(changed(AUTHORS, optimiser={"rate": 0.0}))
    before = copy.deepcopy({n: w.state_dict() for n, w in still.networks.items()})
    still.step(*batch(), fraction=0, factor=1)
    moved = {
        name: not all(torch.equal(before[name][k], v) for k, v in network.state_dict().items())
        for name, network in still.networks.items()
    }
    assert moved == {"painter": False, "painting_discriminator": True, "heads": False}


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"generator": {"network": "unet", "halving": "stride"}}, "generator.network is unet"),
        ({"generator": {"network": "skip_resnet"}}, "generator.network is skip_resnet"),
        ({"loss": {"weight": 0.0, "nce": 0.0, "nce_identity": 0.0}}, "nothing would be learnt"),
        ({"training": {"pretrain": 2}}, "cannot learn to copy"),
    ],
)
def test_what_cannot_be_is_refused(section, message):
    check(AUTHORS)
    with pytest.raises(InputError, match=message):
        check(changed(AUTHORS, **section))


def test_settings_of_cycles_are_idle_and_cuts_own_elsewhere():
    own = {"loss.nce", "loss.nce_identity", "loss.flip_equivariance"}
    assert {"loss.cycle", "loss.identity", "loss.photo_weight"} <= idle(PRESETS["cut"].config)
    assert not own & idle(PRESETS["fastcut"].config)
    assert own <= idle(PRESETS["cyclegan-paper"].config)
