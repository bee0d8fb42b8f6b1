"""Presets: all settings of one row of a report, and which of them the report gives."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, reduce

from mifid.baseline.config import Config, assigned, describe, override
from mifid.baseline.rules import idle

__all__ = ["Preset"]

# They change what a run costs or writes, not its recipe; no report is expected to give them.
_NO_RECIPE = frozenset(
    {
        *("data.size", "data.fit", "data.select_photos", "data.select_paintings"),
        *("training.budget", "training.precision", "training.layout", "training.compile"),
        *("training.seed", "training.log_steps", "training.checkpoint_minutes"),
        *("training.submission", "score.points", "score.metric"),
        *("score.samples", "score.extractor"),
        *("checkpoint.exact", "checkpoint.kept", "checkpoint.keep_raw"),
    }
)


@dataclass(frozen=True)
class Preset:
    """All settings of one row of a report.

    Settings are text, as ``--set`` takes them: ``"loss.cycle=5 training.batch=1"``.

    Attributes:
        name: as in ``--preset NAME``.
        title: the recipe in a line.
        source: who published it.
        given: the settings whose values the source gives.
        added: our values where the source is silent and the default is not suitable. What is in
            ``given`` too has no effect here, so that rows can share what we add.
        reported: Kaggle's MiFID; None: not given.
        result: what else the source reports of its result.
        note: what one should know to read its result, or to repeat it.
        init: what its networks begin with, which the user must give; empty: random weights.
    """

    name: str
    title: str
    source: str
    given: str = ""
    added: str = ""
    reported: float | None = None
    result: str = ""
    note: str = ""
    init: str = ""

    @cached_property
    def config(self) -> Config:
        """All settings.

        Raises:
            InputError: there is no such setting, or it cannot have that value.
        """
        return reduce(override, f"{self.added} {self.given}".split(), Config())

    @cached_property
    def stated(self) -> frozenset[str]:
        """Names, ``section.key``, of the settings whose values the source gives."""
        return frozenset(map(assigned, self.given.split()))

    @property
    def ours(self) -> frozenset[str]:
        """Names of the settings that make up the recipe and that the source does not give."""
        names = {setting.name for setting in describe(self.config)}
        lengths = ("epochs", "steps")
        unset = {f"training.{key}" for key in lengths if not getattr(self.config.training, key)}
        return frozenset(names - self.stated - unset - idle(self.config) - _NO_RECIPE)

    @property
    def score(self) -> str:
        """What is known of its result, in a few words; empty: nothing."""
        reported = "" if self.reported is None else f"{self.reported:g}"
        return "; ".join(filter(None, (reported, self.result)))
