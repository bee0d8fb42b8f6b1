"""A preset: all settings of one row of a report, and which of them the report gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mifid.baseline.config import Config, changed, describe
from mifid.baseline.rules import idle

__all__ = ["Preset", "row"]

# These change what a run costs or writes, not its recipe; no report is expected to give them.
_NO_RECIPE = frozenset(
    {
        *("data.size", "data.fit", "data.select_photos", "data.select_paintings"),
        *("training.budget", "training.precision", "training.layout", "training.compile"),
        *("training.seed", "training.log_steps", "training.checkpoint_minutes"),
        *("training.submission", "score.points", "score.metric", "score.samples"),
    }
)
_LENGTHS = ("epochs", "steps")


@dataclass(frozen=True)
class Preset:
    """All settings of one row of a report.

    Attributes:
        name: as in ``--preset NAME``.
        title: the recipe in a line.
        source: whose it is.
        reported: Kaggle's MiFID; None: not given.
        result: what else is told of its result.
        stated: names, ``section.key``, of the settings whose value the source gives.
        config: all settings.
        note: what one should know to read its result, or to repeat it.
    """

    name: str
    title: str
    source: str
    reported: float | None
    result: str
    stated: frozenset[str]
    config: Config
    note: str

    @property
    def ours(self) -> frozenset[str]:
        """Names of the settings that make up the recipe and that the source doesn't give."""
        names = {setting.name for setting in describe(self.config)}
        unset = {
            f"training.{length}" for length in _LENGTHS if not getattr(self.config.training, length)
        }
        return frozenset(names - self.stated - unset - idle(self.config) - _NO_RECIPE)

    @property
    def score(self) -> str:
        """What is known of its result, in a few words; empty: nothing."""
        reported = "" if self.reported is None else f"{self.reported:g}"
        return "; ".join(filter(None, (reported, self.result)))


def row(
    name: str,
    title: str,
    *,
    source: str,
    stated: Mapping[str, object],
    ours: Mapping[str, object],
    reported: float | None = None,
    result: str = "",
    note: str = "",
) -> Preset:
    """Return a preset from what a report gives and what we add where it is silent.

    Args:
        name, title, source, reported, result, note: as in :class:`Preset`.
        stated: ``section.key`` -> the report's value.
        ours: ``section.key`` -> our value, where the default wouldn't do. Names that are in
            ``stated`` are left out, so that rows can share what we add.

    Raises:
        InputError: a setting that there is not, or that cannot be so.
    """
    return Preset(
        name=name,
        title=title,
        source=source,
        reported=reported,
        result=result,
        stated=frozenset(stated),
        config=changed(Config(), {**ours, **stated}, where=f"preset '{name}'"),
        note=note,
    )
