"""How to read a score, in sentences."""

from __future__ import annotations

__all__ = ["reading_aid"]


def reading_aid(
    *,
    mifid: float | None,
    fid: float | None,
    memorization_distance: float | None,
    epsilon: float,
    near_copies: int | None = None,
    n_generated: int | None = None,
    interval: tuple[float, float] | None = None,
) -> tuple[str, ...]:
    """Return what the numbers say here, a sentence or two each.

    Args:
        mifid, fid, memorization_distance: the score; None: not computed.
        epsilon: the threshold of the memorization distance.
        near_copies: generated pictures that are nearer than ``epsilon`` to a training picture.
        n_generated: number of generated pictures.
        interval: of MiFID, or of FID where there is no MiFID.
    """
    sentences = []
    if mifid is not None and fid is not None and memorization_distance is not None:
        sentences.append(_penalty(mifid, fid, memorization_distance, epsilon))
    if near_copies is not None and n_generated:
        sentences.append(_copies(near_copies, n_generated, memorization_distance, epsilon))
    if interval is not None:
        low, high = interval
        sentences.append(
            f"Other pictures of the same kind would score {low:,.2f} to {high:,.2f} at these "
            "numbers of pictures. A model whose interval overlaps may be as good: mifid compare "
            "tells more."
        )
    return tuple(sentences)


def _penalty(mifid: float, fid: float, distance: float, epsilon: float) -> str:
    if distance >= epsilon:
        return (
            f"The memorization distance {distance:.4f} is not below the threshold {epsilon:g}: "
            "there is no penalty, MiFID is FID."
        )
    times = f"{mifid / fid:,.1f} times FID" if fid > 0 else "larger than FID"
    return (
        f"The memorization distance {distance:.4f} is below the threshold {epsilon:g}: FID is "
        f"divided by it, so that MiFID is {times}."
    )


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
