"""Rules between settings: which contradict each other, and which have no effect."""

from __future__ import annotations

from mifid.baseline.config import Config, describe, parse_duration, titled
from mifid.baseline.gan import check_schedule
from mifid.errors import InputError, setting

__all__ = ["check", "idle"]

_TWO_HEADED = ("d2gan", "hinge_bce")
_SMALLEST_CROP = 16
_RESIDUAL = ("resnet", "skip_resnet", "noise_resnet", "map_resnet")
_BLURRED = {"generator": _RESIDUAL, "discriminator": ("patchgan",)}
_UNSCALED = ("none", "plain_instance")

_UGATIT = ("ugatit", "ugatit_full")
_UNUSED_BY_UGATIT = (
    "generator.norm generator.norm_init generator.activation generator.slope generator.halving "
    "generator.kernel generator.upsample generator.dropout"
)
_OF_CYCLES = "loss.cycle loss.identity loss.painting_weight loss.photo_weight training.pretrain"
_UVCGAN = ("uvcgan", "uvcgan2")
_UNUSED_BY_UVCGAN = "generator.halving generator.kernel generator.dropout generator.upsample"
_UNUSED = {
    "training.method": {
        "gan": _OF_CYCLES,
        "cut": _OF_CYCLES,
        "ugatit": "training.pretrain",
        "bayes_cyclegan": "loss.identity training.pretrain",
        "inpainting": "loss. discriminator. diffaugment. training.pool training.pretrain "
        "optimiser.discriminator_name optimiser.discriminator_rate score.metric score.extractor",
    },
    "generator.network": {
        **dict.fromkeys(_UGATIT, _UNUSED_BY_UGATIT),
        "uvcgan": _UNUSED_BY_UVCGAN,
        "uvcgan2": f"{_UNUSED_BY_UVCGAN} generator.norm",
    },
    "discriminator.network": {
        "batch_patchgan": "discriminator.wide_padding discriminator.noise",
        "ugatit": "discriminator.norm discriminator.norm_eps discriminator.norm_init "
        "discriminator.activation discriminator.halving discriminator.kernel "
        "discriminator.dropout discriminator.heads "
        "discriminator.pooling discriminator.sigmoid discriminator.noise",
    },
}
"""Method or network -> settings without effect on it; ``loss.`` are all of a section.

Its class, which needs torch, is not asked.
"""


def check(config: Config, *, anyway: bool = False) -> None:
    """Refuse values out of their limits, and settings that contradict each other.

    The networks themselves check whether they can be built at a size. ``anyway`` allows settings
    with which nothing is learnt: learning rates of 0, and a run that is over before it has learnt
    to copy.

    Raises:
        InputError: the first fault, and how to mend it.
    """
    for each in describe(config):  # a Config from Python was not checked before
        each.checked(each.value, where="config")
    _check_length(config)
    check_schedule(config.schedule)
    _check_names(config)
    _check_method(config)
    _check_dropout(config)
    if not anyway:
        _check_learning(config)
    _check_loss(config)
    _check_labels(config)
    _check_diffaugment(config)
    _check_crop(config)


