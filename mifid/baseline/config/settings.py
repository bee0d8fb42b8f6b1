"""Names, text and dict forms of settings; durations such as 5h.

A setting's name is ``section.key``, as in :class:`mifid.baseline.config.Config`. What must hold
between several settings is in :mod:`mifid.baseline.rules`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from functools import cache
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
    "describe_section",
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
    """A setting of a configuration, its value, and the values that it may have.

    ``at_least`` and ``at_most`` limit a number, or each number of a list.
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
        """The values that it may have, in words, such as ``"a number, at least 0"``."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        limits = (("at least", self.at_least), ("at most", self.at_most))
        bounds = [f"{word} {shown(limit)}" for word, limit in limits if limit is not None]
        return ", ".join([_KINDS[type(self.default)], " and ".join(bounds)]).removesuffix(", ")

    def checked(self, value: object, *, where: str) -> Any:
        """Return ``value`` in the setting's type: 5 as 5.0, a list as a tuple.

        Args:
            value: as somebody gave it.
            where: it was given, for messages.

        Raises:
            InputError: this setting cannot have that value.
        """
        try:
            if isinstance(self.default, tuple) and isinstance(value, list | tuple):
                return tuple(self._checked(each, float) for each in value)
            return self._checked(value, type(self.default))
        except (ValueError, OverflowError) as error:
            raise InputError(
                f"{where}: {self.name} must be {self.expected}; got {value!r}",
                hint=f"It means: {self.meaning}. Its default is {shown(self.default)}.",
            ) from error

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
    """Yield all settings, in the order of :mod:`mifid.baseline.config.schema`."""
    for section in fields(Config):
        yield from describe_section(section.name, getattr(config, section.name))


@cache
def _known() -> Mapping[str, Setting]:
    """Return all settings by their names, at their defaults."""
    return {setting.name: setting for setting in describe(Config())}


def describe_section(name: str, section: Any) -> Iterator[Setting]:
    """Yield the settings of one section, such as ``config.loss``."""
    for field in fields(section):
        value = getattr(section, field.name)
        yield Setting(name, field.name, value, field.default, **field.metadata)


def as_dict(config: Config) -> dict[str, dict[str, Any]]:
    """Return section -> key -> value, in types that JSON and TOML can hold."""
    return {
        section: {key: list(v) if isinstance(v, tuple) else v for key, v in part.items()}
        for section, part in asdict(config).items()
    }


def from_dict(data: Mapping[str, Any], *, where: str) -> Config:
    """Return the configuration of :func:`as_dict`. Missing settings have their defaults.

    Args:
        data: section -> key -> value.
        where: it comes from, for messages: a file's name.

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
        config: is not changed.
        values: ``section.key`` -> value.
        where: the values come from, for messages.

    Raises:
        InputError: there is no such setting, or it cannot have that value.
    """
    settings = _known()
    parts: dict[str, dict[str, Any]] = {}
    for name, value in values.items():
        if name not in settings:
            raise InputError(f"{where}: there is no setting '{name}'", hint=_nearest(name))
        setting = settings[name]
        parts.setdefault(setting.section, {})[setting.key] = setting.checked(value, where=where)
    sections = {name: replace(getattr(config, name), **keys) for name, keys in parts.items()}
    return replace(config, **sections)


def assigned(assignment: str) -> str:
    """Return the full name of the setting that an assignment changes; an unknown one as it is.

    >>> assigned("cycle=5")
    'loss.cycle'

    Args:
        assignment: ``section.key=value``; the key alone is enough if no other section has it.

    Raises:
        InputError: it has no ``=``, or the setting is in several sections.
    """
    name, equals, _ = (part.strip() for part in assignment.partition("="))
    if not equals or not name:
        raise InputError(
            f"'{assignment}' changes no setting",
            hint="Expected section.key=value, such as loss.cycle=5.",
        )
    found = [known.name for known in _known().values() if name in (known.name, known.key)]
    if len(found) > 1:
        raise InputError(
            f"'{assignment}': several settings are called '{name}'",
            hint=f"Give one of them: {', '.join(found)}.",
        )
    return found[0] if found else name


def override(config: Config, assignment: str) -> Config:
    """Return ``config`` with one setting changed, as ``--set`` gives it.

    >>> override(Config(), "loss.cycle=5").loss.cycle
    5.0

    Args:
        config: is not changed.
        assignment: as for :func:`assigned`.

    Raises:
        InputError: it has no ``=``; there is no such setting, or several sections have it; it
            cannot have that value.
    """
    name, text = assigned(assignment), assignment.partition("=")[2].strip()
    known = _known().get(name)
    value = text if known is None else _parsed(text, type(known.default))
    return changed(config, {name: value}, where=f"'{assignment}'")


def titled(name: str) -> str:
    """Return a setting's name, after the running command's option for it if there is one."""
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
    """Return the value that the text means, or the text itself, which is refused later."""
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


_ALIASES: Aliases = {
    alias: tuple(names.split())
    for names, aliases in {
        "optimiser.rate optimiser.discriminator_rate": "lr learning_rate",
        "optimiser.rate": "lr_g",
        "optimiser.discriminator_rate": "lr_d",
        "optimiser.beta1 optimiser.beta2": "betas",
        "optimiser.weight_decay": "wd",
        "schedule.name": "lr_policy scheduler",
        "schedule.start": "decay_epoch",
        "training.batch": "batch_size bs",
        "training.epochs": "n_epochs num_epochs",
        "training.steps": "max_steps iterations",
        "training.budget": "max_time",
        "training.pool": "pool_size buffer_size",
        "training.ema": "ema_decay",
        "training.precision": "amp fp16 bf16 mixed_precision",
        "training.seed": "random_seed",
        "training.checkpoint_minutes": "save_every save_epoch_freq checkpoint_every",
        "training.log_steps": "print_freq log_every",
        "score.points": "eval_every",
        "generator.width": "ngf",
        "discriminator.width": "ndf",
        "generator.blocks": "n_blocks n_resnet_blocks",
        "generator.network": "net_g",
        "discriminator.network": "net_d",
        "discriminator.layers": "n_layers_d",
        "generator.norm discriminator.norm": "normalization",
        "generator.dropout": "use_dropout",
        "loss.cycle": "lambda_cycle lambda_cyc lambda_a lambda_b",
        "loss.identity": "lambda_identity lambda_idt",
        "loss.weight": "lambda_gan",
        "loss.nce": "lambda_nce",
        "loss.nce_identity": "nce_idt",
        "loss.adversarial": "gan_mode gan_loss",
        "loss.real_label": "label_smoothing",
        "data.size": "image_size img_size resolution crop_size",
        "data.fit augment.enlarge": "crop",
        "augment.enlarge": "load_size",
        "data.held_back": "val_size",
        "augment.flip": "hflip horizontal_flip",
        "augment.turns": "rotation",
    }.items()
    for alias in aliases.split()
}
"""Name in other projects -> the settings that it means."""

_ARGUMENTS = {
    **{
        fold(name): name
        for name in (
            *("photos", "monets", "held_out", "out", "preset", "resume", "epsilon"),
            *("backend", "device", "gpus", "workers", "skip_bad", "tensorboard", "wandb"),
        )
    },
    **dict.fromkeys(("gpu", "gpuids", "cuda"), "device"),
    **dict.fromkeys(("ngpu", "ngpus", "numgpus"), "gpus"),
    **dict.fromkeys(("numworkers", "nworkers"), "workers"),
    "outputdir": "out",
}
"""Name, here or in other projects, without punctuation -> the argument of training that it means.

