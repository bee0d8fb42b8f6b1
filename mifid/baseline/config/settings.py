"""Settings by name: as text, as dict, with their meanings; and durations such as 5h.

A setting's name is ``section.key``, as in :class:`mifid.baseline.config.Config`. What must hold
between several settings is in :mod:`mifid.baseline.rules`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from math import isfinite
from typing import Any

from mifid.baseline.config.schema import Config
from mifid.errors import InputError, setting
from mifid.registry import Aliases, did_you_mean, fold, meant, suggest

__all__ = [
    "Setting",
    "as_dict",
    "assigned",
    "changed",
    "describe",
    "differences",
    "format_duration",
    "from_dict",
    "override",
    "parse_duration",
    "setting_named",
    "shown",
    "titled",
]

_KINDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    tuple: "a list of numbers",
}
_TRUTH = {"true": True, "yes": True, "false": False, "no": False}


@dataclass(frozen=True)
class Setting:
    """One setting of a configuration, and what may be given for it.

    ``at_least`` and ``at_most`` hold for a number, or for each of a list.
    """

    section: str
    key: str
    value: Any
    default: Any
    meaning: str
    choices: tuple[str, ...]
    at_least: float | None
    at_most: float | None

    @property
    def name(self) -> str:
        """``section.key``."""
        return f"{self.section}.{self.key}"

    @property
    def expected(self) -> str:
        """What may be given, such as ``"a number, at least 0"``."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        limits = (("at least", self.at_least), ("at most", self.at_most))
        bounds = [f"{word} {shown(limit)}" for word, limit in limits if limit is not None]
        return ", ".join([_KINDS[type(self.default)], " and ".join(bounds)]).removesuffix(", ")

    def checked(self, value: object) -> Any:
        """Return ``value`` in the setting's type: 5 as 5.0, a list as a tuple.

        Raises:
            ValueError: it cannot be given for this setting.
        """
        if isinstance(self.default, tuple) and isinstance(value, list | tuple):
            return tuple(self._checked(each, float) for each in value)
        return self._checked(value, type(self.default))

    def _checked(self, value: object, kind: type) -> Any:
        if kind is float and type(value) is int:
            value = float(value)
        # By type, not isinstance: to Python, True is a whole number.
        if type(value) is not kind or (self.choices and value not in self.choices):
            raise ValueError
        if isinstance(value, int | float) and not (
            isfinite(value)
            and (self.at_least is None or value >= self.at_least)
            and (self.at_most is None or value <= self.at_most)
        ):
            raise ValueError
        return value


def describe(config: Config) -> Iterator[Setting]:
    """Go through all settings, in the order of :mod:`mifid.baseline.config.schema`."""
    for section in fields(Config):
        part = getattr(config, section.name)
        for field in fields(part):
            value = getattr(part, field.name)
            yield Setting(section.name, field.name, value, field.default, **field.metadata)


def as_dict(config: Config) -> dict[str, dict[str, Any]]:
    """Return section -> key -> value, of what JSON and TOML can hold."""
    return {
        section: {key: list(v) if isinstance(v, tuple) else v for key, v in part.items()}
        for section, part in asdict(config).items()
    }


def from_dict(data: Mapping[str, Any], *, where: str) -> Config:
    """Return what :func:`as_dict` gave. Settings that are missing have their defaults.

    Args:
        data: section -> key -> value.
        where: it came from, for messages: a file's name.

    Raises:
        InputError: an unknown section or key, a value of another type, or out of its limits.
    """
    sections = as_dict(Config())
    values: dict[str, object] = {}
    for section, keys in data.items():
        if section not in sections:
            raise InputError(
                f"{where}: there is no section '{section}'", hint=suggest(section, sections)
            )
        if not isinstance(keys, Mapping):
            raise InputError(
                f"{where}: '{section}' must be a table of settings, got {keys!r}",
                hint=f"Put its settings below a line that says [{section}].",
            )
        values.update({f"{section}.{key}": value for key, value in keys.items()})
    return changed(Config(), values, where=where)


def changed(config: Config, values: Mapping[str, object], *, where: str) -> Config:
    """Return ``config`` with other values of some settings.

    Args:
        config: stays as it is.
        values: ``section.key`` -> value.
        where: the values come from, for messages.

    Raises:
        InputError: there is no such setting, or it cannot be that.
    """
    settings = {setting.name: setting for setting in describe(config)}
    parts: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        if name not in settings:
            raise InputError(f"{where}: there is no setting '{name}'", hint=_nearest(name))
        setting = settings[name]
        try:
            parts.setdefault(setting.section, {})[setting.key] = setting.checked(value)
        except (ValueError, OverflowError) as error:
            raise InputError(
                f"{where}: {name} must be {setting.expected}; got {value!r}",
                hint=f"It means: {setting.meaning}. Its default is {shown(setting.default)}.",
            ) from error
    sections = {name: replace(getattr(config, name), **keys) for name, keys in parts.items()}
    return replace(config, **sections)


