"""UVCGANv2's step against a plain one in the authors' order: separate passes, penalty, queues."""

import copy

import pytest
import torch
from small import changed
from torch.nn import functional as F
from torch.nn.utils import parametrize

from mifid.baseline.data.random_numbers import Draws
from mifid.baseline.distributed import ALONE
from mifid.baseline.gan.uvcgan2 import UVCGAN2, BodyQueue
from mifid.baseline.rules import check, idle
from mifid.errors import InputError

CPU = torch.device("cpu")
CONFIG = changed(
    data={"size": 32},
    generator={"network": "uvcgan2", "depth": 2, "blocks": 1, "activation": "leaky_relu"},
    discriminator={"network": "batch_patchgan", "norm": "plain_instance", "layers": 2},
    loss={"cycle": 5.0, "identity": 2.5, "gradient_penalty": 2.0},
    optimiser={"name": "sgd", "rate": 0.02, "discriminator_rate": 0.05},
    training={"method": "uvcgan2", "pool": 0},
)


def build(config=CONFIG):
    torch.manual_seed(0)
    return UVCGAN2(config, device=CPU, draws=Draws(0), processes=ALONE)


def batch(seed=0, number=2):
    generator = torch.Generator().manual_seed(seed)
    return [torch.rand(number, 3, 32, 32, generator=generator) * 2 - 1 for _ in range(2)]


class PlainJudge:
    """A discriminator of functional calls, of pictures in 0..1; spectral norms are from an SVD."""

    def __init__(self, network):
        self.weights = dict(network.named_parameters())
        self.deviates = "head.compare.weight" not in self.weights

    def body(self, x):
        for number, stride in enumerate((2, 2, 1)):
            prefix = f"body.stages.{number}.conv"
            weight = self.weights[f"{prefix}.parametrizations.weight.original"]
            weight = weight / torch.linalg.matrix_norm(weight.flatten(1), 2)
            x = F.conv2d(x, weight, self.weights[f"{prefix}.bias"], stride=stride, padding=1)
            x = F.leaky_relu(x if number == 0 else F.instance_norm(x), 0.2)
        return x

    def head(self, bodies, earlier):
        both = torch.cat([bodies, *earlier])
        w = {k.removeprefix("head."): v for k, v in self.weights.items() if k.startswith("head.")}
        if self.deviates:
            deviation = torch.sqrt(both.var(dim=0, unbiased=False) + 1e-6).mean()
            x = torch.cat([both, deviation.expand_as(both[:, :1])], dim=1)
        else:
            x = F.batch_norm(both, None, None, w["compare.weight"], w["compare.bias"], True)
        x = F.leaky_relu(F.conv2d(x, w["conv.weight"], w["conv.bias"], padding=1), 0.01)
        return F.conv2d(x, w["out.conv.weight"], w["out.conv.bias"], padding=1)[: len(bodies)]

    def scores(self, x, earlier):
        body = self.body(x)
        return self.head(body, earlier), body.detach()


