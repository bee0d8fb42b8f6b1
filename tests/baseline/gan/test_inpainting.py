"""Inpainting: masks, a step against a plain one, samples, and what is refused."""

import copy

import numpy as np
import pytest
import torch
from small import changed
from torch.nn import functional as F

from mifid.baseline.data.random_numbers import Draws
from mifid.baseline.distributed import ALONE
from mifid.baseline.gan.inpainting import Inpainting, masked
from mifid.baseline.gan.method import Shown
from mifid.baseline.rules import check, idle
from mifid.errors import InputError

CONFIG = changed(
    inpainting={"tile": 6},
    optimiser={"name": "adamw", "rate": 0.01, "beta1": 0.9, "beta2": 0.99, "weight_decay": 0.05},
    training={"method": "inpainting"},
)


def build(config=CONFIG):
    return Inpainting(config, device=torch.device("cpu"), draws=Draws(0), processes=ALONE)


def batch(seed=0, number=3):
    generator = torch.Generator().manual_seed(seed)
    return [torch.rand(number, 3, 16, 16, generator=generator) * 2 - 1 for _ in range(2)]


def plain_mask(whole, draws):
    """The same holes, pixel by pixel: 3 x 3 tiles of 6 pixels, the last ones cut."""
    drawn = draws.uniform(whole, 1, 3, 3)
    given = whole.clone()
    for number in range(len(whole)):
        for row in range(16):
            for column in range(16):
                if drawn[number, 0, row // 6, column // 6] <= 0.4:
                    given[number, :, row, column] = -1
    return given


@pytest.mark.parametrize("sides", ["both", "paintings", "photos"])
@pytest.mark.parametrize("norm", ["instance", "batch"])
def test_three_steps_equal_a_plain_loop(sides, norm):
    config = changed(CONFIG, inpainting={"domains": sides}, generator={"norm": norm})
    method = build(config)
    network = copy.deepcopy(method.painter)
    optimiser = torch.optim.AdamW(network.parameters(), 0.01, (0.9, 0.99), weight_decay=0.05)
    draws = Draws(0)
    for step in range(3):
        photos, paintings = batch(step)
        losses = dict(
            zip(method.losses, method.step(photos, paintings, fraction=0, factor=1), strict=True)
        )
        told = {"inpainting_painting": torch.zeros(()), "inpainting_photo": torch.zeros(())}
        for side, whole in (("painting", paintings), ("photo", photos)):
            if sides in ("both", f"{side}s"):
                filled = network(plain_mask(whole, draws))
                told[f"inpainting_{side}"] = F.l1_loss(filled, whole)
        optimiser.zero_grad()
        (sum(told.values()) / (2 if sides == "both" else 1)).backward()
        optimiser.step()
        for name, value in told.items():
            torch.testing.assert_close(losses[name], value.detach(), rtol=1e-5, atol=1e-6)
    ours = dict(method.painter.named_parameters())
    for name, weight in network.named_parameters():
        torch.testing.assert_close(ours[name], weight, rtol=1e-3, atol=1e-4)


def test_tiles_are_black_as_often_as_is_asked_for():
    drawn = torch.rand(400, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    holes = masked(torch.ones(400, 3, 256, 256), drawn, 0.4, tile=32)
    tiles = holes.unfold(2, 32, 32).unfold(3, 32, 32).flatten(4)
    assert torch.equal(tiles.amin(-1), tiles.amax(-1))
    assert (holes == -1).float().mean().item() == pytest.approx(0.4, abs=0.015)


def test_samples_are_masked_filled_and_whole_and_the_same_each_time():
    method = build()
    photos = np.random.RandomState(0).randint(1, 256, (4, 16, 16, 3), dtype=np.uint8)
    shown = []

    def show(network, pictures):
        assert network is method.painter
        shown.append(pictures)
        return Shown(255 - pictures, {})

    state = method.draws.state_dict()
    columns = method.columns(method.painter, photos, show)
    assert list(columns) == ["masked", "filled", "original"]
    assert columns["original"] is photos
    holes = columns["masked"] != photos
    assert 0.2 < holes.mean() < 0.6
    assert not columns["masked"][holes].any()
    assert np.array_equal(columns["filled"], 255 - columns["masked"])
    assert np.array_equal(method.columns(method.painter, photos, show)["masked"], shown[0])
    assert torch.equal(method.draws.state_dict()["small"], state["small"])  # training stays


def test_it_goes_on_bit_for_bit():
    whole, first, second = build(), build(), build()
    for step in range(2):
        whole.step(*batch(step), fraction=0, factor=1)
        first.step(*batch(step), fraction=0, factor=1)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    second.draws.load_state_dict(first.draws.state_dict())
    expected = whole.step(*batch(9), fraction=0, factor=1)
    assert torch.equal(second.step(*batch(9), fraction=0, factor=1), expected)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"tile": 16}, "inpainting.tile is 16; expected less than the 16 pixels"),
        ({"masked": 0.0}, "inpainting.masked is 0; expected more than 0"),
        ({"masked": 1.0}, "inpainting.masked is 1; expected more than 0 and less than 1"),
    ],
)
def test_masks_that_teach_nothing_are_refused(values, message):
    with pytest.raises(InputError, match=message):
        check(changed(CONFIG, inpainting=values))


def test_settings_without_effect_are_named_and_discriminators_do_not_matter():
    without = idle(CONFIG)
    assert {"loss.cycle", "discriminator.width", "diffaugment.color", "training.pool"} <= without
    assert not {"inpainting.tile", "generator.width", "optimiser.weight_decay"} & without
    assert {"inpainting.tile", "inpainting.masked", "inpainting.domains"} <= idle(changed())
    check(changed(CONFIG, discriminator={"network": "batch_patchgan"}))
    check(changed(CONFIG, diffaugment={"color": 0.5, "discriminators": "paintings"}))
    with pytest.raises(InputError, match="needs picture -> picture"):
        check(changed(CONFIG, generator={"network": "dcgan"}))
