"""First weights: N(0, 0.02), no two layers alike, all of them from the seed, all of them set."""

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

from mifid.baseline.config.schema import Discriminator, Generator
from mifid.baseline.models import (
    DISCRIMINATORS,
    GENERATORS,
    build_discriminator,
    build_generator,
)
from mifid.baseline.models.first_weights import initialise

NETWORKS = [
    *((build_generator, Generator(network=name, width=16, blocks=2)) for name in GENERATORS),
    *(
        (build_discriminator, Discriminator(network=name, width=16, layers=2))
        for name in DISCRIMINATORS
    ),
]


def drawn(network: nn.Module) -> dict[str, torch.Tensor]:
    """The weights of convolutions and linear layers, by name; those that spectral norm divides."""
    kinds = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
    layers = {key: m for key, m in network.named_modules() if isinstance(m, kinds)}
    return {key: undivided(layer).detach() for key, layer in layers.items()}


def undivided(layer: nn.Module) -> torch.Tensor:
    """The weight that spectral norm divides."""
    if parametrize.is_parametrized(layer, "weight"):
        return layer.parametrizations.weight.original
    return layer.weight


@pytest.mark.parametrize(("build", "config"), NETWORKS)
def test_no_two_layers_share_a_draw(build, config):
    weights = drawn(build(config, size=32, seed=0))
    assert len(weights) > 2
    length = min(weight.numel() for weight in weights.values())
    firsts = torch.stack([weight.flatten()[:length] for weight in weights.values()])
    alike = torch.corrcoef(firsts) - torch.eye(len(weights))
    assert alike.abs().max() < 6 / length**0.5


@pytest.mark.parametrize(("build", "config"), NETWORKS)
def test_mean_0_and_deviation_2_hundredths_in_every_layer(build, config):
    """Or a default: Keras's sqrt(2 / (values in + values out)), torch's sqrt(1 / (3 values in))."""
    network = build(config, size=32, seed=0)
    for key, weight in drawn(network).items():
        deviation = 0.02
        inputs, outputs = nn.init._calculate_fan_in_and_fan_out(weight)
        if hasattr(network.get_submodule(key), "first_weights"):
            deviation = (2 / (inputs + outputs)) ** 0.5
        if key.startswith("head."):
            deviation = (1 / (3 * inputs)) ** 0.5
        error = deviation / weight.numel() ** 0.5
        assert weight.mean().abs() < 5 * error, key
        assert weight.std().item() == pytest.approx(deviation, abs=5 * error), key


@pytest.mark.parametrize(("build", "config"), NETWORKS)
def test_the_seed_and_nothing_else_says_what_they_are(build, config):
    state = torch.get_rng_state()
    one, same, other = (build(config, size=32, seed=seed).state_dict() for seed in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(one[key], same[key]) for key in one)
    assert not any(torch.equal(one[key], other[key]) for key in one if key.endswith("conv.weight"))


def test_biases_0_and_norms_1_with_fresh_running_statistics():
    network = build_generator(Generator(norm="batch", width=16), size=32, seed=0)
    assert [*network.buffers()]
    for module in network.modules():
        if getattr(module, "bias", None) is not None:
            assert not module.bias.any()
        if isinstance(module, nn.BatchNorm2d):
            assert (module.weight == 1).all()
            assert (module.running_var == 1).all()
            assert not module.running_mean.any()
            assert module.num_batches_tracked == 0


@pytest.mark.parametrize(("build", "config"), NETWORKS)
def test_networks_come_in_float32_on_the_cpu_in_training_mode(build, config):
    network = build(config, size=32, seed=0)
    assert network.training
    assert {(p.dtype, p.device.type) for p in network.parameters()} == {(torch.float32, "cpu")}


class Own(nn.Module):
    """A layer with weights that only it knows."""

    def __init__(self):
        super().__init__()
        self.rho, self.bias = (nn.Parameter(torch.full((2,), torch.nan)) for _ in range(2))


class SetsItself(Own):
    def initialise(self, generator):
        nn.init.constant_(self.rho, 0.9)
        nn.init.normal_(self.bias, generator=generator)


LAYERS = [
    nn.Conv1d(2, 3, 2),
    nn.Conv2d(2, 3, 2),
    nn.Conv3d(2, 3, 2, bias=False),
    nn.ConvTranspose1d(2, 3, 2),
    nn.ConvTranspose3d(2, 3, 2),
    nn.Linear(2, 3),
    nn.Bilinear(2, 3, 4),
    nn.Embedding(5, 3),
    nn.MultiheadAttention(4, 2),
    nn.MultiheadAttention(4, 2, kdim=3, vdim=5, add_bias_kv=True),
    nn.BatchNorm1d(3),
    nn.BatchNorm3d(3, affine=False),
    nn.InstanceNorm2d(3),
    nn.InstanceNorm2d(3, affine=True, track_running_stats=True),
    nn.LayerNorm(3),
    nn.LayerNorm(3, elementwise_affine=False),
    nn.RMSNorm(3),
    nn.PReLU(),
    SetsItself(),
    nn.utils.parametrizations.spectral_norm(nn.Conv2d(2, 3, 2)),
    nn.utils.parametrizations.spectral_norm(nn.Linear(2, 3, bias=False)),
    nn.utils.parametrizations.weight_norm(nn.Conv2d(2, 3, 2)),
]


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: type(layer).__name__)
@pytest.mark.parametrize("norm_init", [0.0, 0.3])
def test_every_weight_of_a_layer_is_set_from_the_seed(layer, norm_init):
    network = nn.Sequential(layer)
    found = []
    for seed in (0, 0, 1):
        for tensor in (*network.parameters(), *network.buffers()):
            with torch.no_grad():
                tensor.fill_(torch.nan if tensor.is_floating_point() else 77)
        initialise(network, Generator(norm_init=norm_init), seed=seed)
        found.append({name: value.clone() for name, value in network.state_dict().items()})
    for name, value in found[0].items():
        assert value.isfinite().all(), name
        assert not (value == 77).any(), name
        assert torch.equal(value, found[1][name]), name
        own = isinstance(layer, SetsItself)
        assert own or not name.endswith("bias") or not value.any(), name
    drawn = [name for name, value in found[0].items() if not torch.equal(value, found[2][name])]
    scaled = [name for name in found[0] if name.endswith("weight") and "Norm" in str(layer)]
    expected = not isinstance(layer, nn.PReLU | nn.modules.batchnorm._NormBase | nn.LayerNorm)
    expected = expected and not isinstance(layer, nn.RMSNorm)
    assert bool(drawn) == (expected or bool(norm_init and scaled))


