"""C_T, the three-sample test of data copying, and the k-means that cuts its cells."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mifid.errors import FeatureError, UnavailableError
from mifid.metrics.base import Blocks, Metric, blocks_of, require_one_width
from mifid.metrics.linalg import principal_axes
from mifid.metrics.neighbours import arrays_or_blocks, nearest, require_pictures

__all__ = ["METRIC", "copying_z", "data_copying"]


def kmeans(points: Matrix, *, clusters: int, starts: int, random: np.random.Generator) -> Matrix:
    """Return the centres (at most ``clusters``, d) of least squared distances over some starts.

    Fewer centres come back where there are fewer different points (N, d) than clusters, or where
    a centre loses all its points.

    Source: Arthur and Vassilvitskii 2007, "k-means++", for the starts; SciPy's Lloyd iterations.
    """
    from scipy.cluster import vq

    unmoved = 1e-12 * float(np.ptp(points, axis=0).max(initial=0.0))
    best, least = points[:0], np.inf
    for _ in range(starts):
        centres, _ = vq.kmeans(points, _spread(points, clusters, random), thresh=unmoved)
        inertia = float((vq.vq(points, centres)[1] ** 2).sum())
        if inertia < least:
            best, least = centres, inertia
    return best


def assign(points: Matrix, centres: Matrix) -> npt.NDArray[np.int32]:
    """Return (N,), the nearest centre of each point; of equally near ones the first."""
    from scipy.cluster.vq import vq

    labels: npt.NDArray[np.int32] = vq(points, centres)[0]
    return labels


def _spread(points: Matrix, clusters: int, random: np.random.Generator) -> Matrix:
    """Draw points as centres, each with a chance in proportion to its squared distance so far."""
    chosen = [int(random.integers(len(points)))]
    squared = ((points - points[chosen[0]]) ** 2).sum(axis=1)
    while len(chosen) < clusters and squared.sum() > 0.0:
        chosen.append(int(random.choice(len(points), p=squared / squared.sum())))
        squared = np.minimum(squared, ((points - points[chosen[-1]]) ** 2).sum(axis=1))
    return points[chosen]


Matrix = npt.NDArray[np.float64]

_AXES = 64  # dimensions that are kept
_STARTS = 10  # of k-means
_LEAST = 20  # a cell counts if it holds more generated pictures than this


def data_copying(
    *,
    generated: npt.ArrayLike | Blocks,
    training: npt.ArrayLike,
    held_out: npt.ArrayLike,
    clusters: int = 3,
    seed: int = 0,
) -> dict[str, float]:
    """Return ``{"ct": ..., "ct_global": ...}``, both in standard deviations.

    K-means divides the training pictures into cells. In each cell the distances of generated and
    of held-out pictures to their nearest training picture of that cell are compared
    (:func:`copying_z`). ``ct`` is the mean of the cells' z, weighted by their held-out pictures,
    over cells with more than 20 generated pictures; ``ct_global`` is z without cells.

    Features wider than 64 are projected on the training pictures' first 64 principal axes, as in
    dgm-eval; here the axes are exact and k-means is seeded. A cell without held-out pictures has
    no weight; the authors' code fails there.

    Args:
        generated: features (N, D) of more than 20 pictures, or
            :class:`mifid.metrics.base.Blocks` of them, of which 64 coordinates a picture are held.
        training: features (T, D) that the model was trained on, at least two.
        held_out: features (H, D) of real pictures that were not trained on.
        clusters: cells, at least 1; fewer if there are fewer different training pictures.
        seed: of k-means.

    Returns:
        About 0 if generated pictures are as near to the training set as unseen real ones, far
        below 0 (say -3) if they are nearer, which is copying, far above 0 if they are farther. z
        grows with the number of pictures; ``ct``, a mean of several z, varies by less than one
        standard deviation.

    Raises:
        FeatureError: widths that differ, or fewer than one cluster.
        UnavailableError: too few pictures, or training pictures that are all equal.

    Source: Meehan, Chaudhuri and Dasgupta 2020, "A Non-Parametric Test to Detect Data-Copying in
    Generative Models"; github.com/casey-meehan/data-copying, and the projection, number of cells
    and their least size of github.com/layer6ai-labs/dgm-eval, metrics/ct.py.
    """
    sides = _projected(generated, training, held_out)
    if clusters < 1:
        raise FeatureError(f"C_T with {clusters} clusters; expected at least 1")
    random = np.random.default_rng(seed)
    centres = kmeans(sides.training, clusters=clusters, starts=_STARTS, random=random)
    cells = [assign(side, centres) for side in sides]
    scores, weights = [], []
    for index in range(len(centres)):
        cell = _Sides(*(side[of == index] for side, of in zip(sides, cells, strict=True)))
        if len(cell.generated) > _LEAST and len(cell.held_out):
            scores.append(_cell_z(cell))
            weights.append(len(cell.held_out))
    if not scores:
        raise UnavailableError(
            f"C_T: none of {len(centres)} cells holds held-out pictures and more than {_LEAST} "
            "generated pictures",
            hint="Give more pictures, or fewer clusters.",
        )
    return {"ct": float(np.average(scores, weights=weights)), "ct_global": _cell_z(sides)}


def copying_z(*, generated: npt.ArrayLike, held_out: npt.ArrayLike) -> float:
    """Return the z score of the Mann-Whitney U of two sets of distances (N,) and (H,).

    U counts the pairs in which the generated picture's distance is larger, a tie as one half. As in
    the authors' code, 0.5 is subtracted from the mean, and the deviation, sqrt(N H (N + H + 1) /
    12), is not corrected for ties, so that ties bring z nearer to 0.
    """
    theirs, ours = np.sort(np.asarray(held_out)), np.asarray(generated)
    below = theirs.searchsorted(ours, "left").sum(dtype=np.float64)
    not_above = theirs.searchsorted(ours, "right").sum(dtype=np.float64)
    pairs = float(len(ours) * len(theirs))
    deviation = np.sqrt(pairs * (len(ours) + len(theirs) + 1) / 12.0)
    return float(((below + not_above) / 2.0 - (pairs / 2.0 - 0.5)) / deviation)


class _Sides(NamedTuple):
    generated: Matrix
    training: Matrix
    held_out: Matrix


def _cell_z(cell: _Sides) -> float:
    return copying_z(
        generated=nearest(cell.generated, cell.training).distance,
        held_out=nearest(cell.held_out, cell.training).distance,
    )


def _projected(
    generated: npt.ArrayLike | Blocks, training: npt.ArrayLike, held_out: npt.ArrayLike
) -> _Sides:
    made = arrays_or_blocks(generated, _LEAST + 1, purpose="C_T", side="generated")
    among = require_pictures(training, 2, purpose="C_T", side="training")
    unseen = require_pictures(held_out, 1, purpose="C_T", side="held-out")
    if (among == among[0]).all():
        raise UnavailableError("C_T needs training pictures that differ, but all are equal")
    axes = principal_axes(among, count=_AXES) if among.shape[1] > _AXES else None

    def project(rows: npt.NDArray[Any], side: str) -> Matrix:
        require_one_width(**{side: rows.shape[1], "training": among.shape[1]})
        return rows.astype(np.float64) if axes is None else axes.project(rows)

    parts = [project(block, "generated") for block in blocks_of(made)]
    return _Sides(np.concatenate(parts), project(among, "training"), project(unseen, "held-out"))


METRIC = Metric(
    name="ct",
    title="Data-copying test C_T",
    better="near 0",
    source="Meehan et al. 2020, projected and cut as in github.com/layer6ai-labs/dgm-eval",
    function=data_copying,
    values={
        "ct": "z of distances to the training set, mean over cells; far below 0: copies",
        "ct_global": "the same z without cells",
    },
    needs=("generated", "training", "held_out"),
    blocks=True,
    settings={"clusters": 3, "seed": 0},
    remark="the cells, and with them ct, depend somewhat on the seed; ct_global does not",
    sees="copies of training pictures lower it, distortion raises it",
    misses="photos, repeated pictures, colour casts; JPEG like the reference's lowers it, too",
)
