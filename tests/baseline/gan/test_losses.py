"""Closed forms, torch's own losses as the oracle, and which way each loss pulls."""

import math

import pytest
import torch
from torch.nn import functional as F

from mifid.baseline.gan.losses import ADVERSARIAL, adversarial_loss

TWO_HEADED = ("d2gan", "hinge_bce")
KINDS = [
    (name, sigmoid)
    for name in ADVERSARIAL
    for sigmoid in (False, True)
    if name not in ("hinge", *TWO_HEADED) or not sigmoid
]


def full(value, batch=2):
    return torch.full((batch, 1, 1, 1), float(value))


def scores(seed, *, sigmoid=False, batch=2, heads=1):
    said = torch.randn(batch, heads, 3, 3, generator=torch.Generator().manual_seed(seed))
    return said.sigmoid() if sigmoid else said


def judged(loss, real, fake, real_label=None, fake_label=None):
    batch = len(real)
    return loss.discriminator(
        real_scores=real,
        fake_scores=fake,
        real_label=full(1, batch) if real_label is None else real_label,
        fake_label=full(0, batch) if fake_label is None else fake_label,
    )


def test_lsgan_is_the_squared_distance_to_the_labels():
    loss = adversarial_loss("lsgan", sigmoid=False)
    real, fake = torch.full((2, 1, 3, 3), 0.4), torch.full((2, 1, 3, 3), 0.3)
    of_both = judged(loss, real, fake, full(0.9), full(0.1))
    assert of_both.item() == pytest.approx(0.5**2 + 0.2**2)
    assert loss.generator(fake_scores=fake, label=0.9).item() == pytest.approx(0.6**2)


@pytest.mark.parametrize("name", ["bce", "log"])
def test_cross_entropy_equals_torchs(name):
    real, fake = scores(0), scores(1)
    labels = torch.tensor([0.9, 1.0]).view(2, 1, 1, 1), torch.tensor([0.0, 0.1]).view(2, 1, 1, 1)
    expected = sum(
        F.binary_cross_entropy_with_logits(said, label.expand_as(said))
        for said, label in zip((real, fake), labels, strict=True)
    )
    of_logits = judged(adversarial_loss(name, sigmoid=False), real, fake, *labels)
    of_probabilities = judged(
        adversarial_loss(name, sigmoid=True), real.sigmoid(), fake.sigmoid(), *labels
    )
    torch.testing.assert_close(of_logits, expected)
    torch.testing.assert_close(of_probabilities, expected)


def test_a_label_belongs_to_its_picture():
    """Exchanging one picture's label changes that picture's share alone."""
    loss = adversarial_loss("bce", sigmoid=False)
    real, fake = scores(0), scores(1)
    mixed = judged(loss, real, fake, torch.tensor([1.0, 0.0]).view(2, 1, 1, 1), full(0))
    first = judged(loss, real[:1], fake[:1], full(1, 1), full(0, 1))
    second = judged(loss, real[1:], fake[1:], full(0, 1), full(0, 1))
    torch.testing.assert_close(mixed, (first + second) / 2)


@pytest.mark.parametrize("sigmoid", [False, True])
def test_generators_of_bce_and_log(sigmoid):
    """-log D, or log(1 - D): -log 0.25 and log 0.75 where D says 1/4."""
    said = torch.full((2, 1, 3, 3), 0.25 if sigmoid else math.log(1 / 3))
    bce, log = (adversarial_loss(name, sigmoid=sigmoid) for name in ("bce", "log"))
    assert bce.generator(fake_scores=said, label=1).item() == pytest.approx(math.log(4))
    assert log.generator(fake_scores=said, label=1).item() == pytest.approx(math.log(0.75))
    smooth = -0.9 * math.log(0.25) - 0.1 * math.log(0.75)
    assert bce.generator(fake_scores=said, label=0.9).item() == pytest.approx(smooth)


