"""What must hold between settings."""

import pytest

from mifid.baseline.config.schema import Config, Generator, Loss, Training
from mifid.baseline.config.settings import describe, override
from mifid.baseline.rules import check, idle
from mifid.errors import InputError


def config(*assignments):
    chosen = override(Config(), "training.steps=10")
    for assignment in assignments:
        chosen = override(chosen, assignment)
    return chosen


GAN = ("training.method=gan", "generator.network=dcgan")
MAPS = ("training.method=bayes_cyclegan", "generator.network=map_resnet")


@pytest.mark.parametrize(
    "assignments",
    [
        (),
        ("steps=0", "epochs=0.5"),
        ("steps=0", "budget=10s"),
        GAN,
        MAPS,
        (*GAN, "discriminator.network=dcgan", "cycle=0", "identity=0"),
        ("schedule.name=stepped", "until=0.5", "factors=1,0.1"),
        ("schedule.name=stepped",),
        ("until=0.5",),  # of no stepped schedule
        ("adversarial=hinge",),
        ("adversarial=bce", "sigmoid=true", "real_label=0.9"),
        ("adversarial=lsgan", "fake_label=-1"),
        ("label_noise=0.5",),  # the two ranges touch
        ("loss.weight=0",),
        ("loss.weight=0", "discriminator_rate=0"),  # nobody listens to it
        ("sgd_rate=0",),  # of no adam_sgd
        ("color=0.5", "discriminators=paintings"),
        ("generator.network=skip_resnet", "generator.halving=blur"),
        ("generator.dropout=0.5", "paint_dropout=true"),
        ("augment.crop=256",),
        ("augment.crop=16",),
    ],
)
def test_what_fits_passes(assignments):
    check(config(*assignments))


@pytest.mark.parametrize(
    ("assignments", "message", "hint"),
    [
        (
            ("steps=0",),
            "training.budget, training.epochs and training.steps are all",
            "training.budget=5h",
        ),
        (("augment.crop=257",), "augment.crop is 257; expected 16 to 256", "128"),
        (("augment.crop=15",), "augment.crop is 15; expected 16 to 256", "128"),
        (
            ("paint_dropout=true",),
            "paint_dropout is true, but the generator has no dropout",
            "dropout=0.5",
        ),
        (("budget=soon",), "training.budget: 'soon' is not a length of time", "5h, 30m"),
        (
            ("schedule.name=stepped", "until=0.5"),
            "schedule.factors has 1 values and schedule.until has 1; expected 2 factors",
            "each part of the run",
        ),
        (
            ("schedule.name=stepped", "until=0.5,0.5", "factors=1,2,3"),
            "schedule.until is [0.5, 0.5]; expected rising numbers between 0 and 1",
            "For 10 of 30 epochs",
        ),
        (
            ("schedule.name=stepped", "until=0", "factors=1,2"),
            "rising numbers",
            "",
        ),
        (
            ("schedule.name=stepped", "until=1", "factors=1,2"),
            "rising numbers",
            "",
        ),
        (("optimiser.rate=0",), "optimiser.rate is 0", "0.0002"),
        (("discriminator_rate=0",), "optimiser.discriminator_rate is 0", "0.0002"),
        (("optimiser.name=adam_sgd", "sgd_rate=0"), "optimiser.sgd_rate is 0", "0.0002"),
        (("steps=5", "pretrain=5"), "training.pretrain is 5, and the run has 5 steps", "anyway"),
        (
            ("method=gan",),
            "training.method is gan, but generator.network is unet",
            "training.method=gan together with generator.network=dcgan",
        ),
        (("generator.network=dcgan",), "training.method is cyclegan, but generator.network", ""),
        ((*GAN, "pretrain=5"), "training.pretrain is 5, but training.method is gan", "pretrain=0"),
        (
            ("generator.network=resnest",),
            "generator.network is 'resnest'",
            "Did you mean 'resnet'?",
        ),
        (
            ("generator.network=unet", "generator.halving=blur"),
            "generator.halving is blur, but generator.network is unet",
            "generator.halving=stride",
        ),
        (
            ("discriminator.network=double_patchgan", "discriminator.halving=blur"),
            "discriminator.halving is blur, but discriminator.network is double_patchgan",
            "discriminator.halving=stride",
        ),
        (("discriminator.network=patch",), "discriminator.network is 'patch'", "'patchgan'?"),
        (
            ("adversarial=hinge", "sigmoid=true"),
            "loss.adversarial is hinge, but discriminator.sigmoid is true",
            "discriminator.sigmoid=false",
        ),
        (
            ("adversarial=d2gan",),
            "discriminator.heads is 1, but loss.adversarial d2gan needs 2",
            "Set discriminator.heads=2",
        ),
        (
            ("discriminator.heads=2",),
            "discriminator.heads is 2, but loss.adversarial lsgan needs 1",
            "Set discriminator.heads=1",
        ),
        (("loss.weight=0", "cycle=0", "identity=0"), "nothing would be learnt", "loss.weight=1"),
        ((*GAN, "loss.weight=0"), "nothing would be learnt", "loss.weight=1"),
        (("adversarial=bce", "real_label=1.2"), "loss.real_label is 1.2; expected 0 to 1", "lsgan"),
        (("adversarial=log", "fake_label=-0.1"), "loss.fake_label is -0.1; expected 0 to 1", ""),
        (("adversarial=bce", "generator_label=2"), "loss.generator_label is 2; expected", ""),
        (("real_label=0",), "loss.real_label 0 and loss.generator_label 1 must lie above", "flip"),
        (("generator_label=0",), "loss.generator_label 0 must lie above loss.fake_label 0", ""),
        (("real_label=0.9", "label_noise=0.5"), "loss.label_noise (0.5)", ""),
        (
            ("cutout=0.5", "discriminators=none"),
            "diffaugment.discriminators is none: no discriminator would see it",
            "diffaugment.discriminators=paintings",
        ),
        ((*GAN, "color=1", "discriminators=photos"), "discriminators is photos", ""),
    ],
)
def test_a_contradiction_is_refused(assignments, message, hint):
    with pytest.raises(InputError) as caught:
        check(config(*assignments))
    assert message in caught.value.message
    assert hint in caught.value.hint


