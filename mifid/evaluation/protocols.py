"""Protocols: named sets of metrics, with the settings of a published evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from mifid.errors import InputError, setting, warn
from mifid.registry import suggest

__all__ = ["PROTOCOLS", "Protocol", "choose_protocol"]

Settings = Mapping[str, Mapping[str, Any]]
"""Metric -> the arguments of its function, in place of the table's."""


@dataclass(frozen=True)
class Protocol:
    """A named set of metrics and settings.

    Attributes:
        name: as users ask for it.
        metrics: names of the table.
        settings: of metrics that do not have the table's.
        title: what it repeats.
        remark: how near it comes to that.
        beside: whether pictures in a file of statistics are used, too: by metrics that need
            features.
    """

    name: str = ""
    metrics: tuple[str, ...] = ("mifid",)
    settings: Settings = field(default_factory=dict)
    title: str = ""
    remark: str = ""
    beside: bool = False

    def check(self, extractor: str) -> None:
        """Warn of another network than the published one."""
        if self.name and extractor != "inception":
            warn(
                f"protocol {self.name} is defined for the extractor inception; numbers of "
                f"{extractor} are not comparable with published ones"
            )

    @property
    def described(self) -> dict[str, str]:
        """What a report says of it; nothing without a name."""
        return {"metrics": f"{self.name}, {self.title}; {self.remark}"} if self.name else {}


PROTOCOLS = {
    "adm": Protocol(
        name="adm",
        metrics=("fid", "sfid", "is", "pr"),
        settings={"is": {"split_size": 5000}, "pr": {"k": 3, "half": True}},
        title="OpenAI's evaluator for guided diffusion (Dhariwal and Nichol 2021)",
        remark="precision and recall from distances in half precision, as there, with sums in "
        "float32; docs/numerics.md lists the differences",
        beside=True,
    )
}
"""Name -> protocol. A new one is an entry here."""


def choose_protocol(name: str | None, metrics: Sequence[str] | None) -> Protocol:
    """Return the protocol of this name, with ``metrics`` in addition to its own.

    Without a name: no protocol, and ``metrics`` alone; None: those of Kaggle's score.

    Raises:
        InputError: an unknown name, with the nearest known one.
    """
    if name is not None and name not in PROTOCOLS:
        raise InputError(
            f"{setting('protocol')}: unknown protocol '{name}'", hint=suggest(name, PROTOCOLS)
        )
    if name is None:
        return Protocol() if metrics is None else Protocol(metrics=tuple(metrics))
    chosen = PROTOCOLS[name]
    return replace(chosen, metrics=tuple(dict.fromkeys([*chosen.metrics, *(metrics or ())])))