def idle(config: Config) -> frozenset[str]:
    """Return the names of the settings that have no effect, whatever their values.

    An example is ``optimiser.momentum`` if the optimiser is Adam.
    """
    generator, of = config.generator.network, config.optimiser
    optimisers = {of.name, of.discriminator_name or of.name}
    activations, judged = {config.generator.activation}, {config.discriminator.activation}
    if config.discriminator.network == "ugatit":
        judged = {"leaky_relu"}
    unet, patches = config.generator.is_unet, config.discriminator.network != "dcgan"
    if unet:
        activations.add(config.generator.down_activation)
    schedule, training = config.schedule.name, config.training
    by_epochs = training.epochs > 0
    used = {
        "augment.enlarge augment.flip augment.turns augment.static augment.rotate augment.jitter": (
            config.augment.sides != "none"
        ),
        "augment.vary augment.enlarge_until": config.augment.sides != "none"
        and config.augment.enlarge > 1,
        "diffaugment.discriminators diffaugment.rate": _diffaugments(config),
        "generator.blocks": generator in (*_RESIDUAL, *_UVCGAN, *_UGATIT),
        "generator.first_norm generator.residual_activation": generator in _RESIDUAL,
        "generator.depth": unet or generator in _UVCGAN,
        "generator.down_activation generator.outer_dropout": unet,
        "generator.paint_dropout": _drops(config),
        "generator.skip_relu": generator == "unet",
        "generator.attention": generator == "attention_unet",
        "generator.norm_eps": config.generator.norm != "none" or generator in (*_UVCGAN, *_UGATIT),
        "generator.norm_init": config.generator.norm not in _UNSCALED or generator in _UVCGAN,
        "generator.slope": "leaky_relu" in activations,
        "generator.init": config.generator.init_type != "torch",
        "generator.halving": generator != "dcgan",
        "discriminator.norm_eps": config.discriminator.norm != "none",
        "discriminator.norm_init": config.discriminator.norm not in _UNSCALED,
        "discriminator.init": config.discriminator.init_type != "torch",
        "discriminator.slope": "leaky_relu" in judged,
        "generator.latent": generator == "dcgan",
        "generator.kernel generator.dropout": generator != "dcgan",
        "discriminator.layers discriminator.pooling": patches,
        "discriminator.batch_head": config.discriminator.network == "batch_patchgan",
        "discriminator.wide_padding": config.discriminator.network == "patchgan",
        "loss.cam": training.method == "ugatit",
        "loss.lecam_decay loss.lecam_start": config.loss.lecam > 0,
        "loss.nce loss.nce_identity loss.flip_equivariance": training.method == "cut",
        "loss.gamma loss.prior training.mc_samples": training.method == "bayes_cyclegan",
        "loss.kl": generator == "map_resnet",
        "inpainting.": training.method == "inpainting",
        "loss.gradient_penalty": training.method == "uvcgan2",
        "loss.generator_label": config.loss.adversarial in ("lsgan", "bce"),
        "optimiser.beta1 optimiser.beta2 optimiser.eps": optimisers != {"sgd"},
        "optimiser.momentum": bool(optimisers & {"sgd", "adam_sgd"}),
        "optimiser.rectify": "adabelief" in optimisers,
        "optimiser.switch optimiser.sgd_rate": "adam_sgd" in optimisers,
        "schedule.start": schedule in ("linear", "sawtooth"),
        "schedule.teeth": schedule in ("sawtooth", "cosine_restarts"),
        "schedule.final": schedule == "exponential",
        "schedule.until schedule.factors": schedule == "stepped",
        "training.steps_per_epoch": by_epochs,
        "training.epoch": by_epochs and training.steps_per_epoch == 0,
    }
    without = [names for names, use in used.items() if not use]
    without += [
        _UNUSED["training.method"].get(training.method, ""),
        _UNUSED["generator.network"].get(generator, ""),
        _UNUSED["discriminator.network"].get(config.discriminator.network, ""),
    ]
    names = " ".join(without).split()
    sections = tuple(name for name in names if name.endswith("."))
    whole = (each.name for each in describe(config) if each.name.startswith(sections))
    return frozenset({*names, *whole} - {*sections})


def _check_length(config: Config) -> None:
    training = config.training
    if training.budget:
        try:
            parse_duration(training.budget)
        except InputError as error:
            raise InputError(
                f"{titled('training.budget')}: {error.message}", hint=error.hint
            ) from error
    elif not training.epochs and not training.steps:
        raise InputError(
            "the run has no length: training.budget, training.epochs and training.steps are all "
            "unset",
            hint="Set one of them, such as training.budget=5h, training.epochs=30 or "
            "training.steps=55000.",
        )


def _check_learning(config: Config) -> None:
    optimiser = config.optimiser
    rates = {"rate": True, "sgd_rate": "adam_sgd" in (optimiser.name, optimiser.discriminator_name)}
    rates["discriminator_rate"] = config.loss.weight > 0
    for key, used in rates.items():
        if used and not getattr(optimiser, key) > 0:
            raise InputError(
                f"optimiser.{key} is 0: a learning rate of 0 trains nothing",
                hint=f"Give one such as {setting(f'optimiser.{key}', 0.0002)}; or, to train all "
                f"the same, {setting('anyway', True)}.",
            )
    steps, pretrain = config.training.steps, config.training.pretrain
    if 0 < steps <= pretrain:
        raise InputError(
            f"training.pretrain is {pretrain:,}, and the run has {steps:,} steps: it would be over "
            "when the generator has learnt to copy paintings",
            hint=f"Give more {setting('training.steps')} or a smaller training.pretrain; or, to "
            f"train all the same, {setting('anyway', True)}.",
        )


def _check_names(config: Config) -> None:
    # Imported here: networks need torch, and the names of presets are asked for without it.
    from mifid.baseline.gan import METHODS
    from mifid.baseline.models import DISCRIMINATORS, GENERATORS
    from mifid.registry import suggest

    for name, chosen, known in (
        ("training.method", config.training.method, METHODS),
        ("generator.network", config.generator.network, GENERATORS),
        ("discriminator.network", config.discriminator.network, DISCRIMINATORS),
    ):
        if chosen not in known:
            raise InputError(
                f"{name} is '{chosen}', which does not exist", hint=suggest(chosen, known)
            )
    for section, able in _BLURRED.items():
        part = getattr(config, section)
        if part.halving == "blur" and part.network not in able:
            raise InputError(
                f"{section}.halving is blur, but {section}.network is {part.network}: only "
                f"{' and '.join(able)} can blur after an activation",
                hint=f"Set {section}.halving=stride, or another {section}.network.",
            )


