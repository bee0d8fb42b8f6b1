"""Settings by name: read, refused, changed, compared."""

import dataclasses
import json
from inspect import signature

import pytest

import mifid.baseline.config.settings as settings_module
from mifid.baseline.config.schema import Config
from mifid.baseline.config.settings import (
    as_dict,
    changed,
    describe,
    differences,
    from_dict,
    override,
    shown,
)
from mifid.baseline.training import train_baseline
from mifid.errors import InputError, name_options
from mifid.registry import fold

SETTINGS = list(describe(Config()))
NAMES = [setting.name for setting in SETTINGS]


def another(setting):
    """Return a value that can be given, other than the default."""
    if setting.choices:
        return next(choice for choice in setting.choices if choice != setting.default)
    kind = type(setting.default)
    if kind is bool:
        return not setting.default
    if kind is str:
        return "something else"
    if kind is tuple:
        return (0.25, 1 / 3)
    if kind is int:
        return setting.default + 1 if setting.at_most != setting.default else setting.default - 1
    high = setting.default + 1 if setting.at_most is None else setting.at_most
    return (setting.default + high) / 2 if high != setting.default else setting.at_least


ANOTHER = {setting.name: another(setting) for setting in SETTINGS}
CHANGED = changed(Config(), ANOTHER, where="here")


def test_every_setting_is_described():
    fields = [
        f"{section.name}.{field.name}"
        for section in dataclasses.fields(Config)
        for field in dataclasses.fields(getattr(Config(), section.name))
    ]
    assert fields == NAMES
    assert all(setting.meaning and setting.value == setting.default for setting in SETTINGS)


def test_defaults_can_be_given_and_have_the_annotated_type():
    annotations = {
        f"{section.name}.{field.name}": field.type.partition("[")[0]
        for section in dataclasses.fields(Config)
        for field in dataclasses.fields(getattr(Config(), section.name))
    }
    for setting in SETTINGS:
        assert setting.checked(setting.default, where="here") == setting.default
        assert type(setting.default).__name__ == annotations[setting.name]


def test_changed_changes_what_is_named_and_nothing_else():
    assert changed(Config(), {}, where="here") == Config()
    one = changed(Config(), {"loss.cycle": 7.0}, where="here")
    assert one.loss.cycle == 7
    assert dataclasses.replace(one, loss=Config().loss) == Config()
    assert all(a.value != b.value for a, b in zip(describe(CHANGED), SETTINGS, strict=True))


def test_a_dictionary_is_read_back_even_through_json():
    assert from_dict(as_dict(CHANGED), where="here") == CHANGED
    assert from_dict(json.loads(json.dumps(as_dict(CHANGED))), where="here") == CHANGED
    assert list(as_dict(Config())) == [field.name for field in dataclasses.fields(Config)]


def test_what_is_missing_has_its_default():
    assert from_dict({}, where="here") == Config()
    assert from_dict({"loss": {"cycle": 5}}, where="here") == override(Config(), "loss.cycle=5")


def test_whole_numbers_become_numbers_and_lists_tuples():
    config = from_dict(
        {"loss": {"cycle": 5}, "schedule": {"until": [0, 1], "factors": [1, 1, 0.5]}}, where="here"
    )
    assert type(config.loss.cycle) is float
    assert config.schedule.until == (0.0, 1.0)
    assert {type(number) for number in config.schedule.until} == {float}
    hash(config)  # as a frozen dataclass promises


