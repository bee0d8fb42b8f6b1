"""Rounds of the speed benchmark, and what is computed from them: medians, ratios, goals."""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from agreement import differences
from peers import TF1, TOOLS
from processes import CACHED, COLD, Result

__all__ = ["Goal", "Round", "Speed", "disagreements"]


@dataclass(frozen=True)
class Round:
    """What one round measured.

    Attributes:
        runs: tool -> state -> result.
        products: library -> GFLOP/s of a float32 matrix product, the better of before and after.
        networks: tool -> pictures/s of its network by itself.
    """

    runs: Mapping[str, Mapping[str, Result]]
    products: Mapping[str, float]
    networks: Mapping[str, float]

    @property
    def product(self) -> float:
        """GFLOP/s of the fastest library."""
        return max(self.products.values())

    def rate(self, tool: str) -> float:
        """Generated pictures/s while one of ours extracts, cold."""
        rate = self.runs[tool][COLD].rate
        if rate is None:
            raise ValueError(f"{tool}'s cold run did not tell how long it extracted")
        return rate


@dataclass(frozen=True)
class Goal:
    """A number that was aimed at, and the one that was reached (None: not measured)."""

    what: str
    aim: float
    reached: float | None
    at_most: bool = False

    @property
    def met(self) -> bool | None:
        """Whether it was reached."""
        if self.reached is None:
            return None
        return self.reached <= self.aim if self.at_most else self.reached >= self.aim


@dataclass(frozen=True)
class Speed:
    """All that was measured.

    Attributes:
        rounds: at least one.
        starts: command -> seconds of each of its starts.
        gflop: the network's cost of a picture.
    """

    rounds: Sequence[Round]
    starts: Mapping[str, Sequence[float]]
    gflop: float

    @property
    def pictures(self) -> tuple[int, int]:
        """Generated and reference."""
        found = self.rounds[0].runs["mifid"][COLD].pictures
        assert found is not None
        return found

    def of(self, tool: str, state: str, key: str) -> list[float]:
        """A number of each round; empty if it was not measured."""
        found = [getattr(one.runs[tool][state], key) for one in self.rounds if tool in one.runs]
        return [value for value in found if value is not None]

    def ratio(self, tool: str, *, over: tuple[str, str] = ("mifid", COLD)) -> float | None:
        """A tool's seconds (cold) over those of a tool in a state: the median of the rounds'."""
        other, state = over
        return self._median(
            lambda one: one.runs[tool][COLD].seconds / one.runs[other][state].seconds, tool
        )

    def share_of_roof(self, tool: str) -> float | None:
        """How much of the fastest matrix product a tool's extraction reaches."""
        return self._median(lambda one: one.rate(tool) * self.gflop / one.product, tool)

    def share_of_network(self, tool: str) -> float | None:
        """A tool's extraction over its network by itself."""
        return self._median(lambda one: one.rate(tool) / one.networks[tool], tool)

    def busy(self, tool: str, state: str = COLD) -> float | None:
        """The share of the cores' time that a whole process used."""
        cores = os.cpu_count() or 1
        return self._median(
            lambda one: one.runs[tool][state].cpu_seconds / (one.runs[tool][state].seconds * cores),
            tool,
        )

    def over_stock(self, tool: str) -> float | None:
        """A tool's network by itself over torch-fidelity's."""
        ratios = [
            one.networks[tool] / one.networks["torch-fidelity"]
            for one in self.rounds
            if {tool, "torch-fidelity"} <= one.networks.keys()
        ]
        return statistics.median(ratios) if ratios else None

    @property
    def roof(self) -> float:
        """Pictures/s if the network ran as fast as the fastest matrix product."""
        return statistics.median(one.product for one in self.rounds) / self.gflop

    def goals(self) -> list[Goal]:
        """What was aimed at before anything was measured."""
        cached = self.of("mifid", CACHED, "seconds")
        return [
            Goal(
                "whole process, cold: times torch-fidelity's speed",
                2.8,
                self.ratio("torch-fidelity"),
            ),
            Goal("whole process, cold: times pytorch-fid's speed", 2.0, self.ratio("pytorch-fid")),
            Goal("extraction: share of the roof", 0.85, self.share_of_roof("mifid")),
            Goal("cached: seconds", 1.5, statistics.median(cached), at_most=True),
            *(
                Goal(f"{command}: seconds", 0.3, statistics.median(seconds), at_most=True)
                for command, seconds in self.starts.items()
            ),
            Goal(
                "backend torch: times the stock extractor's speed",
                1.5,
                self.over_stock("mifid-torch"),
            ),
        ]

    def _median(self, value: Callable[[Round], float], tool: str) -> float | None:
        found = [value(one) for one in self.rounds if tool in one.runs]
        return statistics.median(found) if found else None


def disagreements(one: Round) -> list[str]:
    """Say which runs met other pictures than mifid's cold run, or differ at the same resize."""
    ours = vars(one.runs["mifid"][COLD])
    return [
        line
        for tool, states in one.runs.items()
        for state, result in states.items()
        for line in differences(
            f"{tool} ({state})", vars(result), ours, same_resize=TOOLS[tool].resize == TF1
        )
    ]
