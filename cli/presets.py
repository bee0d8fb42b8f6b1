"""mifid presets"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import click

from .options import common, json_option
from .tables import print_json, print_table, print_text

if TYPE_CHECKING:
    from mifid.baseline.presets import Preset

__all__ = ["best_first", "presets"]


@click.command()
@click.argument("name", required=False)
@json_option
@common
def presets(name: str | None, as_json: bool, quiet: bool) -> None:
    """List the presets of `mifid train-baseline`.

    NAME shows all settings of one preset. A * marks our choice, where the source gives no value.
    """
    del quiet
    from mifid.baseline.presets import PRESETS, preset

    if as_json:
        chosen = [_whole(preset(name))] if name else map(_summary, best_first(PRESETS.values()))
        listed = list(chosen)
        print_json(json.dumps(listed[0] if name else listed, indent=2))
    elif name:
        _show(preset(name))
    else:
        _list(PRESETS.values())


def best_first(presets: Iterable[Preset]) -> list[Preset]:
    """Sort by reported score within each source; sources keep their order."""
    presets = list(presets)
    sources = [preset.source for preset in presets]
    return sorted(presets, key=lambda p: (sources.index(p.source), p.reported or float("inf")))


def _list(presets: Iterable[Preset]) -> None:
    print_table(
        ["preset", "what", "reported MiFID", "source"],
        [(p.name, p.title, p.score, p.source) for p in best_first(presets)],
    )
    print_text("All settings of one preset: mifid presets NAME")


def _show(preset: Preset) -> None:
    score = f", reported MiFID {preset.score}" if preset.score else ""
    print_text(f"{preset.name}: {preset.title}\n{preset.source}{score}")
    print_table(["", "setting", "value", "meaning"], _rows(preset))
    print_text("* our choice: no value in the source." if preset.stated else "All are our choice.")
    if preset.note:
        print_text(preset.note)


def _rows(preset: Preset) -> Iterator[tuple[str, str, str, str]]:
    from mifid.baseline import idle
    from mifid.baseline.config import describe, shown

    ours = preset.ours if preset.stated else frozenset()
    without_effect = idle(preset.config)
    for setting in describe(preset.config):
        if setting.name not in without_effect:
            mark = "*" if setting.name in ours else ""
            yield mark, setting.name, shown(setting.value), setting.meaning


def _summary(preset: Preset) -> dict[str, Any]:
    return {
        "name": preset.name,
        "title": preset.title,
        "source": preset.source,
        "reported": preset.reported,
        "result": preset.result,
        "note": preset.note,
    }


def _whole(preset: Preset) -> dict[str, Any]:
    from mifid.baseline.config import as_dict

    return {
        **_summary(preset),
        "stated": sorted(preset.stated),
        "ours": sorted(preset.ours),
        "settings": as_dict(preset.config),
    }