def test_minimax_saturates_where_the_other_does_not():
    """Goodfellow et al., section 3: gradients vanish while the discriminator is sure."""
    gradients = {}
    for name in ("bce", "log"):
        said = torch.full((1, 1, 1, 1), -12.0, requires_grad=True)
        adversarial_loss(name, sigmoid=False).generator(fake_scores=said, label=1).backward()
        gradients[name] = said.grad.item()
    assert gradients["bce"] == pytest.approx(-1, abs=1e-4)
    assert -1e-5 < gradients["log"] < 0


def test_hinge_in_closed_form():
    loss = adversarial_loss("hinge", sigmoid=False)
    real = torch.tensor([2.0, 0.5]).view(2, 1, 1, 1)
    fake = torch.tensor([-3.0, 0.25]).view(2, 1, 1, 1)
    assert judged(loss, real, fake).item() == pytest.approx((0 + 0.5 + 0 + 1.25) / 2)
    # The second picture's labels are exchanged: 1 + 0.5 and 1 - 0.25.
    labels = torch.tensor([1.0, 0.0]).view(2, 1, 1, 1), torch.tensor([0.0, 1.0]).view(2, 1, 1, 1)
    assert judged(loss, real, fake, *labels).item() == pytest.approx((0 + 1.5 + 0 + 0.75) / 2)
    assert loss.generator(fake_scores=fake, label=1).item() == pytest.approx(1.375)


def test_labels_do_not_move_hinges_margins():
    loss = adversarial_loss("hinge", sigmoid=False)
    real, fake = scores(0), scores(1)
    assert judged(loss, real, fake) == judged(loss, real, fake, full(0.9), full(0.1))
    assert judged(loss, real, fake) == judged(loss, real, fake, full(0.5), full(0.5))


@pytest.mark.parametrize(("name", "sigmoid"), [kind for kind in KINDS if kind[0] not in TWO_HEADED])
def test_each_pulls_the_right_way(name, sigmoid):
    """A discriminator lifts real scores and lowers fake ones; a generator lifts fake ones."""
    loss = adversarial_loss(name, sigmoid=sigmoid)
    real, fake = torch.full((2, 2, 1, 3, 3), 0.5).requires_grad_().unbind()
    real.retain_grad()
    fake.retain_grad()
    judged(loss, real, fake).backward()
    assert (real.grad < 0).all()
    assert (fake.grad > 0).all()
    fake.grad = None
    loss.generator(fake_scores=fake, label=1).backward()
    assert (fake.grad < 0).all()


@pytest.mark.parametrize(("name", "sigmoid"), KINDS)
def test_gradients_are_those_of_the_formula(name, sigmoid):
    loss = adversarial_loss(name, sigmoid=sigmoid)
    heads = 1 + (name in TWO_HEADED)
    real, fake = (scores(n, sigmoid=sigmoid, heads=heads).requires_grad_() for n in (3, 4))
    labels = full(0.9), full(0.1)
    gradient = torch.autograd.grad(judged(loss, real, fake, *labels), real)[0]
    step = 1e-2
    for place in [(0, 0, 0, 0), (1, 0, 2, 1)]:
        moved = torch.zeros_like(real)
        moved[place] = step
        up, down = (judged(loss, real + sign * moved, fake, *labels).item() for sign in (1, -1))
        assert gradient[place].item() == pytest.approx((up - down) / (2 * step), abs=2e-3)


@pytest.mark.parametrize(("name", "sigmoid"), KINDS)
def test_everything_is_float32_also_under_autocast(name, sigmoid):
    loss = adversarial_loss(name, sigmoid=sigmoid)
    heads = 1 + (name in TWO_HEADED)
    real, fake = (scores(n, sigmoid=sigmoid, heads=heads).bfloat16() for n in (5, 6))
    expected = (
        judged(loss, real.float(), fake.float()),
        loss.generator(fake_scores=fake.float(), label=1),
    )
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = judged(loss, real, fake), loss.generator(fake_scores=fake, label=1)
    for one, other in zip(got, expected, strict=True):
        assert one.dtype == torch.float32
        assert one.shape == ()
        assert torch.equal(one, other)


