"""Training steps of other methods, written as their authors' code is, for comparison with ours.

All have separate passes of real and of generated pictures, ``InstanceNorm2d``, Adam with torch's
defaults, and read each loss. Beside that:

ugatit          the discriminators' step makes the pictures and goes back through the generators,
                the generators' step makes them again; both compute gradients of all networks
cut             the keys and queries of photos and of paintings are maps of four passes of the
                encoder, beside the pass that makes the pictures
bayes_cyclegan  a pass for each map; pictures that are translated back go through the
                discriminators, also where their losses have the weight 0
uvcgan2         a backward pass for each cycle, identity, gradient penalty and discriminator

Sources: znxlwm/UGATIT-pytorch, taesungp/contrastive-unpaired-translation, ranery/Bayesian-CycleGAN
(with noise), LS4GAN/uvcgan2.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Adam

from mifid.baseline.config import Config
from mifid.baseline.data import Draws
from mifid.baseline.gan import Method
from mifid.baseline.models import ResNetWithMaps
from mifid.baseline.models.norms import InstanceNorm
from mifid.baseline.models.ugatit_generator import LayerInstanceNorm

Step = Callable[[Tensor, Tensor], dict[str, float]]
SIDES = ("painting", "photo")


def ugatit(method: Method) -> Step:
    """Return the step of U-GAT-IT."""
    config, networks = method.config, _as_authors(method)
    painter, photographer, *critics = networks.values()
    generators = _adam(config, painter, photographer)
    discriminators = _adam(config, *critics)
    rhos = [
        weight
        for network in (painter, photographer)
        for name, weight in network.named_parameters()
        if name.endswith("rho")
    ]

    def step(photos: Tensor, paintings: Tensor) -> dict[str, float]:
        discriminators.zero_grad()
        fakes = painter(photos)[0], photographer(paintings)[0]
        judged = [
            _to(1, *critic(real)) + _to(0, *critic(fake))
            for critic, real, fake in zip(critics, (paintings, photos), fakes, strict=True)
        ]
        sum(judged).backward()
        discriminators.step()
        generators.zero_grad()
        losses = {}
        both = (painter, photographer, critics[0]), (photographer, painter, critics[1])
        for side, (forth, back, critic), own, other in zip(
            SIDES, both, (paintings, photos), (photos, paintings), strict=True
        ):
            made, of_other, _ = forth(other)
            same, of_own, _ = forth(own)
            losses[f"generator_adversarial_{side}"] = _to(1, *critic(made))
            losses[f"cycle_{SIDES[1 - SIDES.index(side)]}"] = F.l1_loss(back(made)[0], other)
            losses[f"identity_{side}"] = F.l1_loss(same, own)
            losses[f"attention_{side}"] = _entropy(of_other, 1) + _entropy(of_own, 0)
        weights = {
            "generator": config.loss.weight,
            "cycle": config.loss.cycle,
            "identity": config.loss.identity,
            "attention": config.loss.cam,
        }
        sum(weights[name.split("_")[0]] * part for name, part in losses.items()).backward()
        generators.step()
        for rho in rhos:
            rho.data.clamp_(0, 1)
        return _read(losses | _named("discriminator", judged))

    return step


def cut(method: Method) -> Step:
    """Return the step of CUT, with paintings in PatchNCE and without mirrored photos."""
    config, networks, draws = method.config, _as_authors(method), Draws(0)
    painter, critic, heads = networks.values()
    encoder = partial(ResNetWithMaps(painter), paint=False)
    of_painter, of_critic, of_heads = (_adam(config, each) for each in networks.values())

    def contrast(made: Tensor, given: Tensor, places: list[Tensor]) -> Tensor:
        query, key = (
            heads([_at(maps, place) for maps, place in zip(encoder(x)[1], places, strict=True)])
            for x in (made, given)
        )
        return torch.stack(list(map(_patch_nce, query, key))).mean()

    def step(photos: Tensor, paintings: Tensor) -> dict[str, float]:
        made, same = painter(torch.cat([photos, paintings])).chunk(2)
        critic.requires_grad_(True)
        of_critic.zero_grad()
        judged = 0.5 * (_to(0, critic(made.detach())) + _to(1, critic(paintings)))
        judged.backward()
        of_critic.step()
        critic.requires_grad_(False)
        of_painter.zero_grad()
        of_heads.zero_grad()
        adversarial = _to(1, critic(made))
        # The same places as ours, for the same losses.
        places = [[draws.places(256, of=number) for _ in SIDES] for number in _pixels(photos)]
        of_photos, of_paintings = (
            contrast(x, of, [both[side] for both in places])
            for side, (x, of) in enumerate([(made, photos), (same, paintings)])
        )
        loss = config.loss
        total = loss.weight * adversarial + loss.nce * of_photos + loss.nce_identity * of_paintings
        total.backward()
        of_painter.step()
        of_heads.step()
        return _read(
            {
                "generator_adversarial_painting": adversarial,
                "nce_photo": of_photos,
                "nce_painting": of_paintings,
                "discriminator_painting": judged,
            }
        )

    return step


def bayes_z(method: Method) -> Step:
    """Return the step of Bayesian CycleGAN with noise."""
    config, networks, draws = method.config, _as_authors(method), Draws(0)
    loss, samples = config.loss, config.training.mc_samples
    painter, photographer, *critics = networks.values()
    generators = _adam(config, painter, photographer)
    optimisers = [_adam(config, critic) for critic in critics]

    def step(photos: Tensor, paintings: Tensor) -> dict[str, float]:
        owns, others = (paintings, photos), (photos, paintings)
        noise = [_drawn(draws, own, samples) for own in owns]
        both = (painter, photographer)
        generators.zero_grad()
        made = [
            torch.cat([network(other, each) for each in maps])
            for network, other, maps in zip(both, others, noise, strict=True)
        ]
        again = [
            network(translated, maps[-1].repeat(samples, 1, 1, 1))
            for network, translated, maps in zip(both, reversed(made), noise, strict=True)
        ]
        adversarial = [_to(1, critic(x)) for critic, x in zip(critics, made, strict=True)]
        back = [loss.gamma * _to(1, critic(x)) for critic, x in zip(critics, again, strict=True)]
        cycles = [
            torch.stack([F.l1_loss(part, own) for part in x.chunk(samples)]).sum()
            for x, own in zip(again, owns, strict=True)
        ]
        prior = _prior(config, painter) + _prior(config, photographer)
        total = loss.weight * sum(adversarial + back) + loss.cycle * sum(cycles)
        (total + loss.prior * prior).backward()
        generators.step()
        judged, priors = [], []
        for critic, optimiser, real, fake, twice in zip(
            critics, optimisers, owns, made, again, strict=True
        ):
            optimiser.zero_grad()
            on_fake, on_twice = _to(0, critic(fake.detach())), _to(0, critic(twice.detach()))
            on_real = samples * _to(1, critic(real))
            own = 0.5 * (on_real + on_fake) + 0.5 * loss.gamma * (on_real + on_twice)
            priors.append(_prior(config, critic))
            (own + loss.prior * priors[-1]).backward()
            optimiser.step()
            judged.append(own)
        nothing = torch.zeros(2)
        return _read(
            _named("generator_adversarial", adversarial)
            | _named("back_adversarial", back)
            | _named("cycle", cycles)
            | _named("kl", list(nothing))
            | _named("discriminator", judged)
            | {"prior_generators": prior, "prior_discriminators": torch.stack(priors).sum()}
        )

    return step


def uvcgan2(method: Method) -> Step:
    """Return the step of UVCGANv2."""
    config, networks, draws = method.config, _as_authors(method), Draws(0)
    loss = config.loss
    painter, photographer, *critics = networks.values()
    generators, discriminators = _adam(config, painter, photographer), _adam(config, *critics)
    queues: list[dict[str, list[Tensor]]] = [{"real": [], "fake": []} for _ in SIDES]

    def penalty(
        critic: nn.Module, real: Tensor, fake: Tensor, of: dict[str, list[Tensor]]
    ) -> Tensor:
        share = draws.uniform(real[:1]).squeeze()
        mixed = torch.lerp(fake, real, share).requires_grad_()
        earlier = (
            torch.lerp(*map(torch.cat, (of["fake"], of["real"])), share) if of["real"] else None
        )
        scores = critic(mixed, earlier).mean(dim=(1, 2, 3)).sum()
        (gradient,) = torch.autograd.grad(scores, mixed, create_graph=True)
        return (2 * gradient).square().sum(dim=(1, 2, 3)).mean()

    def queued(critic: nn.Module, pictures: Tensor, queue: list[Tensor]) -> Tensor:
        body = critic.get_submodule("body")(pictures)
        scores: Tensor = critic.get_submodule("head")(body, torch.cat(queue) if queue else None)
        queue[:] = [*queue, *body.detach().split(1)][-3:]
        return scores

    def step(photos: Tensor, paintings: Tensor) -> dict[str, float]:
        losses, made = {}, []
        for critic in critics:
            critic.requires_grad_(False)
        generators.zero_grad()
        for side, forth, back, critic, other, queue in zip(
            SIDES, (painter, photographer), (photographer, painter), critics, (photos, paintings),
            queues, strict=True,
        ):  # fmt: skip
            fake = forth(other)
            earlier = torch.cat(queue["fake"]) if queue["fake"] else None
            adversarial, cycle = _to(1, critic(fake, earlier)), 0.5 * F.l1_loss(back(fake), other)
            (loss.weight * adversarial + loss.cycle * cycle).backward()
            losses[f"generator_adversarial_{side}"] = adversarial
            losses[f"cycle_{SIDES[1 - SIDES.index(side)]}"] = cycle
            made.append(fake.detach())
        for side, network, own in zip(
            SIDES, (painter, photographer), (paintings, photos), strict=True
        ):
            same = 0.5 * F.l1_loss(network(own), own)
            (loss.identity * same).backward()
            losses[f"identity_{side}"] = same
        generators.step()
        discriminators.zero_grad()
        for side, critic, real, fake, queue in zip(
            SIDES, critics, (paintings, photos), made, queues, strict=True
        ):
            critic.requires_grad_(True)
            steep = penalty(critic, real, fake, queue)
            (loss.gradient_penalty * steep).backward()
            on_real = _to(1, queued(critic, real, queue["real"]))
            judged = 0.5 * (on_real + _to(0, queued(critic, fake, queue["fake"])))
            judged.backward()
            losses[f"gradient_penalty_{side}"] = steep
            losses[f"discriminator_{side}"] = judged + loss.gradient_penalty * steep
        discriminators.step()
        return _read(losses)

    return step


LOOPS: Mapping[str, Callable[[Method], Step]] = {
    "ugatit": ugatit,
    "cut": cut,
    "bayes-z": bayes_z,
    "uvcgan2": uvcgan2,
}
"""Preset -> its method's loop, of our networks, which are rewritten."""


