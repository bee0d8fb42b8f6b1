"""The average against a plain loop in float64, and its state."""

import copy

import pytest
import torch
from torch import nn

from mifid.baseline.gan.ema import MovingAverage, decay_at


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.Conv2d(4, 3, 1))


def moved(net, seed):
    """Change all weights and statistics, as training does."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in net.parameters():
            weight.add_(torch.randn(weight.shape, generator=generator))
    net.train()(torch.randn(2, 3, 8, 8, generator=generator))
    return net


def test_decay_warms_up():
    """min(decay, (1 + n) / (10 + n)), and the first update copies."""
    assert [decay_at(n, 0.999) for n in (0, 1, 10)] == [0, 2 / 11, 11 / 20]
    assert decay_at(8989, 0.999) == pytest.approx(0.998999889)  # the last below 0.999
    assert decay_at(8990, 0.999) == decay_at(10**6, 0.999) == 0.999
    assert decay_at(1, 0.1) == 0.1
    assert decay_at(5, 0) == 0


@pytest.mark.parametrize("decay", [0.5, 0.999])
def test_equals_a_plain_loop(decay):
    net = network()
    average = MovingAverage(net, decay)
    expected = {}
    for n in range(25):
        moved(net, n)
        average.update_parameters(net)
        kept = min(decay, (1 + n) / (10 + n)) if n else 0.0
        for name, value in net.state_dict().items():
            before = expected.get(name, torch.zeros_like(value)).double()
            expected[name] = kept * before + (1 - kept) * value.double()
    got = average.module.state_dict()
    for name in ("0.weight", "3.bias", "1.running_mean", "1.running_var"):
        torch.testing.assert_close(got[name], expected[name].float(), atol=1e-5, rtol=1e-5)
        assert not torch.equal(got[name], net.state_dict()[name])


def test_counts_are_copied_not_averaged():
    net = network()
    average = MovingAverage(net, 0.999)
    for n in range(7):
        average.update_parameters(moved(net, n))
    assert average.module[1].num_batches_tracked == 7
    assert average.n_averaged == 7


def test_the_first_update_copies_to_the_last_bit():
    net = network()
    average = MovingAverage(network(1), 0.999)
    average.update_parameters(net)
    for name, value in net.state_dict().items():
        assert torch.equal(average.module.state_dict()[name], value)


def test_a_network_that_stands_still_is_its_own_average():
    net = network()
    average = MovingAverage(net, 0.9)
    for _ in range(50):
        average.update_parameters(net)
    for name, value in net.state_dict().items():
        torch.testing.assert_close(average.module.state_dict()[name], value, atol=1e-7, rtol=1e-6)


def test_it_is_a_copy_to_paint_with():
    """In evaluation mode, without gradients, and the network stays as it is."""
    net = moved(network(), 0)
    before = copy.deepcopy(net.state_dict())
    average = MovingAverage(net, 0.9)
    average.update_parameters(net)
    assert not any(module.training for module in average.modules())
    assert not any(weight.requires_grad for weight in average.parameters())
    assert all(weight.requires_grad for weight in net.parameters())
    assert net.training
    moved(average.module.eval(), 5)
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())


def test_memory_format_is_kept():
    net = network().to(memory_format=torch.channels_last)
    average = MovingAverage(net, 0.9)
    average.update_parameters(moved(net, 0))
    average.update_parameters(moved(net, 1))
    assert average.module[0].weight.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("updates", [0, 1, 6])
def test_goes_on_from_its_state(updates):
    net = network()
    average = MovingAverage(net, 0.999)
    for n in range(updates):
        average.update_parameters(moved(net, n))
    other = MovingAverage(network(1), 0.999)
    other.load_state_dict(copy.deepcopy(average.state_dict()))
    for n in range(10, 13):
        moved(net, n)
        average.update_parameters(net)
        other.update_parameters(net)
    for name, value in average.state_dict().items():
        assert torch.equal(other.state_dict()[name], value), name