@pytest.mark.parametrize(
    ("data", "message", "hint"),
    [
        ({"los": {}}, "c.toml: there is no section 'los'", "Did you mean 'loss'?"),
        ({"loss": 5}, "c.toml: 'loss' must be a table of settings, got 5", "[loss]"),
        (
            {"loss": {"cyle": 5}},
            "c.toml: there is no setting 'loss.cyle'",
            "Did you mean 'cycle'? There are: adversarial, ",
        ),
        (
            {"training": {"identity": 5}},
            "c.toml: there is no setting 'training.identity'",
            "Did you mean loss.identity?",
        ),
        (
            {"loss": {"cycle": "5"}},
            "c.toml: loss.cycle must be a number, at least 0; got '5'",
            "It means: weight of the L1 cycle loss. Its default is 10.",
        ),
        ({"loss": {"cycle": True}}, "loss.cycle must be a number, at least 0; got True", ""),
        ({"loss": {"cycle": -1}}, "loss.cycle must be a number, at least 0; got -1", ""),
        ({"loss": {"cycle": float("nan")}}, "at least 0; got nan", ""),
        ({"loss": {"real_label": float("inf")}}, "loss.real_label must be a number; got inf", ""),
        ({"loss": {"cycle": 10**400}}, "loss.cycle must be a number, at least 0; got 1000", ""),
        (
            {"loss": {"label_noise": 0.6}},
            "loss.label_noise must be a number, at least 0 and at most 0.5; got 0.6",
            "",
        ),
        (
            {"training": {"batch": 2.0}},
            "training.batch must be a whole number, at least 1; got 2.0",
            "",
        ),
        ({"training": {"batch": True}}, "a whole number, at least 1; got True", ""),
        ({"augment": {"flip": 1}}, "augment.flip must be true or false; got 1", ""),
        (
            {"loss": {"adversarial": "wgan"}},
            "loss.adversarial must be one of lsgan, bce, log, hinge, d2gan, hinge_bce; got 'wgan'",
            "",
        ),
        (
            {"loss": {"adversarial": 5}},
            "must be one of lsgan, bce, log, hinge, d2gan, hinge_bce; got 5",
            "",
        ),
        (
            {"schedule": {"until": 0.5}},
            "schedule.until must be a list of numbers, at least 0 and at most 1; got 0.5",
            "",
        ),
        ({"schedule": {"until": [0.5, 1.5]}}, "got [0.5, 1.5]", ""),
        ({"schedule": {"until": ["x"]}}, "got ['x']", ""),
        ({"training": {"budget": 5}}, "training.budget must be text; got 5", ""),
    ],
)
def test_what_cannot_be_is_told(data, message, hint):
    with pytest.raises(InputError) as caught:
        from_dict(data, where="c.toml")
    assert message in caught.value.message
    assert caught.value.message.startswith("c.toml: ")
    assert hint in caught.value.hint


# override


@pytest.mark.parametrize("name", NAMES)
def test_any_setting_can_be_overridden_by_what_is_shown(name):
    config = override(Config(), f"{name}={shown(ANOTHER[name])}")
    assert config == changed(Config(), {name: ANOTHER[name]}, where="here")
    assert override(config, f"{name}={shown(as_value(name))}") == Config()


def as_value(name):
    return next(setting.default for setting in SETTINGS if setting.name == name)


@pytest.mark.parametrize(
    ("assignment", "name", "value"),
    [
        ("cycle=5", "loss.cycle", 5.0),
        (" loss.cycle = 5 ", "loss.cycle", 5.0),
        ("optimiser.rate=2e-4", "optimiser.rate", 2e-4),
        ("training.steps=55_000", "training.steps", 55_000),
        ("vary=YES", "augment.vary", True),
        ("augment.flip=no", "augment.flip", False),
        ("until=0.5,0.75", "schedule.until", (0.5, 0.75)),
        ("until=[ 0.5, 0.75, ]", "schedule.until", (0.5, 0.75)),
        ("factors=", "schedule.factors", ()),
        ("select_photos=a=b.txt", "data.select_photos", "a=b.txt"),
        ("select_photos='a b.txt'", "data.select_photos", "a b.txt"),
        ("budget=5h", "training.budget", "5h"),
    ],
)
def test_values_are_read_by_the_settings_type(assignment, name, value):
    config = override(Config(), assignment)
    assert config == changed(Config(), {name: value}, where="here")
    section, key = name.split(".")
    assert type(getattr(getattr(config, section), key)) is type(value)


@pytest.mark.parametrize("text", ["", "abc", " a ", '"', '"a"', "'", "it's", "0.5", "true", '""'])
def test_any_text_is_shown_so_that_it_can_be_given(text):
    config = override(Config(), f"data.select_photos={shown(text)}")
    assert config.data.select_photos == text