def _as_authors(method: Method) -> Mapping[str, nn.Module]:
    """Return the networks of a method with the norms that its authors' code has."""
    for network in method.networks.values():
        for module in list(network.modules()):
            for name, child in module.named_children():
                if isinstance(child, InstanceNorm):
                    written = nn.InstanceNorm2d(child.num_channels, affine=child.affine)
                    setattr(module, name, written)
                elif isinstance(child, LayerInstanceNorm):
                    setattr(module, name, _LayerInstanceNorm(child))
    return method.networks


class _LayerInstanceNorm(nn.Module):
    """U-GAT-IT's AdaLIN and LIN, with the weights of ours."""

    def __init__(self, ours: LayerInstanceNorm) -> None:
        super().__init__()
        self.rho, self.weight, self.bias = ours.rho, ours.weight, ours.bias

    def forward(
        self, x: Tensor, scale: Tensor | None = None, shift: Tensor | None = None
    ) -> Tensor:
        """Normalise ``x`` (B, C, H, W); AdaLIN is given scale and shift, (B, C)."""
        scale, shift = (scale, shift) if self.weight is None else (self.weight, self.bias)
        assert scale is not None
        assert shift is not None
        normed = [
            (x - x.mean(over, keepdim=True)) / (x.var(over, keepdim=True) + 1e-5).sqrt()
            for over in ((2, 3), (1, 2, 3))
        ]
        rho = self.rho[:, None, None]
        both = rho * normed[0] + (1 - rho) * normed[1]
        return both * scale[..., None, None] + shift[..., None, None]