@pytest.mark.parametrize("name", ["bce", "log"])
@pytest.mark.parametrize("sigmoid", [False, True])
def test_sure_discriminators_make_no_infinities(name, sigmoid):
    loss = adversarial_loss(name, sigmoid=sigmoid)
    sure = torch.tensor([0.0, 1.0] if sigmoid else [-200.0, 200.0])
    sure = sure.view(2, 1, 1, 1).requires_grad_()
    total = judged(loss, sure, sure) + loss.generator(fake_scores=sure, label=1)
    total.backward()
    assert torch.isfinite(total)
    assert torch.isfinite(sure.grad).all()


def test_hinge_has_no_probabilities():
    with pytest.raises(ValueError, match="hinge"):
        adversarial_loss("hinge", sigmoid=True)


def two(one, other):
    return torch.tensor([one, other], requires_grad=True).float().view(1, 2, 1, 1)


def test_d2gan_in_numbers():
    """With D = softplus(s): D(0) = ln 2, and a = 0.2."""
    loss = adversarial_loss("d2gan", sigmoid=False)
    real, fake = two(2.0, 0.0), two(0.0, -1.0)
    d1_real, d2_fake = math.log1p(math.exp(2)), math.log1p(math.exp(-1))
    expected = math.log(2) - 0.2 * math.log(d1_real) + math.log(2) - 0.2 * math.log(d2_fake)
    assert judged(loss, real, fake).item() == pytest.approx(expected)
    fooled = loss.generator(fake_scores=fake, label=1).item()
    assert fooled == pytest.approx(0.2 * math.log(d2_fake) - math.log(2))


def test_hinge_and_inverted_head_in_numbers():
    loss = adversarial_loss("hinge_bce", sigmoid=False)
    real, fake = two(0.5, 0.0), two(-0.25, 2.0)
    inverted = math.log(2) + math.log1p(math.exp(-2))  # H(0, sigmoid 0) + H(1, sigmoid 2)
    assert judged(loss, real, fake).item() == pytest.approx((0.5 + 0.75 + inverted) / 2)
    fooled = loss.generator(fake_scores=fake, label=1).item()
    assert fooled == pytest.approx(0.25 + math.log1p(math.exp(-2)))


@pytest.mark.parametrize("score", [-1e4, -100.0, -20.0, 0.0, 100.0])
def test_the_log_of_a_softplus_has_gradients_everywhere(score):
    scores = torch.full((1, 2, 1, 1), score, requires_grad=True)
    loss = adversarial_loss("d2gan", sigmoid=False)
    value = loss.generator(fake_scores=scores, label=1)
    value.backward()
    assert value.isfinite()
    assert scores.grad.isfinite().all()
    assert scores.grad[0, 1] > 0  # the second head's score is to fall


@pytest.mark.parametrize(("name", "second"), [("d2gan", 1), ("hinge_bce", -1)])
def test_the_second_head_is_for_generated_pictures(name, second):
    """A generator of D2GAN lowers its score of them; the notebook's raises it."""
    loss = adversarial_loss(name, sigmoid=False)
    real, fake = torch.full((2, 2, 2, 3, 3), 0.5).requires_grad_().unbind()
    real.retain_grad()
    fake.retain_grad()
    judged(loss, real, fake).backward()
    for head, sign in ((0, 1), (1, -1)):
        assert (sign * real.grad[:, head] < 0).all()
        assert (sign * fake.grad[:, head] > 0).all()
    fake.grad = None
    loss.generator(fake_scores=fake, label=1).backward()
    assert (fake.grad[:, 0] < 0).all()
    assert (second * fake.grad[:, 1] > 0).all()
