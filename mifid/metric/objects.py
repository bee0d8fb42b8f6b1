"""The metrics by name: FID, MiFID, KID and others, each with its settings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from torch import Tensor

from mifid.errors import InputError
from mifid.evaluation import check_metrics
from mifid.metric.set_metric import Common, SetMetric
from mifid.metrics import GROUPS, METRICS
from mifid.registry import suggest

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = [
    "CMMD",
    "CT",
    "FID",
    "FLD",
    "KID",
    "MIND",
    "SFID",
    "AuthPct",
    "Combined",
    "DensityCoverage",
    "InceptionScore",
    "MemorizationDistance",
    "MiFID",
    "PrecisionRecall",
    "VendiScore",
]

Feature = int | Callable[..., Any] | str | None


class FID(SetMetric):
    """Fréchet Inception Distance; :meth:`compute` returns it, at least 0, lower is better.

    Memory: features of up to 4,096 pictures a side (34 MB with Inception), of more their mean and
    scatter (34 MB). In several processes as much is sent.

    Args are those of :class:`~mifid.metric.set_metric.SetMetric`.

    >>> import torch
    >>> def colours(batch):  # any function from uint8 (N, 3, H, W) to features (N, D)
    ...     return batch.float().mean(dim=(2, 3))
    >>> fid = FID(colours)
    >>> square = torch.tensor([[0, 0], [0, 2], [2, 0], [2, 2]], dtype=torch.uint8)
    >>> blue = torch.zeros((4, 1), dtype=torch.uint8)
    >>> pictures = torch.cat([square, blue], dim=1)[:, :, None, None].expand(-1, -1, 8, 8)
    >>> fid.update(pictures, real=True)
    >>> fid.update(pictures + torch.tensor([3, 4, 0], dtype=torch.uint8)[:, None, None], real=False)
    >>> round(fid.compute().item(), 9)
    25.0
    """

    names = ("fid",)
    higher_is_better = False


class SFID(SetMetric):
    """Spatial FID: FID of features that keep where things are in a picture; lower is better.

    Only Inception has these features. :meth:`compute` is as of :class:`FID`, and so are memory and
    messages.

    Args are those of :class:`~mifid.metric.set_metric.SetMetric`; a ``reference`` is pictures, or a
    file of ``mifid reference build --spatial``.
    """

    names = ("sfid",)
    higher_is_better = False


class MiFID(SetMetric):
    """Memorization-informed FID as Kaggle computes it; lower is better.

    :meth:`compute_all` also gives ``fid`` and ``memorization_distance``, the mean over the
    generated pictures of the cosine distance to the nearest real one. torchmetrics 1.9 takes the
    mean over the real pictures instead, which is another number.

    Args:
        feature: see :class:`~mifid.metric.set_metric.SetMetric`.
        epsilon: memorization distances below it are penalized; None: the extractor's own
            threshold, 0.1 for Inception. torchmetrics calls it ``cosine_distance_eps``.
        common: as of :class:`~mifid.metric.set_metric.SetMetric`.
    """

    names = ("mifid",)
    higher_is_better = False

    def __init__(
        self, feature: Feature = None, *, epsilon: float | None = None, **common: Unpack[Common]
    ) -> None:
        super().__init__(feature, settings={"mifid": {"epsilon": epsilon}}, **common)


class MemorizationDistance(SetMetric):
    """Mean cosine distance of generated pictures to their nearest real one, 0 (copies) to 1.

    Args are those of :class:`~mifid.metric.set_metric.SetMetric`.
    """

    names = ("memorization",)
    higher_is_better = True


class KID(SetMetric):
    """Kernel Inception Distance, unbiased: about 0, or slightly below, for equal distributions.

    :meth:`compute` returns the mean over the subsets. :meth:`compute_all` also gives ``kid_std``
    and ``kid_subset_size``: torchmetrics returns (mean, deviation), which no logger takes.

    Args:
        feature: see :class:`~mifid.metric.set_metric.SetMetric`.
        subsets: number of random subsets that are averaged; None: one estimate of all pictures.
        subset_size: pictures of each side in a subset; at most the size of the smaller side.
        common: as of :class:`~mifid.metric.set_metric.SetMetric`.
    """

    names = ("kid",)
    higher_is_better = False

    def __init__(
        self,
        feature: Feature = None,
        *,
        subsets: int | None = 100,
        subset_size: int = 1000,
        **common: Unpack[Common],
    ) -> None:
        settings = {"subsets": subsets, "subset_size": subset_size}
        super().__init__(feature, settings={"kid": settings}, **common)


class CMMD(SetMetric):
    """CLIP maximum mean discrepancy, times 1,000; lower is better.

    Args:
        feature: as of :class:`~mifid.metric.set_metric.SetMetric`; None: ``"clip-l14-336"``, with
            which published values are computed.
        sigma: width of the kernel.
        common: as of :class:`~mifid.metric.set_metric.SetMetric`.
    """

    names = ("cmmd",)
    higher_is_better = False

    def __init__(
        self, feature: Feature = None, *, sigma: float = 10.0, **common: Unpack[Common]
    ) -> None:
        if feature is None and common.get("extractor") is None:
            feature = "clip-l14-336"
        super().__init__(feature, settings={"cmmd": {"sigma": sigma}}, **common)


class MIND(SetMetric):
    """Monge Inception Distance, made for few pictures; lower is better.

    Args:
        feature: see :class:`~mifid.metric.set_metric.SetMetric`.
        directions: number of random directions.
        common: as of :class:`~mifid.metric.set_metric.SetMetric`.
    """

    names = ("mind",)
    higher_is_better = False

    def __init__(
        self, feature: Feature = None, *, directions: int = 1000, **common: Unpack[Common]
    ) -> None:
        super().__init__(feature, settings={"mind": {"directions": directions}}, **common)


class PrecisionRecall(SetMetric):
    """Improved precision, which :meth:`compute` returns, and recall, in :meth:`compute_all`.

    Args:
        feature: see :class:`~mifid.metric.set_metric.SetMetric`.
        k: neighbours whose distance is a picture's radius.
        common: as of :class:`~mifid.metric.set_metric.SetMetric`.
    """

    names = ("pr",)
    higher_is_better = True

    def __init__(self, feature: Feature = None, *, k: int = 3, **common: Unpack[Common]) -> None:
        super().__init__(feature, settings={"pr": {"k": k}}, **common)


class DensityCoverage(SetMetric):
    """Density, which :meth:`compute` returns, and coverage, in :meth:`compute_all`.

    Args:
        feature: see :class:`~mifid.metric.set_metric.SetMetric`.
        k: neighbours whose distance is a picture's radius.
        common: as of :class:`~mifid.metric.set_metric.SetMetric`.
    """

    names = ("dc",)
    higher_is_better = True

    def __init__(self, feature: Feature = None, *, k: int = 5, **common: Unpack[Common]) -> None:
        super().__init__(feature, settings={"dc": {"k": k}}, **common)


class AuthPct(SetMetric):
    """Per cent of generated pictures that are no near copies of real ones; 50 is ideal.

    Args are those of :class:`~mifid.metric.set_metric.SetMetric`.
    """

    names = ("authpct",)
    higher_is_better = None


class FLD(SetMetric):
    """Feature Likelihood Divergence; about 0 is as good as the training pictures, higher is worse.

    :meth:`compute_all` also gives ``fld_gap``, which is negative with copies. The real side is the
    pictures that the generator was trained on.

    Args are those of :class:`~mifid.metric.set_metric.SetMetric`; ``held_out`` must be given.
    """

    names = ("fld",)
    higher_is_better = False


class CT(SetMetric):
    """Data-copying test C_T: about 0, and far below 0 if generated pictures copy training pictures.

    :meth:`compute_all` also gives ``ct_global``. The real side is the pictures that the generator
    was trained on, ``held_out`` must be given.

    Args:
        feature: see :class:`~mifid.metric.set_metric.SetMetric`.
        clusters: cells that the training pictures are divided into.
        common: as of :class:`~mifid.metric.set_metric.SetMetric`.
    """

    names = ("ct",)
    higher_is_better = None

    def __init__(
        self, feature: Feature = None, *, clusters: int = 3, **common: Unpack[Common]
    ) -> None:
        super().__init__(feature, settings={"ct": {"clusters": clusters}}, **common)


class OfGenerated(SetMetric):
    """A metric of the generated pictures alone."""

    def update(self, images: Tensor | Any, real: bool = False) -> None:
        """Add generated pictures; real ones are not needed, and left out.

        Raises:
            MifidError: as :meth:`SetMetric.update`.
        """
        if not real:
            super().update(images, real)

    def forward(self, images: Tensor | Any, real: bool = False) -> None:
        """Do what :meth:`update` does."""
        self.update(images, real)


class InceptionScore(OfGenerated):
    """Inception Score; higher is better. :meth:`compute_all` also gives ``is_std``.

    Args:
        feature: see :class:`~mifid.metric.set_metric.SetMetric`; only Inception has a classifier.
        splits: parts of the pictures over which it is averaged.
        common: as of :class:`~mifid.metric.set_metric.SetMetric`.
    """

    names = ("is",)
    higher_is_better = True

    def __init__(
        self, feature: Feature = None, *, splits: int = 10, **common: Unpack[Common]
    ) -> None:
        super().__init__(feature, settings={"is": {"splits": splits}}, **common)


class VendiScore(OfGenerated):
    """Vendi score: the effective number of different generated pictures.

    Args are those of :class:`~mifid.metric.set_metric.SetMetric`.
    """

    names = ("vendi",)
    higher_is_better = True


class Combined(SetMetric):
    """Several metrics from the same features: the network runs once over each picture.

    :meth:`compute` returns the headline of the first, :meth:`compute_all` all values.

    Args:
        metrics: names of :data:`mifid.metrics.METRICS`, such as ``("mifid", "kid")``.
        feature: see :class:`~mifid.metric.set_metric.SetMetric`.
        settings: metric -> its settings in place of the table's: ``{"kid": {"subsets": 10}}``.
        common: as of :class:`~mifid.metric.set_metric.SetMetric`.

    Raises:
        InputError: an unknown metric or setting, with the nearest known one.
    """

    higher_is_better = None

    def __init__(
        self,
        metrics: Iterable[str],
        feature: Feature = None,
        *,
        settings: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
        **common: Unpack[Common],
    ) -> None:
        given = (metrics,) if isinstance(metrics, str) else tuple(metrics)
        check_metrics(given, None)
        names = dict.fromkeys(each for name in given for each in GROUPS.get(name, (name,)))
        for name, own in settings.items():
            known = METRICS[name].settings
            for unknown in [each for each in own if each not in known]:
                raise InputError(f"{name} has no setting '{unknown}'", hint=suggest(unknown, known))
        super().__init__(feature, names=tuple(names), settings=settings, **common)