def _adam(config: Config, *networks: nn.Module) -> Adam:
    of = config.optimiser
    weights = [weight for network in networks for weight in network.parameters()]
    return Adam(weights, of.rate, (of.beta1, of.beta2), weight_decay=of.weight_decay)


def _drawn(draws: Draws, like: Tensor, samples: int) -> list[Tensor]:
    """Return the maps of noise that ours draws, (B, 1, S, S) each."""
    batch, _, height, width = like.shape
    noise = draws.normal_like(like.new_empty(batch, samples, height, width))
    return list(noise.transpose(0, 1).unsqueeze(2))


def _prior(config: Config, network: nn.Module) -> Tensor:
    squares = [weight.square().mean() for weight in network.parameters()]
    return torch.stack(squares).sum() / config.training.batch


def _to(label: float, *scores: Tensor) -> Tensor:
    """Return the sum of mean squared distances from a label."""
    return torch.stack([(each - label).square().mean() for each in scores]).sum()


def _entropy(logits: Tensor, label: float) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, label))


def _at(maps: Tensor, places: Tensor) -> Tensor:
    """Return (B, P, C): maps (B, C, H, W) at places."""
    return maps.permute(0, 2, 3, 1).flatten(1, 2)[:, places]


def _pixels(photos: Tensor) -> list[int]:
    """Return the sizes of CUT's maps: the mirrored border adds 3 pixels at each edge."""
    side = photos.shape[-1]
    return [(side + 6) ** 2, side**2, (side // 2) ** 2, (side // 4) ** 2, (side // 4) ** 2]


def _patch_nce(query: Tensor, key: Tensor) -> Tensor:
    """Return PatchNCE of (B, P, C), the own place first, and -10 instead of it among the others."""
    key = key.detach()
    own = (query * key).sum(dim=2, keepdim=True)
    others = torch.bmm(query, key.transpose(1, 2))
    others.masked_fill_(torch.eye(query.shape[1], dtype=torch.bool)[None], -10.0)
    similar = torch.cat([own, others], dim=2).flatten(0, 1) / 0.07
    return F.cross_entropy(similar, torch.zeros(len(similar), dtype=torch.long))


def _named(kind: str, parts: Sequence[Tensor]) -> dict[str, Tensor]:
    return {f"{kind}_{side}": part for side, part in zip(SIDES, parts, strict=True)}


def _read(losses: Mapping[str, Tensor]) -> dict[str, float]:
    return {name: value.item() for name, value in losses.items()}