def test_a_spectral_norm_begins_at_the_largest_singular_value_of_its_weight():
    config = Discriminator(init=0.02)
    normed = nn.utils.parametrizations.spectral_norm(nn.Conv2d(3, 40, 4, bias=False))
    plain = nn.Conv2d(3, 40, 4, bias=False)
    for layer in (normed, plain):
        initialise(nn.Sequential(layer), config, seed=5)
    assert torch.equal(normed.parametrizations.weight.original, plain.weight)
    largest = torch.linalg.matrix_norm(normed.eval().weight.detach().flatten(1), 2)
    assert largest == pytest.approx(1, abs=0.05)  # 15 power iterations are near it


def test_a_weight_norm_begins_as_the_weight_itself():
    normed = nn.utils.parametrizations.weight_norm(nn.Linear(5, 4))
    plain = nn.Linear(5, 4)
    for layer in (normed, plain):
        initialise(nn.Sequential(layer), Generator(), seed=5)
    torch.testing.assert_close(normed.weight, plain.weight)


@pytest.mark.parametrize(
    "layer",
    [nn.Conv2d(6, 40, 3), nn.ConvTranspose2d(6, 40, 4), nn.Linear(70, 90), nn.Conv2d(6, 40, 1)],
)
def test_torchs_default_is_that_of_torchs_own_layers(layer):
    """Both are uniform within one limit: the largest of many draws is near it."""
    torch.manual_seed(0)
    layer.reset_parameters()
    own = {name: weight.detach().clone() for name, weight in layer.named_parameters()}
    initialise(nn.Sequential(layer), Generator(init_type="torch"), seed=3)
    for name, weight in layer.named_parameters():
        error = 4 / weight.numel() ** 0.5
        most = own[name].abs().max().item()
        assert not torch.equal(weight, own[name])
        assert weight.abs().max().item() == pytest.approx(most, rel=4 * error)
        assert weight.abs().max() < 1.2 * weight.std() * 3**0.5, "a uniform distribution ends there"
        assert weight.std().item() == pytest.approx(own[name].std().item(), rel=2 * error)
        assert abs(weight.mean().item()) < error * most


def test_xavier_follows_the_layers_size_and_its_gain():
    layer = nn.Conv2d(20, 30, 3)
    initialise(nn.Sequential(layer), Generator(init_type="xavier", init=0.5), seed=3)
    assert layer.weight.std().item() == pytest.approx(0.5 * (2 / (50 * 9)) ** 0.5, rel=0.05)
    assert not layer.bias.any()


def test_torchs_default_of_other_layers_is_refused():
    with pytest.raises(TypeError, match="no first weights for Embedding"):
        initialise(nn.Sequential(nn.Embedding(3, 3)), Generator(init_type="torch"), seed=0)


def test_a_layer_that_nobody_sets_is_not_left_as_it_was():
    with pytest.raises(
        TypeError, match=r"no first weights for Own \('1'\): .* bias, rho;"
    ) as error:
        initialise(nn.Sequential(nn.Conv2d(3, 3, 1), Own()), Generator(), seed=0)
    assert "initialise(generator)" in str(error.value)
    with pytest.raises(TypeError, match=r"no first weights for LSTM \('0'\)"):
        initialise(nn.Sequential(nn.LSTM(2, 2)), Generator(), seed=0)
    with pytest.raises(TypeError, match=r"Conv2d.*weight.*give its sizes"):
        initialise(nn.Sequential(nn.LazyConv2d(3, 3)), Generator(), seed=0)


@pytest.mark.filterwarnings("ignore:.*(spectral|weight)_norm.*:FutureWarning")
@pytest.mark.parametrize("old", [nn.utils.spectral_norm, nn.utils.weight_norm])
@pytest.mark.parametrize("bias", [True, False])
def test_torchs_old_norms_of_weights_are_refused(old, bias):
    """What would be set is the product, which the next step computes again."""
    layer = old(nn.Conv2d(3, 3, 1, bias=bias))
    with pytest.raises(TypeError, match=r"no first weights for Conv2d .*parametrizations"):
        initialise(nn.Sequential(layer), Discriminator(), seed=0)


@pytest.mark.parametrize("build", [build_generator, build_discriminator])
def test_other_deviations_of_weights_and_of_the_norms_scales(build):
    kind = Generator if build is build_generator else Discriminator
    network = build(kind(width=16, init=0.1, norm_init=0.3), size=32, seed=0)
    weights = torch.cat([weight.flatten() for weight in drawn(network).values()])
    scales = torch.cat([m.weight for m in network.modules() if isinstance(m, nn.GroupNorm)])
    for found, deviation in ((weights, 0.1), (scales, 0.3)):
        error = deviation / found.numel() ** 0.5
        assert found.mean().abs() < 5 * error
        assert found.std().item() == pytest.approx(deviation, abs=5 * error)
