"""The recipes: what the reports say, written a second time, and that each can be trained."""

import re
from dataclasses import replace
from itertools import product

import pytest
import torch

from mifid.baseline.config.file import read_run_file, write_run_file
from mifid.baseline.config.schema import Config, Inputs
from mifid.baseline.config.settings import describe, differences, override
from mifid.baseline.models import build_discriminator, build_generator
from mifid.baseline.presets import DEFAULT, PRESETS, TRAINED, preset
from mifid.baseline.presets.preset import Preset
from mifid.baseline.rules import check, idle
from mifid.errors import InputError

NAMES = list(PRESETS)

# Kaggle's MiFID of every row, in the order of the reports.
REPORTED = {
    "derunets-dcgan": 276.20,
    "derunets-first": 97.58,
    "derunets-sgd-radam": 95.15,
    "derunets-linear": 79.19,
    "derunets-radam": 57.34,
    "derunets-silu": 51.07,
    "agarwal-unet-2": 89.93,
    "agarwal-unet-60": 62.70,
    "agarwal-unet-100": 51.78,
    "agarwal-unet-120": 51.49,
    "agarwal-unet-150": 55.56,
    "agarwal-static": 39.73,
    "agarwal-static-code": 39.73,
    "agarwal-stepped": 38.30,
    "lockee-base": 58.9,
    "lockee-generator": 64.78,
    "lockee-discriminator": 71.8,
    "lockee-both-20": 73.79,
    "lockee-both-12": 71.84,
    "sabathier-cyclegan": 48.39,
    "sabathier-adabelief": 80.48,
    "sabathier-bayes": 55.08,
    "sabathier-ugatit-full": 39.32,
}