def _check_method(config: Config) -> None:
    """Refuse networks that do not fit the method, and what the method itself refuses."""
    from mifid.baseline.gan import METHODS
    from mifid.baseline.models import DISCRIMINATORS, GENERATORS

    method, name = METHODS[config.training.method], config.training.method
    for setting_name, network, known, wanted in (
        ("generator.network", config.generator.network, GENERATORS, method.generators),
        (
            "discriminator.network",
            config.discriminator.network,
            DISCRIMINATORS,
            method.discriminators,
        ),
    ):
        found = known[network].signature
        if wanted and found != wanted:
            fitting = [each for each in known if known[each].signature == wanted]
            raise InputError(
                f"training.method is {name}, but {setting_name} is {network}: the method needs "
                f"{wanted}, and this network is {found}",
                hint=f"Set training.method={name} together with {setting_name}="
                f"{' or '.join(fitting)}, or another training.method.",
            )
    if config.training.pretrain and not method.pretrains:
        raise InputError(
            f"training.pretrain is {config.training.pretrain}, but training.method is {name}, "
            "whose generator cannot learn to copy pictures",
            hint="Set training.pretrain=0.",
        )
    method.check(config)


def _drops(config: Config) -> bool:
    generator = config.generator
    outer = generator.outer_dropout if generator.is_unet else 0.0
    able = generator.network not in ("dcgan", *_UVCGAN, *_UGATIT)
    return able and max(generator.dropout, outer) > 0


def _check_dropout(config: Config) -> None:
    if config.generator.paint_dropout and not _drops(config):
        raise InputError(
            "generator.paint_dropout is true, but the generator has no dropout",
            hint=f"Give one, such as {setting('generator.dropout', 0.5)}, or set "
            "generator.paint_dropout=false.",
        )


def _check_loss(config: Config) -> None:
    loss = config.loss
    if loss.adversarial in ("hinge", *_TWO_HEADED) and config.discriminator.sigmoid:
        raise InputError(
            f"loss.adversarial is {loss.adversarial}, but discriminator.sigmoid is true: this loss "
            "needs scores below 0 and above 1, which a sigmoid does not reach",
            hint="Set discriminator.sigmoid=false, or another loss.adversarial.",
        )
    heads = 2 if loss.adversarial in _TWO_HEADED else 1
    if config.discriminator.heads != heads:
        raise InputError(
            f"discriminator.heads is {config.discriminator.heads}, but loss.adversarial "
            f"{loss.adversarial} needs {heads}",
            hint=f"Set discriminator.heads={heads}, or another loss.adversarial.",
        )


def _check_labels(config: Config) -> None:
    loss = config.loss
    if loss.adversarial in ("bce", "log"):
        for name in ("real_label", "fake_label", "generator_label"):
            if not 0 <= getattr(loss, name) <= 1:
                raise InputError(
                    f"loss.{name} is {getattr(loss, name):g}; expected 0 to 1, because "
                    f"loss.adversarial {loss.adversarial} uses it as a probability",
                    hint="Only lsgan takes labels outside 0 to 1.",
                )
    real, fake = loss.real_label - loss.label_noise, loss.fake_label + loss.label_noise
    if loss.fake_label >= min(loss.real_label, loss.generator_label) or real < fake:
        raise InputError(
            "labels of real and of generated pictures overlap: loss.real_label "
            f"{loss.real_label:g} and loss.generator_label {loss.generator_label:g} must lie above "
            f"loss.fake_label {loss.fake_label:g}, and loss.real_label by at least twice "
            f"loss.label_noise ({loss.label_noise:g})",
            hint="To exchange the labels of some pictures, set loss.flip to their share.",
        )


def _check_diffaugment(config: Config) -> None:
    from mifid.baseline.gan import METHODS

    seen_by, sides = config.diffaugment.discriminators, METHODS[config.training.method].sides
    unseen = seen_by not in ("both", *sides)
    if sides and unseen and _diffaugments(config):
        raise InputError(
            f"diffaugment has probabilities above 0, but diffaugment.discriminators is {seen_by}: "
            "no discriminator would see it",
            hint=f"Set diffaugment.discriminators={sides[0]}, or color, translation and cutout to "
            "0.",
        )


def _check_crop(config: Config) -> None:
    crop, size = config.augment.crop, config.data.size
    if crop and not _SMALLEST_CROP <= crop <= size:
        raise InputError(
            f"augment.crop is {crop}; expected {_SMALLEST_CROP} to {size} (data.size), or 0",
            hint=f"Set augment.crop={size // 2}, or 0 to train on pictures of data.size.",
        )


def _diffaugments(config: Config) -> bool:
    chosen = config.diffaugment
    return max(chosen.color, chosen.translation, chosen.cutout) > 0
