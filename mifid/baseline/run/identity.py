"""Identity of a run: what must be the same when it goes on. Paths and names may change."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mifid.baseline.data import common
from mifid.errors import InputError, setting

__all__ = ["Side", "check_identity", "compare_sides", "contents_key"]

_GIVEN_AS = {
    "photos": ("photos",),
    "paintings": ("monets", "data.select_paintings"),
    "held-out paintings": ("held_out",),
    "number of photos": ("photos",),
    "number of paintings": ("monets",),
    "kind of device": ("device",),
    "scoring network": ("extractor", "weights"),
}


@dataclass(frozen=True)
class Side:
    """Pictures of a run.

    Attributes:
        what: ``"photos"``, ``"paintings"`` or ``"held-out paintings"``.
        exact: a hash that is quickly known; if it is equal, the pictures are.
        fingerprints: returns those of all pictures, separated by spaces.
    """

    what: str
    exact: str
    fingerprints: Callable[[], str]


def contents_key(what: str) -> str:
    """Return the name of a side's fingerprints in the identity of a run."""
    return f"contents of the {what}"


def compare_sides(
    sides: Sequence[Side], *, then: Mapping[str, str] | None
) -> tuple[dict[str, str], dict[str, str]]:
    """Compare pictures with those that a run began with, by content.

    Args:
        sides: of this call.
        then: identity of the run; None: it begins.

    Returns:
        The part of the identity that sides have, which is that of ``then`` if the pictures are the
        same; and what -> fingerprints, of the sides that are the same with other names, or in
        another order.
    """
    now: dict[str, str] = {}
    moved: dict[str, str] = {}
    then = then or {}
    for side in sides:
        key, known = contents_key(side.what), then.get(contents_key(side.what))
        now[side.what] = side.exact
        if known is not None and then.get(side.what) == side.exact:
            now[key] = known
            continue
        now[key] = side.fingerprints()
        if known is not None and sorted(now[key].split()) == sorted(known.split()):
            moved[side.what] = now[key]
            now[side.what], now[key] = then[side.what], known
    return now, moved


def check_identity(folder: Path, *, then: Mapping[str, str], now: Mapping[str, str]) -> None:
    """Refuse to go on with other pictures, another kind of device, or another scorer.

    What an earlier version did not write down is not compared.

    Raises:
        InputError: one of them differs.
    """
    for what, value in now.items():
        if what not in _GIVEN_AS or then.get(what, value) == value:
            continue
        given = " and ".join(setting(name) for name in _GIVEN_AS[what])
        hint = f"Give the same {given} as then, or begin another run in another {setting('out')}."
        if (key := contents_key(what)) not in now:
            raise InputError(
                f"{folder}: the {what} is not the one that the run began with: {then[what]}, now "
                f"{value}",
                hint=hint,
            )
        if key in then:
            same = common(now[key], then[key])
            found = f": {same:,} of {len(then[key].split()):,} are among them"
            needed = "Pixels and number must be the same; path, names and order may be others."
        else:  # the run began with an earlier version
            found, needed = (
                "",
                "Pixels, names and number must be the same; the path may be another.",
            )
        raise InputError(
            f"{folder}: the {what} are not those that the run began with{found}",
            hint=f"{hint} {needed}",
        )