def assigned(assignment: str) -> str:
    """Return the full name of the setting that is changed, or what was given if there is none.

    >>> assigned("cycle=5")
    'loss.cycle'

    Args:
        assignment: ``section.key=value``; the key alone will do where no other section has it.

    Raises:
        InputError: it has no ``=``, or the setting is in several sections.
    """
    name, equals, _ = (part.strip() for part in assignment.partition("="))
    if not equals or not name:
        raise InputError(
            f"'{assignment}' changes no setting", hint="Expected section.key=value: loss.cycle=5."
        )
    found = [setting.name for setting in describe(Config()) if name in (setting.name, setting.key)]
    if len(found) > 1:
        raise InputError(
            f"'{assignment}': several settings are called '{name}'",
            hint=f"Say which one: {', '.join(found)}.",
        )
    return found[0] if found else name


def override(config: Config, assignment: str) -> Config:
    """Return ``config`` with one setting changed, as ``--set`` gives it.

    >>> override(Config(), "loss.cycle=5").loss.cycle
    5.0

    Args:
        config: stays as it is.
        assignment: as for :func:`assigned`.

    Raises:
        InputError: it has no ``=``, or the setting is not there, or is in several sections, or
            cannot be that.
    """
    name, text = assigned(assignment), assignment.partition("=")[2].strip()
    found = [setting for setting in describe(config) if setting.name == name]
    value = _parsed(text, type(found[0].default)) if found else text
    return changed(config, {name: value}, where=f"'{assignment}'")


def titled(name: str) -> str:
    """Return a setting's name, with the option before it that the running command has for it."""
    option = setting(name)
    return name if option == name else f"{option} ({name})"


def differences(a: Config, b: Config) -> list[str]:
    """Return what differs, as ``"loss.cycle: 10 -> 5"``, in the order of the settings."""
    return [
        f"{before.name}: {shown(before.value)} -> {shown(after.value)}"
        for before, after in zip(describe(a), describe(b), strict=True)
        if before.value != after.value
    ]


