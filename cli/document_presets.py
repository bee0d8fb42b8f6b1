"""Write the presets' reference: python -m mifid_cli.document_presets docs/presets.md"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from itertools import groupby

from mifid.baseline.config.schema import Config
from mifid.baseline.config.settings import Setting, describe, shown
from mifid.baseline.presets import DEFAULT, PRESETS, Preset
from mifid.baseline.rules import idle

from .document import write_or_check
from .presets import best_first

__all__ = ["presets_text"]

_HEAD = f"""\
# Presets and settings

Made from the tables in `mifid/baseline` by `make docs`; `make test` fails when it is out of date.

`mifid train-baseline --preset NAME` takes one of these recipes; without it, `{DEFAULT}`.
`--set section.key=value` changes a setting of it, and `mifid presets NAME` shows them all.

Reported scores are Kaggle's MiFID, as the sources give them; lower is better. Two runs of one
recipe differ by 1 to 2.6. A source seldom gives every setting. A * marks our choice where it is
silent: mostly what the CycleGAN paper's code does, or the Keras tutorial where a report starts from
it. What that tutorial gives counts as given by the reports that name it. Settings that are not
listed have their defaults, and are ours, too.

Four things may differ from a source whatever is set: leaky_relu has a slope of 0.2 (Keras's own is
0.3), paintings and photos are shuffled apart, photos are kept back from training, to score on, and
the innermost layer of a U-Net has no norm, which would leave nothing of its single value.
"""

_SETTINGS_HEAD = """\
## All settings

A run folder's `config.toml` holds them in this order.
"""


def presets_text() -> str:
    """Return the whole page as Markdown."""
    presets = best_first(PRESETS.values())
    parts = [_HEAD, *_table(["preset", "what", "reported", "source"], map(_summary, presets)), ""]
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
    return f"[{preset.name}](#{preset.name})", preset.title, preset.score, preset.source


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
    if ours := [_assigned(s) + mark for s in settings if _to_tell(s, preset)]:
        yield f"Ours: {', '.join(ours)}."
        yield ""


def _to_tell(setting: Setting, preset: Preset) -> bool:
    """Whether it is our choice, and not simply the default."""
    return setting.name not in preset.stated and setting.value != setting.default


def _assigned(setting: Setting) -> str:
    return f"`{setting.name}={shown(setting.value)}`"


def _table(headings: list[str], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(headings)} |"
    yield f"| {' | '.join('---' for _ in headings)} |"
    for row in rows:
        yield f"| {' | '.join(row)} |"


if __name__ == "__main__":
    sys.exit(write_or_check(presets_text(), sys.argv[1:], source="the tables"))
