"""First weights: N(0, 0.02), no two layers alike, all of them from the seed, all of them set."""

import pytest
import torch
from torch import nn

from mifid.baseline.config.schema import Discriminator, Generator
from mifid.baseline.models import (
    DISCRIMINATORS,
    GENERATORS,
    build_discriminator,
    build_generator,
)
from mifid.baseline.models.layers import initialise

NETWORKS = [
    *((build_generator, Generator(network=name, width=16, blocks=2)) for name in GENERATORS),
    *((build_discriminator, Discriminator(network=name, width=16)) for name in DISCRIMINATORS),
]


def drawn(network: nn.Module) -> dict[str, torch.Tensor]:
    """The weights of convolutions and linear layers, by name."""
    kinds = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
    modules = network.named_modules()
    return {key: m.weight.detach() for key, m in modules if isinstance(m, kinds)}


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
    """Or, where the authors left Keras's default: sqrt(2 / (values in + values out))."""
    network = build(config, size=32, seed=0)
    for key, weight in drawn(network).items():
        deviation = 0.02
        if hasattr(network.get_submodule(key), "first_weights"):
            deviation = (2 / sum(nn.init._calculate_fan_in_and_fan_out(weight))) ** 0.5
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


def test_a_layer_that_nobody_sets_is_not_left_as_it_was():
    with pytest.raises(TypeError, match=r"no first weights for PReLU \('1'\)"):
        initialise(nn.Sequential(nn.Conv2d(3, 3, 1), nn.PReLU()), Generator(), seed=0)


@pytest.mark.filterwarnings("ignore:.*spectral_norm.*:FutureWarning")
@pytest.mark.parametrize(
    "spectral_norm", [nn.utils.spectral_norm, nn.utils.parametrizations.spectral_norm]
)
def test_a_layer_whose_weight_is_computed_is_refused(spectral_norm):
    """What would be set is the product, which the next step computes again."""
    with pytest.raises(TypeError, match="no first weights for"):
        initialise(nn.Sequential(spectral_norm(nn.Conv2d(3, 3, 1))), Discriminator(), seed=0)


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