class PlainLoop:
    """As the authors' code does it, over copies of a method's networks."""

    def __init__(self, method):
        self.networks = {name: copy.deepcopy(net) for name, net in method.networks.items()}
        self.optimisers = {
            name: torch.optim.SGD(
                net.parameters(), lr=0.05 if "discriminator" in name else 0.02, momentum=0.9
            )
            for name, net in self.networks.items()
        }
        self.judges = {
            side: PlainJudge(self.networks[f"{side}_discriminator"])
            for side in ("painting", "photo")
        }
        self.queues = {(side, kind): [] for side in self.judges for kind in ("real", "fake")}
        self.draws = Draws(0)

    def generate(self, name, x):
        """A generator of pictures in 0..1."""
        return (self.networks[name](2 * x - 1) + 1) / 2

    def push(self, side, kind, body):
        self.queues[side, kind] = [*self.queues[side, kind], *body.split(1)][-3:]

    def step(self, photos, paintings):
        photos, paintings = (photos + 1) / 2, (paintings + 1) / 2
        painted = self.generate("painter", photos)
        photographed = self.generate("photographer", paintings)
        told = {
            "cycle_photo": F.l1_loss(self.generate("photographer", painted), photos),
            "cycle_painting": F.l1_loss(self.generate("painter", photographed), paintings),
            "identity_painting": F.l1_loss(self.generate("painter", paintings), paintings),
            "identity_photo": F.l1_loss(self.generate("photographer", photos), photos),
        }
        fakes, reals = {}, {"painting": paintings, "photo": photos}
        for side, fake in (("painting", painted), ("photo", photographed)):
            scores, _ = self.judges[side].scores(fake, self.queues[side, "fake"])
            told[f"generator_adversarial_{side}"] = (scores - 1).square().mean()
            fakes[side] = fake.detach()
        total = sum(
            weight * sum(value for name, value in told.items() if name.startswith(kind))
            for kind, weight in (("generator", 1), ("cycle", 5), ("identity", 2.5))
        )
        self.update(total, "painter", "photographer")
        for side in ("painting", "photo"):
            told |= self.judge(side, reals[side], fakes[side])
        return told

    def judge(self, side, real, fake):
        judge = self.judges[side]
        share = self.draws.uniform(torch.empty(1))
        mixed = (share * real + (1 - share) * fake).requires_grad_()
        pairs = zip(self.queues[side, "real"], self.queues[side, "fake"], strict=True)
        earlier = [share * a + (1 - share) * b for a, b in pairs]
        scores, _ = judge.scores(mixed, earlier)
        total = scores.mean(dim=(1, 2, 3)).sum()
        (gradient,) = torch.autograd.grad(total, mixed, create_graph=True)
        penalty = gradient.flatten(1).norm(dim=1).square().mean()
        of_real, real_body = judge.scores(real, self.queues[side, "real"])
        of_fake, fake_body = judge.scores(fake, self.queues[side, "fake"])
        own = 0.5 * ((of_real - 1).square().mean() + of_fake.square().mean())
        self.update(own + 2 * penalty, f"{side}_discriminator")
        self.push(side, "real", real_body)
        self.push(side, "fake", fake_body)
        return {f"discriminator_{side}": own + 2 * penalty, f"gradient_penalty_{side}": penalty}

    def update(self, loss, *names):
        for optimiser in self.optimisers.values():
            optimiser.zero_grad()
        loss.backward()
        for name in names:
            self.optimisers[name].step()


def converge(method):
    """Bring power iteration to its limit, which a step's one iteration only approaches."""
    for network in method.networks.values():
        for module in network.modules():
            if isinstance(module, parametrize.ParametrizationList):
                weight = module.original.detach().flatten(1)
                module[0]._power_method(weight, 200)


@pytest.mark.parametrize("batch_head", ["norm", "deviation"])
def test_three_steps_equal_the_authors_loop(batch_head):
    method = build(changed(CONFIG, discriminator={"batch_head": batch_head}))
    plain = PlainLoop(method)
    for step in range(3):  # the queues hold 0, 2 and 3 bodies
        converge(method)
        losses = method.step(*batch(step), fraction=0.0, factor=1.0)
        expected = plain.step(*batch(step))
        told = torch.stack([expected[name] for name in method.losses]).detach()
        torch.testing.assert_close(losses, told, rtol=2e-5 if step else 2e-6, atol=1e-6)
        assert told[-1] > 1e-4
    for name, network in plain.networks.items():
        ours = dict(method.networks[name].named_parameters())
        for key, value in network.named_parameters():
            torch.testing.assert_close(ours[key], value, rtol=1e-4, atol=1e-5)


def test_a_run_goes_on_as_if_never_stopped_and_queues_are_part_of_it():
    whole, first, second = build(), build(), build()
    for step in range(2):
        whole.step(*batch(step), fraction=0, factor=1)
        first.step(*batch(step), fraction=0, factor=1)
    held = copy.deepcopy(first.state_dict())
    second.load_state_dict(held)
    second.draws.load_state_dict(first.draws.state_dict())
    expected = whole.step(*batch(9), fraction=0, factor=1)
    assert torch.equal(second.step(*batch(9), fraction=0, factor=1), expected)
    for name in ("painting_real_queue", "painting_fake_queue", "photo_fake_queue"):
        assert held[name]["bodies"].shape == (3, 16, 7, 7)
        lacking = {key: value for key, value in held.items() if key != name}
        with pytest.raises(InputError, match=f"no state of {name}"):
            second.load_state_dict(lacking)


