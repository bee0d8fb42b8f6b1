"""What a score says, and how to read it, in sentences."""

from __future__ import annotations

__all__ = ["reading_aid", "verdict"]


def verdict(
    *,
    mifid: float | None,
    fid: float,
    memorization_distance: float | None,
    epsilon: float,
    reason: str | None = None,
) -> str:
    """Return what the score says, in a sentence or two.

    Args:
        mifid, fid, memorization_distance: the score; None: not computed.
        epsilon: the threshold of the memorization distance.
        reason: why there is no MiFID; None: it was not asked for.
    """
    if mifid is None or memorization_distance is None:
        return f"FID is {_number(fid)}. There is no MiFID: {reason}." if reason else ""
    if memorization_distance >= epsilon:
        return (
            f"MiFID is {_number(mifid)}, the same as FID: the memorization distance "
            f"{memorization_distance:.4f} reaches the threshold {epsilon:g}, so there is no "
            "penalty."
        )
    times = f"{_number(mifid / fid, 1)} times FID" if fid > 0 else "larger than FID"
    return (
        f"MiFID is {_number(mifid)}, {times}, because the pictures are near the training pictures: "
        f"FID is divided by their memorization distance, {memorization_distance:.4f}, which is "
        f"below the threshold {epsilon:g}. From {epsilon:g} on there would be no penalty."
    )


def reading_aid(
    *,
    memorization_distance: float | None,
    epsilon: float,
    near_copies: int | None = None,
    n_generated: int | None = None,
    interval: tuple[float, float, float] | None = None,
) -> tuple[str, ...]:
    """Return what else the numbers say, a sentence or two each.

    Args:
        memorization_distance: of the whole set; None: not computed.
        epsilon: the threshold of the memorization distance.
        near_copies: generated pictures that are nearer than ``epsilon`` to a training picture.
        n_generated: number of generated pictures.
        interval: (low, high, level in per cent) of MiFID, or of FID where there is no MiFID.
    """
    sentences = []
    if near_copies is not None and n_generated:
        sentences.append(_copies(near_copies, n_generated, memorization_distance, epsilon))
    if interval is not None:
        low, high, level = interval
        sentences.append(
            f"The {level:g}% interval, {_number(low)} to {_number(high)}, is where other pictures "
            "of the same kind would score, at these numbers of pictures. A model whose interval "
            "overlaps may be as good; mifid compare decides that."
        )
    return tuple(sentences)


def _number(value: float, decimals: int = 2) -> str:
    return f"{value:,.{decimals}f}" if abs(value) < 1e6 else f"{value:.2e}"


def _copies(near_copies: int, n: int, mean: float | None, epsilon: float) -> str:
    if not near_copies:
        return f"No generated picture is nearer than {epsilon:g} to a training picture."
    verb = "is" if near_copies == 1 else "are"
    below = mean is not None and mean < epsilon
    counted = (
        "they are so many, or so near, that it is below, too" if below else "a few do not count"
    )
    return (
        f"{near_copies:,} of {n:,} generated pictures {verb} nearer than {epsilon:g} to a training "
        f"picture. The penalty looks at the mean: {counted}. The nearest pairs show what they are."
    )