def shown(value: object) -> str:
    """Return a value as :func:`override` takes it: ``10``, ``true``, ``[0.5, 0.75]``, ``5h``."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return repr(value).removesuffix(".0")
    if isinstance(value, tuple):
        return f"[{', '.join(map(shown, value))}]"
    text = str(value)
    return f'"{text}"' if not text or text != text.strip() or _quoted(text) else text


def _parsed(text: str, kind: type) -> object:
    """Return the value that the text stands for, or the text: then it is refused as such."""
    try:
        if kind is tuple:
            listed = text.removeprefix("[").removesuffix("]").strip().removesuffix(",")
            return tuple(float(number) for number in listed.split(",")) if listed else ()
        if kind is str:
            return text[1:-1] if _quoted(text) else text
        return _TRUTH.get(text.lower(), text) if kind is bool else kind(text)
    except ValueError:
        return text


def _quoted(text: str) -> bool:
    return len(text) > 1 and text[0] == text[-1] and text[0] in "\"'"


_RATES = ("optimiser.rate", "optimiser.discriminator_rate")

_ALIASES: Aliases = {
    "lr": _RATES,
    "learning_rate": _RATES,
    "lr_g": "optimiser.rate",
    "lr_d": "optimiser.discriminator_rate",
    "betas": ("optimiser.beta1", "optimiser.beta2"),
    "wd": "optimiser.weight_decay",
    "lr_policy": "schedule.name",
    "scheduler": "schedule.name",
    "decay_epoch": "schedule.start",
    "batch_size": "training.batch",
    "bs": "training.batch",
    "n_epochs": "training.epochs",
    "num_epochs": "training.epochs",
    "max_steps": "training.steps",
    "iterations": "training.steps",
    "max_time": "training.budget",
    "pool_size": "training.pool",
    "buffer_size": "training.pool",
    "ema_decay": "training.ema",
    "amp": "training.precision",
    "fp16": "training.precision",
    "bf16": "training.precision",
    "mixed_precision": "training.precision",
    "random_seed": "training.seed",
    "save_every": "training.checkpoint_minutes",
    "save_epoch_freq": "training.checkpoint_minutes",
    "checkpoint_every": "training.checkpoint_minutes",
    "print_freq": "training.log_steps",
    "log_every": "training.log_steps",
    "eval_every": "score.points",
    "ngf": "generator.width",
    "ndf": "discriminator.width",
    "n_blocks": "generator.blocks",
    "n_resnet_blocks": "generator.blocks",
    "net_g": "generator.network",
    "net_d": "discriminator.network",
    "n_layers_d": "discriminator.layers",
    "normalization": ("generator.norm", "discriminator.norm"),
    "use_dropout": "generator.dropout",
    "lambda_cycle": "loss.cycle",
    "lambda_cyc": "loss.cycle",
    "lambda_a": "loss.cycle",
    "lambda_b": "loss.cycle",
    "lambda_identity": "loss.identity",
    "lambda_idt": "loss.identity",
    "lambda_gan": "loss.weight",
    "gan_mode": "loss.adversarial",
    "gan_loss": "loss.adversarial",
    "label_smoothing": "loss.real_label",
    "image_size": "data.size",
    "img_size": "data.size",
    "resolution": "data.size",
    "crop": ("data.fit", "augment.enlarge"),
    "crop_size": "data.size",
    "load_size": "augment.enlarge",
    "val_size": "data.held_back",
    "hflip": "augment.flip",
    "horizontal_flip": "augment.flip",
    "rotation": "augment.turns",
}
"""What others call these settings."""


_ARGUMENTS = {
    **{"device": "device", "gpu": "device", "gpus": "device", "gpuids": "device"},
    **{"cuda": "device", "workers": "workers", "numworkers": "workers", "nworkers": "workers"},
    **{"backend": "backend", "skipbad": "skip_bad", "tensorboard": "tensorboard"},
    **{"extractor": "extractor", "epsilon": "epsilon", "out": "out", "outputdir": "out"},
    **{"resume": "resume", "preset": "preset", "heldout": "held_out", "photos": "photos"},
    **{"monets": "monets"},
}
"""What is given beside the settings, as it or others call it, without punctuation."""


def setting_named(name: str) -> list[str]:
    """Return the settings that somebody means who writes ``name``, by meaning or by their names.

    >>> setting_named("batch-size"), setting_named("cycle"), setting_named("colour")
    (['training.batch'], ['loss.cycle'], [])
    """
    known = [s for s in describe(Config()) if fold(name) in (fold(s.name), fold(s.key))]
    if known:
        return [s.name for s in known]
    return next(
        (
            [names] if isinstance(names, str) else list(names)
            for other, names in _ALIASES.items()
            if fold(other) == fold(name)
        ),
        [],
    )


def _nearest(name: str) -> str:
    """Return what is said to a setting that is not there."""
    sections = as_dict(Config())
    section, _, key = name.rpartition(".")
    given = _ARGUMENTS.get(fold(key if section in ("", "training", "data") else name))
    if given:
        return f"That is no setting of a run, which config.toml keeps: give it as {setting(given)}."
    elsewhere = [f"{other}.{key}" for other in sections if key in sections[other]]
    if elsewhere:
        return f"Did you mean {' or '.join(elsewhere)}?"
    if section in sections and not any(fold(key) == fold(other) for other in _ALIASES):
        return suggest(key, sections[section])
    names = {known: s.name for s in describe(Config()) for known in (s.name, s.key)}
    found = meant(key, names, aliases=_ALIASES) or meant(name, names)
    mean = did_you_mean(list(dict.fromkeys(names.get(each, each) for each in found)))
    return f"{mean}Settings are called section.key; sections: {', '.join(sections)}."


_NUMBER = r"(\d+(?:\.\d*)?|\.\d+)"
_DURATION = re.compile(
    rf"(?:{_NUMBER}\s*h)?\s*(?:{_NUMBER}\s*m(?:in)?)?\s*(?:{_NUMBER}\s*s?)?", re.ASCII
)


def parse_duration(text: str) -> float:
    """Return the seconds of ``"5h"``, ``"30m"``, ``"10s"``, ``"1h30m"`` or ``"90"`` (seconds).

    >>> parse_duration("1h30m")
    5400.0

    Raises:
        InputError: it is none of these, or no time at all.
    """
    found = _DURATION.fullmatch(text.strip().lower())
    if found is None or not any(found.groups()):
        raise InputError(
            f"'{text}' is not a length of time",
            hint="Expected hours, minutes and seconds, in this order: 5h, 30m, 10s, 1h30m.",
        )
    hours, minutes, seconds = (float(number or 0) for number in found.groups())
    total = hours * 3600 + minutes * 60 + seconds
    if not 0 < total < float("inf"):
        raise InputError(
            f"'{text}' is no length of time that could pass", hint="Give one such as 30m."
        )
    return total


def format_duration(seconds: float) -> str:
    """Return the two largest units: ``"4 h 12 min"``, ``"1 min 5 s"``, ``"35 s"``, ``"0.4 s"``.

    ``seconds`` is finite; less than nothing is shown as ``"0 s"``. :func:`parse_duration` reads it.
    """
    if round(seconds, 1) < 1:
        return f"{max(seconds, 0):.1f} s" if round(seconds, 1) > 0 else "0 s"
    whole = round(seconds)
    if whole < 3600:
        return _units((whole // 60, "min"), (whole % 60, "s"))
    minutes = round(seconds / 60)  # rounded once, so that 59 min 59.9 s is not 0 h 60 min
    return _units((minutes // 60, "h"), (minutes % 60, "min"))


def _units(*parts: tuple[int, str]) -> str:
    return " ".join(f"{number} {unit}" for number, unit in parts if number)
