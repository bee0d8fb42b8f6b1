"""Warnings about scores that can be computed but are doubtful."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from mifid.errors import InputError, setting, warn
from mifid.extractors import threshold
from mifid.formatting import listed
from mifid.images import Inspection, Source, Stream, count_encodings, evenly
from mifid.inputs import GivenSide
from mifid.metrics import EPSILON, METRICS
from mifid.pipeline import ComputedSide
from mifid.statistics import Computed, Features, FeatureStore, Statistics
from mifid.submission import MONET

__all__ = [
    "OF_NUMBERS",
    "check_copies",
    "check_held_out",
    "check_numbers",
    "check_photos",
    "check_pictures",
    "check_submission",
    "check_threshold",
    "not_comparable",
]

OF_NUMBERS = r"Few pictures: |The competition takes [\d,]+ to"
"""How the warnings of :func:`check_numbers` begin, as a regular expression."""

_LOOKED_AT = 64
"""Pictures whose encoding is looked at."""


def check_numbers(
    computed: Mapping[str, Computed],
    *,
    competition: bool,
    wanted: Collection[str],
    smallest: int | None = None,
) -> None:
    """Warn of fewer pictures than FID needs, and of another number than the competition takes.

    A covariance of n pictures has rank n - 1. Below 2,049 pictures, one more than there are
    features, it lacks directions, and FID grows fast as n falls.

    Args:
        computed: the sides.
        competition: the score is otherwise comparable with Kaggle's.
        wanted: names of metrics; only FID needs a number of pictures.
        smallest: of several generated sets; None: the one in ``computed``.
    """
    if not {"fid", "mifid"} & set(wanted):
        return
    numbers = {
        "generated": smallest if "generated" not in computed else _number(computed["generated"]),
        "reference": _number(computed["reference"]),
    }
    width = _width(computed["reference"])
    few = [f"{n:,} {label}" for label, n in numbers.items() if n is not None and n <= width]
    n = numbers["generated"]
    asked = ""
    if competition and n is not None and not MONET.at_least <= n <= MONET.at_most:
        asked = f"The competition takes {MONET.at_least:,} to {MONET.at_most:,} generated pictures"
    if few:
        warn(
            f"Few pictures: {' and '.join(few)} against {width:,} features. Covariances of fewer "
            f"than {width + 1:,} are not of full rank, and FID is far above what more pictures "
            "would give: compare it only with scores of equally many pictures."
            + (f" {asked}." if asked else "")
        )
    elif asked:
        warn(f"{asked}; these are {n:,}.")


def not_comparable(
    computed: Mapping[str, Computed], epsilon: float | None, *, numbers: bool = True
) -> str | None:
    """Return the reason why a score cannot be compared with Kaggle's; None if it can.

    Without ``numbers`` any number of pictures is comparable.
    """
    reasons: dict[str, list[str]] = {}
    for label, side in computed.items():
        if side.provenance.not_comparable:
            reasons.setdefault(side.provenance.not_comparable, []).append(label.replace("_", " "))
    found = [
        reason if len(labels) == len(computed) else f"{listed(labels)}: {reason}"
        for reason, labels in reasons.items()
    ]
    known = {side.provenance.fingerprint is not None for side in computed.values()}
    if len(known) > 1:
        found.append("so the sides may be of different networks, and FID without meaning")
    if found:
        return "; ".join(found)
    if epsilon != EPSILON:
        return f"epsilon is {'none' if epsilon is None else f'{epsilon:g}'}, not {EPSILON:g}"
    generated = computed["generated"]
    n = generated.n if isinstance(generated, Statistics) else len(generated)
    if numbers and n is not None and not MONET.at_least <= n <= MONET.at_most:
        return f"{n:,} generated pictures, not {MONET.at_least:,} to {MONET.at_most:,}"
    return None


def check_threshold(extractor: str, distance: float | None, epsilon: float | None) -> None:
    """Warn of a penalty that comes from the network alone: random features have no threshold.

    Args:
        extractor: its name.
        distance: the memorization distance; None: not computed.
        epsilon: the threshold; None: there is none.
    """
    penalized = distance is not None and epsilon is not None and distance < epsilon
    if penalized and epsilon == EPSILON and threshold(extractor) is None:
        warn(
            f"The threshold {EPSILON:g} is made for the trained network. Distances of {extractor} "
            "are smaller, so pictures that copy nothing are penalized too: leave out "
            f"{setting('epsilon')}, since this network has no threshold."
        )


def check_held_out(computed: Mapping[str, Computed]) -> None:
    """Check that held-out pictures are neither in the reference nor trained on.

    Warns of some (as far as their features are the same to the last bit), and of held-out features
    that may be another network's.

    Raises:
        InputError: all of them are in another side, which is named.
    """
    held_out = computed.get("held_out")
    if not isinstance(held_out, Features):
        return
    known = any(side.provenance.fingerprint is not None for side in computed.values())
    if known and held_out.provenance.fingerprint is None:
        warn(
            "the held-out file does not say which network made it: what is said of held-out "
            "pictures may be without meaning",
            stacklevel=3,
        )
    unseen = _rows(held_out)
    for label in ("reference", "memorization_reference"):
        side = computed.get(label)
        seen = unseen & _rows(side) if isinstance(side, Features) else set()
        if not seen:
            continue
        what = f"held-out pictures are {label.replace('_', ' ')} pictures"
        if seen == unseen:
            raise InputError(
                f"all {what}",
                hint=f"Give pictures with {setting('held_out')} that nobody trained on, or leave "
                "it out.",
            )
        warn(f"{len(seen):,} of {len(unseen):,} {what}", stacklevel=3)


def check_photos(sides: Mapping[str, ComputedSide]) -> None:
    """Check that untouched photos are not another side, and have the generated pictures' sizes.

    Raises:
        InputError: all of them are in another side, which is named.
    """
    photos = sides.get("photos")
    if photos is None:
        return
    for label, side in sides.items():
        if label == "photos":
            continue
        title = side.opened.title
        copies, of, how = _copies(photos, side)
        if _same(photos, side) or (copies and copies == of):
            raise InputError(
                f"the photos are {title} pictures: {side.opened.description}",
                hint=f"Give the untouched photos with {setting('photos')}, as they were before a "
                "model painted them, or leave it out.",
            )
        if copies:
            warn(
                f"{copies:,} of {of:,} photos are {title} pictures, {how}: what is said of the "
                "photos holds for a mixture",
                stacklevel=3,
            )
    _check_sizes(photos, sides["generated"])


def _check_sizes(photos: ComputedSide, generated: ComputedSide) -> None:
    """Warn of photos that have other sizes than the generated pictures."""
    sizes = [
        set() if side.outcome.inspection is None else set(side.outcome.inspection.sizes)
        for side in (photos, generated)
    ]
    if not all(sizes) or sizes[0] & sizes[1]:
        return
    theirs, ours = (f"{width} x {height}" for width, height in (min(each) for each in sizes))
    warn(
        f"the photos have other sizes than the generated pictures, such as {theirs} and {ours}: "
        "resizing alone changes the score. Resize the photos as your model's input was",
        stacklevel=4,
    )


def _rows(features: Features) -> set[bytes]:
    return {row.tobytes() for row in features.values}


def check_pictures(side: ComputedSide) -> None:
    """Warn of what one side's pictures look like: all equal, of one colour, of next to no range."""
    title, pictures = side.opened.title, side.opened.input
    found = list(_oddities(side))
    if found:
        warn(f"{title}: {'; '.join(found)}. Did what made or saved them fail?")
    if isinstance(pictures, Source | Stream | FeatureStore):
        for doubt in pictures.doubts:
            warn(f"{title}: {doubt}")