# What the reports say, as --set would take it.
ADAM = "optimiser.name=adam optimiser.beta1=0.5"
RATES = "optimiser.rate=2e-4 discriminator_rate=2e-4"
ENCODER = "generator.down_activation=leaky_relu generator.slope=0.3"
KERAS = (
    "generator.norm_eps=1e-3 discriminator.norm_eps=1e-3 optimiser.eps=1e-7 "
    "discriminator.slope=0.3 discriminator.norm_init=0.02 discriminator.init=0.02"
)
UNET = (
    f"{KERAS} generator.network=unet generator.width=64 generator.kernel=4 generator.dropout=0.5 "
    "generator.norm=instance generator.activation=relu upsample=transposed "
    "discriminator.network=patchgan layers=3 discriminator.activation=leaky_relu "
    "adversarial=bce sigmoid=false discriminator_scale=0.5 cycle=10"
)
TUTORIAL = f"{UNET} generator.init=0.02 generator.norm_init=0.02"
AGARWAL = f"{TUTORIAL} identity=10 {ADAM} {RATES}"
STATIC = (
    f"{AGARWAL} limit_photos=0 sides=both vary=yes augment.flip=yes turns=yes batch=4 "
    "steps_per_epoch=1834 epochs=30"
)
RAVIV = "limit_paintings=30 held_back=2815 metric=fid"
LEAKY_BATCH = "generator.activation=leaky_relu discriminator.activation=leaky_relu " + (
    "generator.norm=batch discriminator.norm=batch"
)
SILU = "generator.activation=silu discriminator.activation=tanh"
INSTANCE = "generator.norm=instance discriminator.norm=instance"
LOCKEE = (
    f"identity=5 cycle=10 {ADAM} optimiser.rate=1e-3 discriminator_rate=2e-4 batch=1 "
    "adversarial=bce optimiser.eps=1e-7"
)
ENHANCED_G = (
    "generator.network=attention_unet generator.norm=group generator.dropout=0.5 "
    "generator.activation=relu generator.down_activation=leaky_relu generator.slope=0.3"
)
ENHANCED_D = (
    "discriminator.network=double_patchgan discriminator.norm=group discriminator.noise=0.1 "
    "layers=3 discriminator.slope=0.3"
)
DROPPED = "generator.network=unet generator.dropout=0.5 generator.activation=leaky_relu"
LAYERS = (
    "generator.network=skip_resnet generator.norm=layer first_norm=false identity=0 "
    "adversarial=bce discriminator.network=patchgan layers=3 pooling=true"
)
BAYES = (
    "method=bayes_cyclegan generator.width=32 blocks=6 residual_activation=true wide_padding=true "
    "generator.norm=plain_instance discriminator.norm=plain_instance discriminator.width=64 "
    "adversarial=lsgan cycle=10 gamma=0 prior=1 mc_samples=3 batch=1 epochs=100 pool=0 "
    f"schedule.name=sawtooth start=0.5 teeth=50 {ADAM} beta2=0.999 {RATES}"
)
UGATIT = (
    "discriminator.network=ugatit generator.width=64 generator.blocks=4 discriminator.width=64 "
    "generator.init_type=torch discriminator.init_type=torch adversarial=lsgan cycle=10 "
    f"identity=10 cam=1000 discriminator_scale=1 {ADAM} beta2=0.999 optimiser.rate=1e-4 "
    "discriminator_rate=1e-4 weight_decay=1e-4 schedule.name=linear start=0.5 method=ugatit "
    "batch=1 steps=1_000_000 pool=0 augment.flip=yes"
)
SABATHIER_UGATIT = (
    "discriminator.network=ugatit method=ugatit epochs=60 optimiser.name=adam "
    "optimiser.rate=1e-4 discriminator_rate=1e-4"
)
SAID = {
    "derunets-dcgan": "method=gan generator.network=dcgan discriminator.network=dcgan",
    "derunets-first": f"adversarial=lsgan {LEAKY_BATCH} optimiser.name=adam beta1=0.9 beta2=0.999 "
    "batch=1 schedule.name=exponential",
    "derunets-adam-sgd": "adversarial=lsgan optimiser.name=adam_sgd switch=0.5 epochs=200",
    "derunets-adam-sgd-act": "adversarial=lsgan optimiser.name=adam_sgd switch=0.5 epochs=200",
    "derunets-sgd-radam": "adversarial=lsgan optimiser.name=sgd discriminator_name=radam",
    "derunets-linear": f"adversarial=lsgan {ADAM} beta2=0.999 schedule.name=linear epochs=30",
    "derunets-instance": f"{INSTANCE} {SILU} residual_activation=true",
    "derunets-radam": f"adversarial=lsgan {INSTANCE} optimiser.name=radam beta1=0.5 beta2=0.999 "
    "epochs=30",
    "derunets-silu": f"adversarial=lsgan {INSTANCE} optimiser.name=radam beta1=0.5 beta2=0.999 "
    f"{SILU} epochs=250",
    **{
        f"agarwal-unet-{epochs}": f"{AGARWAL} {ENCODER} limit_photos=300 batch=1 "
        f"steps_per_epoch=300 epochs={epochs}"
        for epochs in (2, 60, 100, 120, 150)
    },
    "agarwal-static": f"{STATIC} {ENCODER}",
    "agarwal-static-code": f"{STATIC.replace('identity=10', 'identity=5')} real_label=0.85 "
    "fake_label=0.15 generator_label=1 generator.down_activation=relu",
    "agarwal-stepped": f"{STATIC} {ENCODER} schedule.name=stepped factors=1,0.75,0.05,0.025",
    "lockee-base": f"{UNET} {ENCODER} identity=5 {ADAM} optimiser.rate=1e-3 "
    "discriminator_rate=2e-4 batch=1 epochs=12 generator.init=0.1 generator.norm_init=0.1",
    "lockee-generator": f"{ENHANCED_G} {LOCKEE} discriminator.network=patchgan epochs=20",
    "lockee-discriminator": f"{ENHANCED_D} {LOCKEE} generator.network=unet epochs=20",
    **{
        f"lockee-both-{epochs}": f"{ENHANCED_G} {ENHANCED_D} {LOCKEE} epochs={epochs}"
        for epochs in (12, 20, 27)
    },
    "sabathier-cyclegan": f"{LAYERS} optimiser.name=adam {RATES} batch=1 epochs=100",
    "sabathier-adabelief": f"{LAYERS} optimiser.name=adabelief {RATES} batch=1 epochs=100",
    "sabathier-bayes": "method=bayes_cyclegan mc_samples=3 kl=0.1 epochs=40",
    "bayes-z": f"{BAYES} generator.network=noise_resnet",
    "bayes-sfm": f"{BAYES} generator.network=map_resnet kl=0.1",
    "sabathier-ugatit": f"generator.network=ugatit {SABATHIER_UGATIT}",
    "sabathier-ugatit-full": f"generator.network=ugatit_full {SABATHIER_UGATIT}",
    "ugatit": f"generator.network=ugatit {UGATIT}",
    "ugatit-full": f"generator.network=ugatit_full {UGATIT}",
    "cyclegan-paper": "generator.network=resnet blocks=9 adversarial=lsgan cycle=10 identity=5 "
    "pool=50 batch=1 epochs=200 schedule.name=linear start=0.5",
    **{
        name: "generator.network=resnet generator.width=64 blocks=9 generator.halving=blur "
        "upsample=blur generator.norm=plain_instance generator.init_type=xavier "
        "discriminator.network=patchgan layers=3 discriminator.halving=blur "
        "discriminator.norm=plain_instance discriminator.init_type=xavier adversarial=lsgan "
        f"loss.weight=1 discriminator_scale=0.5 {ADAM} {RATES} beta2=0.999 batch=1 pool=0 "
        f"method=cut training.epoch=photos schedule.name=linear {own}"
        for name, own in {
            "cut": "nce=0.5 nce_identity=0.5 flip_equivariance=false epochs=400 start=0.5 "
            "enlarge_until=0.5",
            "fastcut": "nce=10 nce_identity=0 flip_equivariance=true epochs=200 start=0.75 "
            "enlarge_until=0.75",
        }.items()
    },
    **{
        name: "generator.network=uvcgan2 generator.width=48 blocks=12 generator.depth=4 "
        "generator.activation=leaky_relu generator.slope=0.01 generator.init=0.02 "
        "discriminator.network=batch_patchgan discriminator.norm=plain_instance "
        "discriminator.slope=0.2 discriminator.width=64 layers=3 batch_head=norm "
        "adversarial=lsgan discriminator_scale=0.5 optimiser.name=adam beta1=0.5 beta2=0.99 "
        "discriminator_rate=1e-4 schedule.name=constant batch=1 training.steps=1_000_000 pool=0 "
        f"ema=0.9999 method=uvcgan2 {own}"
        for name, own in {
            "uvcgan2": "cycle=5 identity=2.5 gradient_penalty=1 optimiser.rate=1e-4 enlarge=1",
            "uvcgan2-lq": "cycle=10 identity=5 gradient_penalty=0.01 optimiser.rate=5e-5",
        }.items()
    },
    "uvcgan2-pretrain": "method=inpainting generator.network=uvcgan2 generator.width=48 blocks=12 "
    "masked=0.4 tile=32 inpainting.domains=both optimiser.name=adamw optimiser.rate=3.125e-4 "
    "beta1=0.9 beta2=0.99 weight_decay=0.05 schedule.name=cosine_restarts teeth=5 rotate=10 "
    "jitter=0.2 enlarge=1 augment.flip=true batch=16 training.steps=512_000",
    "uvcgan": "generator.network=uvcgan generator.norm=plain_instance generator.width=48 blocks=12 "
    "generator.depth=4 generator.slope=0.01 batch=1 training.steps=1_000_000 beta2=0.99",
    "raviv-final": f"{RAVIV} generator.network=resnet generator.width=64 blocks=6 layers=3 "
    f"discriminator.width=64 discriminator.activation=leaky_relu adversarial=lsgan {ADAM} {RATES} "
    "batch=1 steps_per_epoch=30 epochs=500 points=500",
    "raviv-augment": f"{RAVIV} vary=yes augment.flip=yes turns=yes sides=both static=0 batch=1 "
    "epochs=470 steps_per_epoch=30",
    "raviv-augment-batch5": f"{RAVIV} vary=yes augment.flip=yes turns=yes batch=5 "
    "epochs=470 steps_per_epoch=30",
    "raviv-diffaugment": f"{RAVIV} epochs=470 steps_per_epoch=30",
    "raviv-dynamic-paintings": f"{RAVIV} sides=paintings static=0",
    "raviv-static": f"{RAVIV} sides=both",
    "raviv-static-paintings": f"{RAVIV} sides=paintings",
    "raviv-unet": f"{RAVIV} {DROPPED}",
    "raviv-dropout": f"{RAVIV} {DROPPED}",
    "raviv-soft-labels": f"{RAVIV} real_label=1 fake_label=0 label_noise=0.1",
    "raviv-pretrained": RAVIV,
    "raviv-kernel-5": f"{RAVIV} generator.kernel=5",
    "raviv-kernel-7": f"{RAVIV} generator.kernel=7",
}


