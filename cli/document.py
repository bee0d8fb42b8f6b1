"""Reference pages docs/cli.md and docs/presets.md, generated from commands and tables."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from pathlib import Path

import click

from mifid.baseline import idle
from mifid.baseline.config import Config, Setting, describe, shown
from mifid.baseline.presets import DEFAULT, PRESETS, TRAINED, TRAINED_HOW, UNPAINTED, Preset

from .main import cli
from .presets import best_first

__all__ = [
    "presets_text",
    "reference_text",
    "write_or_check",
]

_COMMANDS_HEAD = """\
# Command line

`make docs` generates this page from `--help`; `make test` fails if it is out of date.

| Exit code | Meaning |
| --- | --- |
| 0 | success |
| 1 | failure (also an unknown metric or device), or `check` found something that Kaggle refuses |
| 2 | an option or argument is unknown, missing or of the wrong type |
| 130 | interrupted |

Results go to stdout, everything else to stderr.
"""


def reference_text() -> str:
    """Return the whole reference as Markdown."""
    sections = [
        f"## {path}\n\n```text\n{command.get_help(context)}\n```\n"
        for path, command, context in _commands(cli, "mifid", None)
    ]
    return "\n".join([_COMMANDS_HEAD, *sections])


def _commands(
    command: click.Command, path: str, parent: click.Context | None
) -> Iterator[tuple[str, click.Command, click.Context]]:
    context = click.Context(
        command,
        info_name=path.rsplit(maxsplit=1)[-1],
        parent=parent,
        max_content_width=96,
        **command.context_settings,  # such as -h, which the commands inherit
    )
    context.terminal_width = 96
    yield path, command, context
    if isinstance(command, click.Group):
        for name in sorted(command.commands):
            yield from _commands(command.commands[name], f"{path} {name}", context)


_PRESETS_HEAD = f"""\
# Presets and settings

`make docs` generates this page from the tables in `mifid/baseline`; `make test` fails if it is out
of date.

`mifid train-baseline --preset NAME` uses one of these presets; the default is `{DEFAULT}`.
`--set section.key=value` changes a setting, and `mifid presets NAME` shows all of them.

Reported scores are Kaggle's MiFID, as given by the sources; lower is better. Two runs of one preset
differ by 1 to 2.6. Most sources do not give every setting. A * marks our choice where the source
gives no value: mostly the value of the CycleGAN paper's code, or of the Keras tutorial if a report
starts from it. If a report names that tutorial, the tutorial's values count as given. Settings that
are not listed have their defaults, which are our choice, too.

We have trained no preset at full size. "Trained by us" is the FID that a short run reached with
lite0, which is not comparable with Kaggle's score ({TRAINED_HOW}).
The same photos unpainted have {UNPAINTED:g}. [Training](training.md#tournament-of-presets) says
what these numbers show, and what they cannot show.

Three things may differ from a source with any settings: paintings and photos are shuffled
independently, some photos are kept out of training for scoring, and the innermost layer of a U-Net
has no norm, since its single value would become zero.
"""

_SETTINGS_HEAD = """\
## All settings

The `config.toml` of a run holds them in this order.
"""


def presets_text() -> str:
    """Return the whole page as Markdown."""
    presets = best_first(PRESETS.values())
    parts = [
        _PRESETS_HEAD,
        *_table(["preset", "what", "reported", "trained by us", "source"], map(_summary, presets)),
        "",
    ]
    for source, group in groupby(presets, key=lambda preset: preset.source):
        parts += [f"## {source}", ""]
        for preset in group:
            parts += _section(preset)
    parts += [_SETTINGS_HEAD]
    for section, settings in groupby(describe(Config()), key=lambda setting: setting.section):
        rows = ((f"`{s.key}`", f"`{shown(s.default)}`", s.meaning, s.expected) for s in settings)
        parts += [f"### {section}", "", *_table(["key", "default", "meaning", "takes"], rows), ""]
    return "\n".join(parts)


def _summary(preset: Preset) -> tuple[str, ...]:
    reached = f"{TRAINED[preset.name]:g}" if preset.name in TRAINED else "no"
    name = f"[{preset.name}](#{preset.name})"
    return name, preset.title, preset.score, reached, preset.source


def _section(preset: Preset) -> Iterator[str]:
    yield f"### {preset.name}"
    yield ""
    title = preset.title[0].upper() + preset.title[1:]
    yield f"{title}. {'' if not preset.score else f'Reported: {preset.score}.'}".rstrip()
    yield ""
    if preset.note:
        yield preset.note
        yield ""
    without_effect = idle(preset.config)
    settings = [s for s in describe(preset.config) if s.name not in without_effect]
    if stated := [_assigned(s) for s in settings if s.name in preset.stated]:
        yield f"Given: {', '.join(stated)}."
        yield ""
    mark = "\\*" if preset.stated else ""
    if ours := [_assigned(s) + mark for s in settings if _is_our_choice(s, preset)]:
        yield f"Ours: {', '.join(ours)}."
        yield ""


def _is_our_choice(setting: Setting, preset: Preset) -> bool:
    """Return whether a setting is our choice, and not simply the default."""
    return setting.name not in preset.stated and setting.value != setting.default


def _assigned(setting: Setting) -> str:
    return f"`{setting.name}={shown(setting.value)}`"


def _table(headings: list[str], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(headings)} |"
    yield f"| {' | '.join('---' for _ in headings)} |"
    for row in rows:
        yield f"| {' | '.join(row)} |"


PAGES: dict[str, tuple[Callable[[], str], str]] = {
    "cli.md": (reference_text, "the commands' --help texts"),
    "presets.md": (presets_text, "the tables"),
}
"""File name -> (function that returns its text, source of the text)."""


def write_or_check(path: Path, *, check: bool) -> int:
    """Write a page, or check that it is up to date; return the exit code."""
    make, source = PAGES[path.name]
    text = make()
    if not check:
        path.write_text(text, encoding="utf-8")
        return 0
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return 0
    print(f"{path} does not agree with {source}; run: make docs", file=sys.stderr)  # noqa: T201
    return 1


def main(arguments: list[str]) -> int:
    """Write or check the named pages; return the exit code."""
    check = "--check" in arguments
    paths = [Path(each) for each in arguments if each != "--check"]
    return max(write_or_check(path, check=check) for path in paths)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