These are not settings: config.toml does not have them, or has them as inputs.
"""


def setting_named(name: str) -> list[str]:
    """Return the settings that ``name`` means, here or in other projects.

    >>> setting_named("batch-size"), setting_named("cycle"), setting_named("colour")
    (['training.batch'], ['loss.cycle'], [])
    """
    known = [s for s in describe(Config()) if fold(name) in (fold(s.name), fold(s.key))]
    if known:
        return [s.name for s in known]
    return next((list(names) for other, names in _ALIASES.items() if fold(other) == fold(name)), [])


def _nearest(name: str) -> str:
    """Return the hint for the name of a setting that does not exist."""
    sections = as_dict(Config())
    section, _, key = name.rpartition(".")
    given = _ARGUMENTS.get(fold(key if section in ("", "training", "data") else name))
    if given:
        return f"It is not a setting that config.toml keeps: give it as {setting(given)}."
    elsewhere = [f"{other}.{key}" for other in sections if key in sections[other]]
    if elsewhere:
        return f"Did you mean {' or '.join(elsewhere)}?"
    if section in sections and not any(fold(key) == fold(other) for other in _ALIASES):
        return suggest(key, sections[section])
    names = {known: s.name for s in describe(Config()) for known in (s.name, s.key)}
    found = meant(key, names, aliases=_ALIASES) or meant(name, names)
    mean = did_you_mean(list(dict.fromkeys(names.get(each, each) for each in found)))
    return f"{mean}Names of settings are section.key; sections: {', '.join(sections)}."


_NUMBER = r"(\d+(?:\.\d*)?|\.\d+)"
_DURATION = re.compile(
    rf"(?:{_NUMBER}\s*h)?\s*(?:{_NUMBER}\s*m(?:in)?)?\s*(?:{_NUMBER}\s*s?)?", re.ASCII
)


def parse_duration(text: str) -> float:
    """Return the seconds of ``"5h"``, ``"30m"``, ``"10s"``, ``"1h30m"`` or ``"90"`` (seconds).

    >>> parse_duration("1h30m")
    5400.0

    Raises:
        InputError: it is none of these, 0, or without end.
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
            f"'{text}' is 0 or without end; expected a length of time",
            hint="Give one such as 30m.",
        )
    return total


def format_duration(seconds: float) -> str:
    """Return the two largest units: ``"4 h 12 min"``, ``"1 min 5 s"``, ``"35 s"``, ``"0.4 s"``.

    ``seconds`` is finite; a negative one gives ``"0 s"``. :func:`parse_duration` reads the text.
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