@pytest.mark.parametrize("assignment", ["optimiser.rate=0", "pretrain=10"])
def test_what_trains_nothing_passes_if_it_is_wanted_all_the_same(assignment):
    check(config(assignment), anyway=True)
    with pytest.raises(InputError) as caught:
        check(config(assignment))
    assert "anyway=True" in caught.value.hint


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"training": Training(batch=0, steps=1)}, "training.batch must be a whole number, at l"),
        ({"generator": Generator(norm="nrom")}, "generator.norm must be one of instance, batch"),
        ({"loss": Loss(cycle=float("nan"))}, "loss.cycle must be a number, at least 0; got nan"),
        ({"training": Training(ema=1.5, steps=1)}, "training.ema must be a number, at least 0"),
    ],
)
def test_values_of_a_config_from_python_are_checked(section, message):
    with pytest.raises(InputError) as caught:
        check(Config(**section))
    assert message in caught.value.message


def test_idle_settings_are_settings():
    names = {setting.name for setting in describe(Config())}
    for chosen in (config(), config(*GAN), config("sides=none"), config("optimiser.name=sgd")):
        assert idle(chosen) < names


@pytest.mark.parametrize(
    ("name", "needs"),
    [
        ("optimiser.momentum", ("optimiser.name=sgd",)),
        ("optimiser.sgd_rate", ("optimiser.name=adam_sgd",)),
        ("schedule.final", ("schedule.name=exponential",)),
        ("schedule.until", ("schedule.name=stepped",)),
        ("generator.blocks", ("generator.network=skip_resnet",)),
        ("generator.latent", GAN),
        ("loss.gamma", MAPS),
        ("loss.kl", MAPS),
        ("training.mc_samples", MAPS),
        ("generator.residual_activation", MAPS),
        ("schedule.teeth", ("schedule.name=sawtooth",)),
        ("training.steps_per_epoch", ("epochs=3",)),
        ("training.epoch", ("epochs=3",)),
        ("diffaugment.discriminators", ("cutout=0.1",)),
    ],
)
def test_a_setting_does_nothing_without_what_it_needs(name, needs):
    assert name in idle(config())
    assert name not in idle(config(*needs))


@pytest.mark.parametrize(
    ("name", "without"),
    [
        ("augment.flip", ("sides=none",)),
        ("schedule.start", ("schedule.name=cosine",)),
        ("optimiser.beta1", ("optimiser.name=sgd",)),
        ("loss.cycle", GAN),
        ("loss.identity", MAPS),
        ("generator.depth", ("generator.network=resnet",)),
        ("generator.skip_relu", ("generator.network=attention_unet",)),
        ("discriminator.layers", ("discriminator.network=dcgan",)),
        ("loss.generator_label", ("adversarial=log",)),
    ],
)
def test_a_setting_does_nothing_beside_what_excludes_it(name, without):
    assert name not in idle(config())
    assert name in idle(config(*without))