@pytest.mark.parametrize(
    "state",
    [
        {"bodies": torch.zeros(4, 2, 3, 3)},
        {"bodies": torch.zeros(2, 2, 3, 4)},
        {"bodies": torch.zeros(2, 2, 3, 3, dtype=torch.float64)},
        {"bodies": "none"},
        {},
        None,
    ],
)
def test_a_queue_of_something_else_is_refused(state):
    queue = BodyQueue(torch.Size((2, 3, 3)))
    with pytest.raises(InputError, match="does not fit the run: queue"):
        queue.load_state_dict(state)


def test_a_queue_holds_the_last_three_and_nothing_that_is_not_finite():
    queue = BodyQueue(torch.Size((1, 1, 1)), may_overflow=True)
    for value in (1.0, float("inf"), 2.0, float("nan"), 3.0, 4.0):
        queue.add(torch.full((1, 1, 1, 1), value, requires_grad=True))
    assert queue.bodies.flatten().tolist() == [2, 3, 4]
    assert not queue.bodies.requires_grad


@pytest.mark.parametrize("precision", ["bf16", "float16"])
def test_half_precision_changes_losses_little_and_the_penalty_is_in_float32(precision):
    half, full = build(changed(CONFIG, training={"precision": precision})), build()
    losses = half.advance(*batch(), fraction=0, factor=1)
    expected = full.advance(*batch(), fraction=0, factor=1)
    assert losses.dtype == torch.float32
    torch.testing.assert_close(losses, expected, rtol=0.03, atol=0.01)
    torch.testing.assert_close(losses[-2:], expected[-2:], rtol=0.01, atol=0)


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")  # dynamo's
def test_compiled_bodies_learn_the_same_with_a_penalty_that_is_not_compiled(monkeypatch):
    compile_, compiled_parts = torch.nn.Module.compile, []

    def compile_bodies(self, **given):  # generators take long, and nothing of theirs is new
        if type(self).__name__ == "_Body":
            compiled_parts.append(self)
            compile_(self, backend="eager", **given)

    monkeypatch.setattr(torch.nn.Module, "compile", compile_bodies)
    torch.compiler.reset()
    compiled, plain = build(changed(CONFIG, training={"compile": True})), build()
    assert len(compiled_parts) == 2
    for step in range(2):
        losses = compiled.step(*batch(step), fraction=0, factor=1)
        expected = plain.step(*batch(step), fraction=0, factor=1)
        torch.testing.assert_close(losses, expected, rtol=1e-4, atol=1e-5)


def test_other_discriminators_and_methods_are_refused_and_idle_settings_named():
    check(CONFIG)
    with pytest.raises(InputError, match="needs picture, earlier -> scores") as error:
        check(changed(CONFIG, discriminator={"network": "patchgan"}))
    assert "discriminator.network=batch_patchgan" in error.value.hint
    with pytest.raises(InputError, match="method is cyclegan, but discriminator"):
        check(changed(CONFIG, training={"method": "cyclegan"}))
    assert {"generator.norm", "generator.kernel", "discriminator.noise"} <= idle(CONFIG)
    assert not {"loss.gradient_penalty", "discriminator.batch_head"} & idle(CONFIG)
    assert {"loss.gradient_penalty", "discriminator.batch_head"} <= idle(changed())


def test_without_a_penalty_nothing_is_drawn_for_it():
    method = build(changed(CONFIG, loss={"gradient_penalty": 0.0}))
    before = method.draws.state_dict()
    losses = method.step(*batch(), fraction=0, factor=1)
    assert losses[-2:].tolist() == [0, 0]
    assert torch.equal(method.draws.state_dict()["small"], before["small"])