@pytest.mark.parametrize("name", SAID)
def test_a_preset_is_what_its_report_says(name):
    for assignment in SAID[name].split():
        config = PRESETS[name].config
        assert differences(config, override(config, assignment)) == []


@pytest.mark.parametrize("name", SAID)
def test_what_its_report_says_is_not_marked_as_ours(name):
    for assignment in SAID[name].split():
        key = assignment.partition("=")[0]
        assert any(key in (stated, stated.partition(".")[2]) for stated in PRESETS[name].stated)


# The reports name these without a number, or don't name them.
@pytest.mark.parametrize(
    ("name", "assignment"),
    [
        *product([n for n in SAID if n.startswith(("derunets", "lockee"))], ["loss.weight=1"]),
        *product([n for n in SAID if n.startswith(("agarwal", "raviv"))], ["training.pool=0"]),
        ("agarwal-static", "loss.generator_label=0.9"),
        ("agarwal-static", "augment.static=24"),
        ("derunets-silu", "optimiser.rate=2e-4"),
        ("derunets-silu", "loss.cycle=10"),
        ("raviv-final", "loss.cycle=10"),
        ("raviv-final", "generator.norm=instance"),
        ("raviv-diffaugment", "diffaugment.color=0.5"),
        ("raviv-diffaugment", "optimiser.rate=2e-4"),
        ("raviv-diffaugment", "diffaugment.rate=0.5"),
        ("derunets-dcgan", "training.steps=2000"),
        ("derunets-instance", "training.batch=4"),
        ("derunets-radam", "training.batch=4"),
        ("derunets-silu", "training.batch=4"),
        ("raviv-final", "generator.norm_eps=1e-3"),
        ("sabathier-adabelief", "optimiser.rectify=true"),
        ("sabathier-adabelief", "optimiser.eps=1e-14"),
        ("raviv-dropout", "generator.outer_dropout=0.5"),
        ("raviv-painting-weight", "loss.painting_weight=2"),
        ("raviv-fewer-layers", "generator.blocks=3"),
        ("raviv-fewer-layers", "discriminator.layers=2"),
        ("sabathier-cyclegan", "optimiser.beta1=0.5"),
        ("cyclegan-paper", "optimiser.beta1=0.5"),
        ("sabathier-ugatit-full", "training.epoch=photos"),
        ("sabathier-ugatit-full", "loss.cam=1000"),
    ],
)
def test_what_a_report_leaves_open_is_marked_as_ours(name, assignment):
    assert override(PRESETS[name].config, assignment) == PRESETS[name].config
    assert assignment.partition("=")[0] in PRESETS[name].ours