@pytest.mark.parametrize(
    ("assignment", "message", "hint"),
    [
        ("loss.cycle", "'loss.cycle' changes no setting", "section.key=value"),
        ("=5", "'=5' changes no setting", "section.key=value"),
        (
            "flip=1",
            "'flip=1': several settings are called 'flip'",
            "augment.flip, loss.flip",
        ),
        ("loss.cyle=5", "'loss.cyle=5': there is no setting 'loss.cyle'", "Did you mean 'cycle'?"),
        ("cyle=5", "'cyle=5': there is no setting 'cyle'", "Did you mean 'loss.cycle'?"),
        ("losses.cycl=5", "there is no setting 'losses.cycl'", "Did you mean 'loss.cycle'?"),
        ("data.cycle=5", "there is no setting 'data.cycle'", "Did you mean loss.cycle?"),
        (
            "optim.name=sgd",
            "there is no setting 'optim.name'",
            "Did you mean optimiser.name or schedule.name?",
        ),
        ("zzzz=5", "there is no setting 'zzzz'", "section.key; sections: data"),
        ("cycle=ten", "loss.cycle must be a number, at least 0; got 'ten'", "Its default is 10."),
        ("batch=1.5", "training.batch must be a whole number, at least 1; got '1.5'", ""),
        ("vary=maybe", "augment.vary must be true or false; got 'maybe'", "default is false"),
        ("until=0.5;0.7", "schedule.until must be a list of numbers", "default is []"),
        (
            "generator.norm=none,",
            "one of instance, batch, group, layer, plain_instance, none; got 'none,'",
            "",
        ),
    ],
)
def test_an_override_that_cannot_be_is_told(assignment, message, hint):
    with pytest.raises(InputError) as caught:
        override(Config(), assignment)
    assert message in caught.value.message
    assert assignment in caught.value.message
    assert hint in caught.value.hint


def test_differences_are_told_in_order():
    config = override(override(Config(), "training.budget=5h"), "loss.cycle=5.5")
    assert differences(Config(), config) == ["loss.cycle: 10 -> 5.5", 'training.budget: "" -> 5h']
    assert differences(config, config) == []
    assert len(differences(Config(), CHANGED)) == len(NAMES)


@pytest.mark.parametrize(
    ("assignment", "meant"),
    [
        ("lr=0.001", "'optimiser.rate' or 'optimiser.discriminator_rate'"),
        ("learning-rate=0.001", "'optimiser.rate' or 'optimiser.discriminator_rate'"),
        ("optimizer.lr=0.001", "'optimiser.rate' or 'optimiser.discriminator_rate'"),
        ("optimiser.lr=0.001", "'optimiser.rate' or 'optimiser.discriminator_rate'"),
        ("batch_size=4", "'training.batch'"),
        ("training.batch_size=4", "'training.batch'"),
        ("ngf=32", "'generator.width'"),
        ("ndf=32", "'discriminator.width'"),
        ("n_blocks=6", "'generator.blocks'"),
        ("lambda_cycle=5", "'loss.cycle'"),
        ("lambda_identity=5", "'loss.identity'"),
        ("image_size=128", "'data.size'"),
        ("amp=true", "'training.precision'"),
        ("fp16=true", "'training.precision'"),
        ("save_every=5", "'training.checkpoint_minutes'"),
    ],
)
def test_other_projects_names_are_answered_by_meaning(assignment, meant):
    with pytest.raises(InputError) as refused:
        override(Config(), assignment)
    assert f"Did you mean {meant}?" in refused.value.hint


@pytest.mark.parametrize(
    ("assignment", "argument"),
    [
        *(("device=cpu", "device"), ("training.device=cpu", "device"), ("cuda=0", "device")),
        *(("num_workers=4", "workers"), ("data.num-workers=4", "workers")),
        *(("held_out=others", "held_out"), ("skip-bad=true", "skip_bad")),
    ],
)
def test_what_is_no_setting_but_an_argument_is_named(assignment, argument):
    with pytest.raises(InputError) as refused:
        override(Config(), assignment)
    assert refused.value.hint.endswith(f"give it as {argument}.")
    before = name_options({argument: f"--{argument.replace('_', '-')}"})
    try:
        with pytest.raises(InputError) as refused:
            override(Config(), assignment)
    finally:
        name_options(before)
    assert refused.value.hint.endswith(f"give it as --{argument.replace('_', '-')}.")


def test_arguments_are_those_of_training_and_no_settings():
    known = {fold(s.key) for s in describe(Config())}
    assert set(settings_module._ARGUMENTS.values()) <= set(signature(train_baseline).parameters)
    assert not known & set(settings_module._ARGUMENTS)
    assert all(fold(name) == name for name in settings_module._ARGUMENTS)


def test_aliases_are_of_settings_that_there_are():
    known = {setting.name for setting in describe(Config())}
    for names in settings_module._ALIASES.values():
        assert ({names} if isinstance(names, str) else set(names)) <= known