def check_submission(side: ComputedSide) -> None:
    """Warn of pictures that the competition would not take as they are."""
    inspection, pictures = side.outcome.inspection, side.opened.input
    if inspection is None:
        return
    found = []
    if isinstance(pictures, Source):
        looked_at = count_encodings(pictures, evenly(len(pictures), _LOOKED_AT))
        formats = {encoding.partition(" ")[0] for encoding in looked_at}
        found += sorted(formats - {MONET.format, "pixels,", "unknown"})
    sizes = inspection.sizes
    if set(sizes) != {MONET.size}:
        common = [f"{width} x {height}" for (width, height), _ in sizes.most_common(2)]
        more = f" and {len(sizes) - 2:,} other sizes" if len(sizes) > 2 else ""
        found.append(f"of {' and '.join(common)}{more}")
    if found:
        width, height = MONET.size
        warn(
            f"The competition takes {MONET.format} of {width} x {height} pixels; these pictures "
            f"are {', '.join(found)}. `mifid check` looks at each."
        )


def check_copies(
    sides: Mapping[str, ComputedSide], *, wanted: Collection[str], blamed: str = ""
) -> None:
    """Warn of generated pictures that are also pictures of a side they are compared with.

    Args:
        sides: ``"generated"``, ``"reference"`` and, if given, ``"memorization_reference"``.
        wanted: names of metrics; some use only the generated pictures.
        blamed: beginning of the warning, where there are several generated sides.
    """
    if not any({"reference", "training"} & METRICS[name].sides for name in wanted):
        return
    for label, whole in (
        ("reference", "FID of a set to itself is 0; MiFID and intervals mean nothing"),
        (
            "memorization_reference",
            "the memorization distance of a set to itself is 0; MiFID means nothing",
        ),
    ):
        if label not in sides:
            continue
        generated, side = sides["generated"], sides[label]
        other = label.replace("_", " ")
        copies, of, how = _copies(generated, side)
        if _same(generated, side):
            warn(
                f"{blamed}the generated and the {other} pictures are the same: {whole}. "
                "Was a path given twice?",
                stacklevel=3,
            )
        elif copies:
            warn(
                f"{blamed}{copies:,} of {of:,} generated pictures are {other} pictures, {how}"
                f"{_nested(generated.opened, side.opened)}: FID and the memorization distance "
                "are smaller than without them",
                stacklevel=3,
            )


