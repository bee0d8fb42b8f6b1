"""Options: each changes what it should, and what cannot be built is refused in plain words."""

import dataclasses
import re

import pytest
import torch

from mifid.baseline.config.schema import Discriminator, Generator
from mifid.baseline.models import (
    DISCRIMINATORS,
    GENERATORS,
    build_discriminator,
    build_generator,
)
from mifid.errors import InputError

EVERY = {
    "norm": "group",
    "norm_eps": 0.1,
    "activation": "gelu",
    "slope": 0.5,
    "init": 0.1,
    "init_type": "xavier",
    "norm_init": 0.5,
    "width": 12,
}
RESIDUAL = {
    "blocks": 3,
    "kernel": 5,
    "dropout": 0.5,
    "residual_activation": True,
    "first_norm": False,
}
ATTENTIVE = {"init": 0.1, "init_type": "torch", "width": 12}
READ = {
    "unet": {
        **{**EVERY, "depth": 2, "kernel": 3, "upsample": "resize", "halving": "average"},
        **{"dropout": 0.5, "outer_dropout": 0.5, "down_activation": "relu", "skip_relu": True},
    },
    "attention_unet": {
        **{**EVERY, "depth": 2, "kernel": 3, "upsample": "resize", "halving": "average"},
        **{"dropout": 0.5, "outer_dropout": 0.5, "down_activation": "relu", "attention": "none"},
    },
    "resnet": {**EVERY, **RESIDUAL, "upsample": "resize", "halving": "average"},
    "skip_resnet": {**EVERY, **RESIDUAL, "upsample": "resize", "halving": "average"},
    "dcgan": {**EVERY, "upsample": "resize", "latent": 5},
    "uvcgan": {**EVERY, "depth": 2, "blocks": 3},
    # The epsilon of uvcgan2's LayerNorms has an effect once its gates open.
    "uvcgan2": {
        **{k: v for k, v in EVERY.items() if k not in ("norm", "norm_eps")},
        **{"depth": 2, "blocks": 3},
    },
    "ugatit": {**ATTENTIVE, "norm_eps": 0.1, "blocks": 3},
    "ugatit_full": {**ATTENTIVE, "norm_eps": 0.1, "blocks": 3},
}
READ |= dict.fromkeys(("noise_resnet", "map_resnet"), READ["resnet"])
JUDGED = {
    **{**EVERY, "kernel": 5, "halving": "average"},
    **{"dropout": 0.5, "sigmoid": True, "noise": 0.5, "heads": 2},
}
PATCHES = {**JUDGED, "layers": 2, "pooling": True}
READ_BY_DISCRIMINATORS = {
    "patchgan": {**PATCHES, "wide_padding": True},
    "double_patchgan": PATCHES,
    "dcgan": JUDGED,
    "batch_patchgan": {
        **{k: v for k, v in PATCHES.items() if k != "noise"},
        "batch_head": "deviation",
    },
    "ugatit": {**ATTENTIVE, "layers": 2, "slope": 0.5},
}


def outcome(build, config):
    """Shapes of all weights, and what the network makes of fixed pictures in training mode."""
    network = build(config, size=32, seed=0)
    shapes = {key: value.shape for key, value in network.state_dict().items()}
    generator = torch.Generator().manual_seed(0)
    pictures = torch.randn(2, 3, 32, 32, generator=generator)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        if isinstance(config, Discriminator):
            made = network(pictures)
            return shapes, made if torch.is_tensor(made) else torch.cat([m.flatten() for m in made])
        noise = torch.randn(2, *network.noise, generator=generator) if network.noise else None
        return shapes, network.paint(pictures if network.sees_pictures else None, noise).picture


def differs(build, config, **changes) -> bool:
    before, after = outcome(build, config), outcome(build, dataclasses.replace(config, **changes))
    return before[0] != after[0] or not torch.equal(before[1], after[1])


@pytest.mark.parametrize(
    ("name", "setting", "value"),
    [(name, *item) for name, read in READ.items() for item in read.items()],
)
def test_a_generator_reads_its_options(name, setting, value):
    config = Generator(network=name, width=8, blocks=2, latent=6, activation="leaky_relu")
    assert differs(build_generator, config, **{setting: value})


@pytest.mark.parametrize(
    ("name", "setting", "value"),
    [(name, *item) for name, read in READ_BY_DISCRIMINATORS.items() for item in read.items()],
)
def test_a_discriminator_reads_its_options(name, setting, value):
    config = Discriminator(network=name, width=8, layers=1)
    assert differs(build_discriminator, config, **{setting: value})


def test_every_option_is_read_by_some_network():
    fields = {field.name for field in dataclasses.fields(Generator)}
    fields -= {"network", "paint_dropout"}  # the latter says how a network paints
    assert set(READ) == set(GENERATORS)
    assert set().union(*READ.values()) == fields
    fields = {field.name for field in dataclasses.fields(Discriminator)} - {"network"}
    assert set(READ_BY_DISCRIMINATORS) == set(DISCRIMINATORS)
    assert set().union(*READ_BY_DISCRIMINATORS.values()) == fields


@pytest.mark.parametrize(
    "name", dict.fromkeys(Generator.__dataclass_fields__["activation"].metadata["choices"])
)
def test_every_activation_the_settings_offer_is_there_and_no_two_are_alike(name):
    config = Generator(network="resnet", width=8, blocks=1, activation=name)
    others = {"relu": "silu"}.get(name, "relu")
    assert differs(build_generator, config, activation=others)


@pytest.mark.parametrize("kernel", [2, 3, 4, 5, 6, 7])
@pytest.mark.parametrize("upsample", ["transposed", "resize"])
def test_a_unet_keeps_the_size_with_any_kernel(kernel, upsample):
    config = Generator(width=4, kernel=kernel, upsample=upsample)
    assert outcome(build_generator, config)[1].shape == (2, 3, 32, 32)


