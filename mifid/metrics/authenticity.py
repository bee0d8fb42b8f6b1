"""AuthPct: share of generated pictures that are farther from the training set than its own are."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mifid.metrics.base import Blocks, Metric, blocks_of
from mifid.metrics.neighbours import nearest, nearest_other, require_pictures

__all__ = ["METRIC", "authentic_percent"]


def authentic_percent(
    *, generated: npt.ArrayLike | Blocks, training: npt.ArrayLike
) -> dict[str, float]:
    """Return ``{"authpct": 0..100}``, the percentage of :func:`authentic` pictures.

    Copies bring it to 0. It detects nothing else: blurred or broken pictures reach 100, unseen real
    pictures lie between. If a few training pictures are the nearest of most others, as with
    Inception features, unseen real pictures reach about 75 rather than 50.

    Args:
        generated: features (N, D), at least one, or :class:`mifid.metrics.base.Blocks` of them.
        training: features (T, D), at least two.

    Raises:
        FeatureError: widths that differ.
        UnavailableError: too few pictures.

    Source: Alaa et al. 2022, "How Faithful is your Synthetic Data?"; as computed by
    Stein et al. 2023 (github.com/layer6ai-labs/dgm-eval, metrics/authpct.py). The code of the
    Feature Likelihood Divergence prints this value minus 50.

    >>> import numpy as np
    >>> training = np.array([[0.0], [1.0], [5.0]])
    >>> authentic_percent(generated=np.array([[0.0], [2.5], [8.0], [20.0]]), training=training)
    {'authpct': 50.0}
    """
    return {"authpct": 100.0 * float(authentic(generated=generated, training=training).mean())}


def authentic(
    *, generated: npt.ArrayLike | Blocks, training: npt.ArrayLike
) -> npt.NDArray[np.bool_]:
    """Return (N,) bool: farther from the nearest training picture than that is from its nearest.

    Distances are Euclidean; equal distances give False.
    """
    among = require_pictures(training, 2, purpose="AuthPct", side="training")
    own = nearest_other(among).distance
    farther = []
    for block in blocks_of(generated):
        found = nearest(require_pictures(block, 1, purpose="AuthPct", side="generated"), among)
        farther.append(found.distance > own[found.row])
    return np.concatenate(farther)


METRIC = Metric(
    name="authpct",
    title="Authentic percentage",
    better="higher",
    source="Alaa et al. 2022, as in github.com/layer6ai-labs/dgm-eval",
    function=authentic_percent,
    values={"authpct": "percent farther from a training picture than its nearest other one"},
    needs=("generated", "training"),
    blocks=True,
    remark="copies lower it; blurred or broken pictures reach 100, unseen real ones do not",
    sees="copies of training pictures lower it",
    misses="all else: faults raise it; JPEG like the reference's lowers it, too",
)