def _oddities(side: ComputedSide) -> Iterator[str]:
    """Yield suspicious properties that all or many pictures share."""
    computed, digests, inspection = side.computed, side.outcome.digests, side.outcome.inspection
    n = _number(computed)
    if digests is not None:
        different, n = len(set(digests)), len(digests)
        if different == 1:
            yield f"all {n:,} pictures are the same"
        elif 2 * different <= n:
            yield f"the {n:,} pictures are {different:,} different ones, again and again"
    elif isinstance(computed, Features) and not np.ptp(computed.values, axis=0).any():
        yield f"all {n:,} pictures have the same features"
    if inspection is None:
        return
    if inspection.one_colour:
        yield f"{_share(inspection)} are of one colour"
    narrow = inspection.narrow()
    if narrow is not None and inspection.one_colour < inspection.count:
        yield f"the pictures {narrow}"


def _share(inspection: Inspection) -> str:
    if inspection.one_colour == inspection.count:
        return f"all {inspection.count:,}"
    return f"{inspection.one_colour:,} of {inspection.count:,}"


def _copies(generated: ComputedSide, other: ComputedSide) -> tuple[int, int, str]:
    """Return how many generated pictures are in another side, of how many, and by what."""
    digests, of_other = generated.outcome.digests, other.outcome.digests
    if digests is not None and of_other is not None:
        known = set(of_other) - {None}
        found = sum(digest in known for digest in digests)
        if found:
            return found, len(digests), "byte for byte"
    one, two = generated.computed, other.computed
    if isinstance(one, Features) and isinstance(two, Features):
        rows = {row.tobytes() for row in two.values}
        found = sum(row.tobytes() in rows for row in one.values)
        return found, len(one), "by their features"
    return 0, 0, ""


def _same(one: ComputedSide, other: ComputedSide) -> bool:
    """Return whether two sides hold the same pictures, or their features, in whatever order."""
    a, b = one.computed, other.computed
    # A file of features and the pictures it was made of have different hashes.
    if isinstance(a, Features) and isinstance(b, Features) and a.same_set(b):
        return True
    return one.outcome.sha256 is not None and one.outcome.sha256 == other.outcome.sha256


def _nested(generated: GivenSide, other: GivenSide) -> str:
    """Return a remark if the path of one side is inside that of the other."""
    pairs = [(a, b) for a in _paths(generated) for b in _paths(other)]
    for a, b in pairs:
        real_a, real_b = Path(os.path.realpath(a)), Path(os.path.realpath(b))
        for inner, outer, below in (
            (a, b, real_b in real_a.parents),
            (b, a, real_a in real_b.parents),
        ):
            if below:
                return f" ({inner} lies below {outer})"
    return ""


def _paths(side: GivenSide) -> Sequence[str]:
    given = side.given if isinstance(side.given, list | tuple) else [side.given]
    return [os.fsdecode(path) for path in given if isinstance(path, str | os.PathLike)]


def _number(side: Computed) -> int | None:
    return side.n if isinstance(side, Statistics) else len(side)


def _width(side: Computed) -> int:
    return side.values.shape[1] if isinstance(side, Features) else len(side.mu)