REFUSED = [
    (
        Generator(depth=5),
        48,
        "generator.depth is 5; expected 4 or less",
        "Set generator.depth to 4 or less, or to 0 for as deep as the size allows.",
    ),
    (
        Generator(),
        33,
        "data.size is 33; expected an even number",
        "Set data.size to 32 or 34; best are 128 and 256.",
    ),
    (
        Generator(kernel=1),
        32,
        "generator.kernel is 1; expected 2 or more",
        "Set generator.kernel to 4, or to 0 for the network's own.",
    ),
    (
        Generator(network="resnet"),
        30,
        "data.size is 30; expected a number divisible by 4",
        "Set data.size to 28 or 32.",
    ),
    (
        Generator(network="skip_resnet", kernel=4),
        32,
        "generator.kernel is 4; expected an odd number",
        "Set generator.kernel to 3 or 5.",
    ),
    (
        Generator(network="resnet", kernel=9),
        16,
        "generator.kernel is 9; expected 7 or less",
        "Set generator.kernel to 3.",
    ),
    (
        Generator(network="dcgan"),
        96,
        "data.size is 96; expected 16, 32, 64, 128 or another power of 2",
        "Set data.size to 64.",
    ),
    (
        Generator(network="dcgan"),
        8,
        "data.size is 8; expected 16, 32, 64, 128 or another power of 2",
        "Set data.size to 16.",
    ),
    (
        Discriminator(layers=5),
        64,
        "discriminator.layers is 5; so many halvings with a kernel of 4 leave less than 2 x 2",
        "Set discriminator.layers to 4 or less, or data.size to more.",
    ),
    (
        Discriminator(network="dcgan"),
        48,
        "data.size is 48; expected 16, 32, 64, 128 or another power of 2",
        "Set data.size to 32.",
    ),
]


@pytest.mark.parametrize(("config", "size", "message", "hint"), REFUSED)
def test_what_cannot_be_built_is_refused(config, size, message, hint):
    build = build_generator if isinstance(config, Generator) else build_discriminator
    with pytest.raises(InputError) as caught:
        build(config, size=size, seed=0)
    assert caught.value.message.startswith(message)
    assert caught.value.hint == hint


@pytest.mark.parametrize(
    ("config", "size"),
    [
        (Generator(depth=4, width=4), 48),
        (Generator(network="resnet", kernel=7, width=4, blocks=1), 16),
        (Discriminator(layers=4, width=4), 64),
    ],
)
def test_what_the_hints_say_works(config, size):
    build = build_generator if isinstance(config, Generator) else build_discriminator
    assert build(config, size=size, seed=0)(torch.zeros(1, 3, size, size)).isfinite().all()


@pytest.mark.parametrize(
    ("build", "config", "message"),
    [
        (build_generator, Generator(network="resnt"), "unknown generator 'resnt'"),
        (build_discriminator, Discriminator(network="patch"), "unknown discriminator 'patch'"),
    ],
)
def test_an_unknown_name_is_met_with_the_nearest(build, config, message):
    with pytest.raises(InputError) as caught:
        build(config, size=32, seed=0)
    assert caught.value.message == message
    assert "Did you mean '" in caught.value.hint


UVCGAN = (
    r"down\.\d+\.halve\.(weight|bias)|up\.\d+\.\w+\.modulation\.(linear\.(weight|bias)|alpha\.alpha)"
    r"|inner\.(position|enter|leave)\.(weight|bias)|inner\.style\.token"
    r"|inner\.blocks\.\d+\.(norm1|norm2|widen|narrow|attention\.out_proj)\.(weight|bias)"
    r"|inner\.blocks\.\d+\.(attention\.in_proj_(weight|bias)|gate\.alpha)"
    r"|body\.stages\.\d+\.(conv\.bias|norm\.(weight|bias))"
    r"|body\.stages\.\d+\.conv\.parametrizations\.weight\.(original|0\._[uv])"
    r"|head\.(compare|conv|out\.conv)\.(weight|bias)"
)


def test_names_of_saved_weights_stay():
    config = Generator(network="resnet", blocks=1, dropout=0.5, residual_activation=True)
    parts = ["stem", "down1", "down2", "blocks.0.first", "blocks.0.second", "up1", "up2"]
    names = [
        f"{part}.{key}" for part in parts for key in ("conv.weight", "norm.weight", "norm.bias")
    ]
    names += ["out.conv.weight", "out.conv.bias"]
    assert list(build_generator(config, size=32, seed=0).state_dict()) == names
    plain = re.compile(
        r"(encoder\.)?(resnet\.)?((local|global)_scale\.)?"
        r"(stem|down\d?|up\d?|blocks|stages|project|inner|out|join|see_down|see_up|last"
        r"|activation_map|style|scale|shift)(\.\d+)?"
        r"(\.(first|second|conv|norm|query|key|value|average|maximum|join|(first|second)_norm)){0,2}"
        r"\.(weight|bias|rho|parametrizations\.weight\.(original|0\._[uv]))"
        r"|encoder\.(mean|log_variance)\.(weight|bias)|examples"
    )
    plain = re.compile(f"{plain.pattern}|{UVCGAN}")
    for name in GENERATORS:
        network = build_generator(Generator(network=name, width=8), size=32, seed=0)
        assert all(plain.fullmatch(key) for key in network.state_dict())
    for name in DISCRIMINATORS:
        network = build_discriminator(
            Discriminator(network=name, width=8, layers=2), size=32, seed=0
        )
        assert all(plain.fullmatch(key) for key in network.state_dict())