def test_scores_are_the_reported_ones():
    assert {n: p.reported for n, p in PRESETS.items() if p.reported is not None} == REPORTED
    assert PRESETS["agarwal-static"].score == "39.73; repeated: 42.2"
    assert PRESETS["raviv-unet"].score == "FID stays near 80"
    assert PRESETS[DEFAULT].score == ""


def test_a_stepped_rate_is_the_reports_in_each_of_its_epochs():
    config = PRESETS["agarwal-stepped"].config
    rates = [2e-4] * 10 + [1.5e-4] * 10 + [1e-5] * 5 + [5e-6] * 5
    for epoch, rate in enumerate(rates):
        middle = (epoch + 0.5) / config.training.epochs
        part = sum(middle > until for until in config.schedule.until)
        assert config.optimiser.rate * config.schedule.factors[part] == pytest.approx(rate)


def test_the_default_is_the_stated_recipe():
    config = PRESETS[DEFAULT].config
    assert config.training.steps * config.training.batch == 220_000
    assert differences(Config(), config) == [
        "loss.real_label: 1 -> 0.9",
        "training.steps: 0 -> 55000",
        'training.budget: "" -> 5h',
        "checkpoint.exact: true -> false",
        "checkpoint.kept: 2 -> 1",
    ]
    recipe = (
        "generator.network=unet sides=both augment.flip=yes turns=no adversarial=lsgan cycle=10 "
        f"identity=5 {ADAM} beta2=0.999 {RATES} batch=4 schedule.name=linear start=0.5 ema=0.999 "
        "pool=50 size=256"
    )
    for assignment in recipe.split():
        assert override(config, assignment) == config
    assert config.augment.enlarge * config.data.size == 286


