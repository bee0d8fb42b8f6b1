"""The result of a selection: which pictures stay, why the others go, and their measures."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from mifid.evidence import Column
from mifid.formatting import aligned, json_text, spelled_out, terminal_safe
from mifid.inputs import Side
from mifid.rendering import html_table
from mifid.selection.choices import AgainstRandom, Choice
from mifid.selection.dropping import CRITERIA, Dropped, Thresholds
from mifid.selection.measures import Measures
from mifid.selection.page import write_sheet
from mifid.selection.picture_lists import write_list

__all__ = ["Selection"]

LIMITS = (
    "Whether a network trained on these pictures scores better is not measured: train with and "
    "without the choice.",
    "Brightness and sharpness are of pixels: a painting of night or of fog counts as dark or "
    "blurred. Distances of features compare what the network's training taught it, mostly the "
    "subject, not a painter's style. Look at the sheet.",
)


@dataclass(frozen=True, eq=False, repr=False)  # arrays have no single truth value
class Selection:
    """The result of :func:`mifid.selection.selecting.select`.

    Attributes:
        names: of the chosen pictures, in the order of the source.
        reasons: name -> why it was not chosen.
        measures: of all pictures that could be decoded.
        dropped: row of ``measures`` -> why it was not chosen.
        thresholds: of the criteria that were applied.
        choice: how some were chosen among those that are left; None: all were.
        comparisons: with random choices, at held-out pictures; empty if there are none.
        source: the pictures, as they were given.
        extractor: name of the network.
        warnings: the texts of all MifidWarnings of the call.
        given, value_range: to open the pictures again, for the sheet.
    """

    measures: Measures
    dropped: Mapping[int, Dropped]
    thresholds: Thresholds
    choice: Choice | None
    comparisons: tuple[AgainstRandom, ...]
    source: Side
    extractor: str
    warnings: tuple[str, ...] = ()
    given: Any = None
    value_range: Any = None

    def __repr__(self) -> str:
        return f"Selection({len(self.rows):,} of {len(self.measures):,} pictures)"

    @property
    def rows(self) -> list[int]:
        """Rows of ``measures`` that are chosen."""
        return [row for row in range(len(self.measures)) if row not in self.dropped]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the chosen pictures."""
        return tuple(self.measures.names[row] for row in self.rows)

    @property
    def reasons(self) -> Mapping[str, str]:
        """Name -> why it was not chosen."""
        return {self.measures.names[row]: each.reason for row, each in self.dropped.items()}

    def columns(self) -> Mapping[str, Column]:
        """Return a table of all pictures: its columns by name; for ``write_table``."""
        reasons = [self.dropped.get(row) for row in range(len(self.measures))]
        columns = dict(self.measures.columns())
        if self.choice is not None and self.choice.name == "style":
            columns["style_distance"] = self.choice.values
        columns["chosen"] = np.array([each is None for each in reasons])
        columns["criterion"] = tuple(None if each is None else each.criterion for each in reasons)
        columns["reason"] = tuple(None if each is None else each.reason for each in reasons)
        return columns

    def summary(self) -> list[tuple[str, str, str]]:
        """Return rows of (what, how many pictures, how), for text and page."""
        counts = Counter(each.criterion for each in self.dropped.values())
        rows = [("given", f"{self.source.n:,}", self.source.source)]
        if self.source.bad:
            rows.append(("left out", f"{len(self.source.bad):,}", "they cannot be decoded"))
        for name, threshold in self.thresholds.items():
            rows.append((name, f"{counts[name]:,}", CRITERIA[name].rule.format(threshold)))
        how = "all that are left" if self.choice is None else self.choice.how
        return [*rows, ("chosen", f"{len(self.rows):,}", how)]

    def notes(self) -> list[str]:
        """Return what else there is to say, a paragraph each."""
        compared = [f"Fréchet distance ({self.extractor}) {c.text}." for c in self.comparisons]
        fitted = (
            [
                "The search fits its own half of the held-out pictures: judge it by the other one. "
                "A low distance does not make pictures one style."
            ]
            if self.choice is not None and self.choice.name == "search"
            else []
        )
        return [*compared, *fitted, *LIMITS]

    def text(self) -> str:
        """Return counts, comparisons, and what the selection cannot know."""
        table = aligned([tuple(map(spelled_out, row)) for row in self.summary()], "<><")
        warned = [f"Warning: {terminal_safe(warning)}" for warning in self.warnings]
        return "\n".join([*table, "", *self.notes(), *warned])

    __str__ = text

    def _repr_html_(self) -> str:
        notes = [("", "", note) for note in self.notes()]
        return html_table([*self.summary(), *notes], ("", "pictures", "how"))

    def to_dict(self) -> dict[str, Any]:
        """Return all but the measures as plain values. Keys are stable; later versions may add."""
        return {
            "names": list(self.names),
            "n": len(self.rows),
            "dropped": [
                {
                    "name": self.measures.names[row],
                    **asdict(each),
                    "beside": None if each.beside is None else self.measures.names[each.beside],
                }
                for row, each in sorted(self.dropped.items())
            ],
            "thresholds": dict(self.thresholds),
            "how": None if self.choice is None else self.choice.how,
            "comparisons": [asdict(each) for each in self.comparisons],
            "source": asdict(self.source),
            "extractor": self.extractor,
            "notes": self.notes(),
            "warnings": list(self.warnings),
        }

    def to_json(self) -> str:
        """Return :meth:`to_dict` as indented JSON."""
        return json_text(self.to_dict())

    def save(self, path: str | os.PathLike[str], *, force: bool = False) -> None:
        """Write the names, one on each line, as ``train-baseline --select`` reads them.

        Args:
            path: of the text, written whole or not at all.
            force: replace any file; False: only an unedited list that this method wrote.

        Raises:
            OutputError: it cannot be written, is another file, or a name cannot be in a list.
        """
        remarks = [f"{what}: {count}, {how}" for what, count, how in self.summary()]
        write_list(path, self.names, among=self.measures.names, remarks=remarks, force=force)

    def sheet(self, path: str | os.PathLike[str]) -> None:
        """Write an .html page of the pictures that stay and those that go, with the reasons.

        Raises:
            OutputError: another ending, or it cannot be written.
            UnavailableError: the pictures cannot be opened any more.
        """
        write_sheet(self, path)
