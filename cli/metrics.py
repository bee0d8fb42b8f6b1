"""mifid metrics"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from .options import common, json_option
from .tables import print_json, print_table, print_text

if TYPE_CHECKING:
    from mifid.metrics import Metric

__all__ = ["metrics"]


@click.command()
@click.argument("name", required=False)
@json_option
@common
def metrics(name: str | None, as_json: bool, quiet: bool) -> None:
    """List the metrics that `mifid score --metrics` computes.

    The table shows which direction is better, what each metric needs, and its source. NAME shows
    all details of one metric.
    """
    del quiet
    from mifid.metrics import GROUPS, METRICS

    if name in GROUPS:
        raise click.UsageError(f"{name} stands for {', '.join(GROUPS[name])}: name one of them.")
    if as_json:
        rows = [_row(METRICS[name])] if name else [_row(METRICS[each]) for each in METRICS]
        print_json(json.dumps(rows[0] if name else rows, indent=2, ensure_ascii=False))
        return
    if name:
        print_table([name, METRICS[name].title], _details(METRICS[name]))
        return
    print_table(
        ["name", "what", "better", "needs", "source"],
        [
            (metric.name, metric.title, metric.better, _needs(metric), metric.source)
            for metric in METRICS.values()
        ],
    )
    for group, members in GROUPS.items():
        print_text(f"{group}: {', '.join(members)}")
    print_text("Details of one metric: mifid metrics NAME")


def _row(metric: Metric) -> dict[str, Any]:
    return {
        "name": metric.name,
        "title": metric.title,
        "better": {value: metric.direction(value) for value in metric.values},
        "values": dict(metric.values),
        "needs": list(metric.needs),
        "settings": _settings(metric),
        "source": metric.source,
        "remark": metric.remark,
        "sees": metric.sees,
        "misses": metric.misses,
    }


def _details(metric: Metric) -> Iterator[tuple[str, str]]:
    yield "better", metric.better
    yield "needs", _needs(metric)
    for value, meaning in metric.values.items():
        direction = metric.direction(value)
        other = f" ({direction} is better)" if direction not in ("", metric.better) else ""
        yield value, meaning + other
    if metric.settings:
        yield "settings", ", ".join(f"{key} {value}" for key, value in _settings(metric).items())
    yield "source", metric.source
    if metric.remark:
        yield "note", metric.remark
    yield "sees", metric.sees or "not measured"
    if metric.misses:
        yield "does not see", metric.misses


def _settings(metric: Metric) -> dict[str, Any]:
    """Return the settings that `mifid score` uses by default."""
    from mifid.uncertainty import SEED

    return {key: SEED if key == "seed" else value for key, value in metric.settings.items()}


def _needs(metric: Metric) -> str:
    return ", ".join(need.replace("_", " ") for need in metric.needs)