def test_names_can_be_typed_and_texts_are_there():
    assert all(p.name == name for name, p in PRESETS.items())
    for p in PRESETS.values():
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", p.name)
        assert len(p.name) <= 23  # a table of 100 columns shows it whole
        assert p.title
        assert p.source
        assert not p.title.endswith(".")
        assert not p.note or p.note.endswith(".")


@pytest.mark.parametrize("name", NAMES)
def test_stated_and_ours_are_the_whole_recipe(name):
    p = PRESETS[name]
    names = {setting.name for setting in describe(p.config)}
    assert p.stated <= names
    assert not p.stated & p.ours
    assert not p.stated & idle(p.config)
    # Whatever differs from the default and isn't stated is ours, if it is recipe and has an effect.
    other = {text.partition(":")[0] for text in differences(Config(), p.config)} - p.stated
    assert other - p.ours - idle(p.config) <= {
        *("data.size", "data.fit", "training.budget", "training.log_steps"),
        *("score.points", "score.samples", "checkpoint.exact", "checkpoint.kept"),
    }


@pytest.mark.parametrize("name", NAMES)
def test_no_two_presets_are_the_same(name):
    recipes = {n: (PRESETS[n].config, PRESETS[n].init) for n in NAMES}
    assert [n for n in NAMES if recipes[n] == recipes[name]] == [name]


@pytest.mark.parametrize("name", NAMES)
def test_settings_agree_and_are_read_back(name, tmp_path):
    config = PRESETS[name].config
    check(config)
    write_run_file(tmp_path / "config.toml", Inputs("a", "b"), config, version="1")
    assert read_run_file(tmp_path / "config.toml") == (Inputs("a", "b"), config)


@pytest.mark.parametrize("name", NAMES)
def test_networks_can_be_built(name):
    config = PRESETS[name].config
    size = 64 if config.discriminator.network == "ugatit" else 32  # its global scale is deeper
    generator = build_generator(replace(config.generator, width=4, blocks=1), size=size, seed=0)
    discriminator = build_discriminator(replace(config.discriminator, width=4), size=size, seed=0)
    pictures = torch.zeros(2, 3, size, size) if generator.sees_pictures else None
    noise = torch.zeros(2, *generator.noise) if generator.noise else None
    with torch.no_grad():
        said = discriminator(generator.paint(pictures, noise).picture)
    for scores in (said,) if torch.is_tensor(said) else said:
        assert scores.shape[:2] == (2, config.discriminator.heads)
        assert scores.isfinite().all()


def test_an_unknown_preset_is_told_with_the_nearest():
    assert preset("tiny") is PRESETS["tiny"]
    with pytest.raises(InputError, match="there is no preset 'derunet-silu'") as caught:
        preset("derunet-silu")
    assert "Did you mean 'derunets-silu'?" in caught.value.hint
    assert "kaggle-5h" in caught.value.hint


def test_a_row_refuses_a_setting_that_there_is_not():
    with pytest.raises(InputError, match=r"there is no setting 'loss\.cyle'"):
        _ = Preset("x", "", source="", given="loss.cyle=5").config


def test_what_is_given_goes_before_what_is_added():
    p = Preset("x", "", source="", given="loss.cycle=5", added="loss.cycle=7 data.size=64")
    assert p.config.loss.cycle == 5
    assert p.config.data.size == 64
    assert p.stated == {"loss.cycle"}


def test_what_we_trained_are_presets():
    assert set(TRAINED) <= set(PRESETS)
    assert all(fid > 0 for fid in TRAINED.values())
