"""SetMetric: a metric of sets of pictures as an object that a loop feeds batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypedDict

import numpy as np
import torch
from torch import Tensor, nn

from mifid.errors import FeatureError, InputError, UnavailableError, setting, warn
from mifid.evaluation import (
    check_held_out,
    check_metrics,
    check_numbers,
    check_widths,
    measure,
    measure_more,
)
from mifid.extractors import EXACT, SPATIAL_WIDTH, Extractor, isolated, threshold
from mifid.images import Pixels, Stacker, Stream, ValueRange, as_rgb, is_array
from mifid.inputs import GivenSide
from mifid.metric.accumulation import Accumulated
from mifid.metric.gathering import Group, several_processes
from mifid.metrics import CORE, METRICS, memorization_distance, nearest_reference, penalized
from mifid.pipeline import (
    STREAMED_FROM,
    Options,
    choose_network,
    compute_side,
    features_of_pixels,
    logits_of,
    open_sides,
    pipeline_for,
    provenance_of,
)
from mifid.statistics import Computed, Features, Provenance, Statistics
from mifid.uncertainty import SEED

__all__ = ["Common", "SetMetric"]

MAX_FEATURES = 50_000
"""Features of so many pictures a side are kept: 410 MB of Inception's 2,048 values."""

_SPATIAL = "_spatial"


def _base() -> type[nn.Module]:
    """Return torchmetrics.Metric, which Lightning's ``self.log`` asks for; a module without it."""
    if find_spec("torchmetrics") is None:
        return _Alone
    from torchmetrics import Metric

    found: type[nn.Module] = Metric
    return found


class _Alone(nn.Module):
    """What is used here of torchmetrics.Metric, where it is not installed."""

    def __init__(self, *, sync_on_compute: bool, process_group: Any) -> None:
        super().__init__()
        self.sync_on_compute = sync_on_compute
        self.process_group = process_group

    def reset(self) -> None:
        """Forget a computed value; there is none."""

    def __getstate__(self) -> dict[str, Any]:
        return dict(self.__dict__)


class Common(TypedDict, total=False):
    """The arguments that all metrics share, as keywords, for type checkers and editors."""

    reset_real_features: bool
    normalize: bool
    extractor: str | Callable[..., Any] | Extractor | None
    weights: str | Path | None
    backend: str
    precision: str
    device: str
    batch_size: int | None
    value_range: ValueRange | None
    reference: Any
    held_out: Any
    max_features: int
    seed: int
    process_group: Any
    sync_on_compute: bool


class SetMetric(_base()):  # type: ignore[misc]  # which one is known at run time
    """A metric of generated against real pictures, which come in batches.

    It is a ``torchmetrics.Metric`` if torchmetrics is installed. Its numbers are those of
    :func:`mifid.score` for the same pictures. Features are computed as there, whatever surrounds
    the call: autocast, inference mode, TF32.

    Args:
        feature: torchmetrics' name of the extractor: 2048 for Inception, or a module or function
            from uint8 tensors (N, 3, H, W) to features (N, D).
        reset_real_features: False: :meth:`reset` keeps the real pictures.
        normalize: True: pictures are floats in 0..1; False: uint8 in 0..255.
        extractor: instead of ``feature``: as in :func:`mifid.score`; None: the network that a file
            given as ``reference`` was made with, else ``"inception"``.
        weights, backend, precision, batch_size: as in :func:`mifid.score`.
        device: ``"auto"``: where the metric was moved to (``.to("cuda")``), else where the first
            pictures are, if on a GPU, else as in :func:`mifid.score`.
        value_range: instead of ``normalize``: the values of black and white in floats, such as
            (-1, 1).
        reference: the real side as :func:`mifid.score` takes it, for example a file of
            ``mifid reference build``; then :meth:`update` takes generated pictures only.
        held_out: real pictures that nobody trained on, as :func:`mifid.score` takes them; for FLD
            and C_T, to which the real side are the pictures that were trained on.
        max_features: most pictures of a side, in each process, of which single features are kept,
            where the metric needs them. Of further pictures only mean and covariance are
            accumulated, with a warning; metrics without these leave them out.
        seed: of everything that draws at random.
        process_group: of torch.distributed, over which :meth:`compute` gathers; None: all.
        sync_on_compute: False: each process computes its own value.

    Raises:
        InputError: arguments that contradict each other, or ``held_out`` is missing or not used.
        UnavailableError: sFID with a network, or a reference, that has no spatial features.
        MifidError: a reference or held-out pictures that cannot be used.
    """

    names: tuple[str, ...] = ()
    is_differentiable = False
    full_state_update = True

    def __init__(
        self,
        feature: int | Callable[..., Any] | str | None = None,
        *,
        names: tuple[str, ...] | None = None,
        settings: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
        reset_real_features: bool = True,
        normalize: bool = False,
        extractor: str | Callable[..., Any] | Extractor | None = None,
        weights: str | Path | None = None,
        backend: str = "auto",
        precision: str = EXACT,
        device: str = "auto",
        batch_size: int | None = None,
        value_range: ValueRange | None = None,
        reference: Any = None,
        held_out: Any = None,
        max_features: int = MAX_FEATURES,
        seed: int = SEED,
        process_group: Any = None,
        sync_on_compute: bool = True,
    ) -> None:
        super().__init__(sync_on_compute=sync_on_compute, process_group=process_group)
        if normalize and value_range is not None:
            raise InputError(
                f"both normalize=True and {setting('value_range', value_range)} are given",
                hint="normalize=True is value_range=(0, 1); give one of them.",
            )
        if not hasattr(max_features, "__index__") or max_features < 2:
            raise InputError(f"max_features is {max_features!r}; expected 2 or more")
        self._options = Options(
            extractor=_chosen(feature, extractor),
            weights=weights,
            backend=backend,
            precision=precision,
            device=device,
            batch_size=batch_size,
            value_range=(0, 1) if normalize else value_range,
            seed=seed,
        )
        Stacker(self._options.single_range)  # refuses what is no range
        self.reset_real_features = reset_real_features
        if names is not None:
            self.names = names
        self._settings = {metric: dict(own) for metric, own in settings.items()}
        check_metrics(self.names, self._epsilon)
        needs = {need for name in self.names for need in METRICS[name].needs}
        _check_held_out(self.names, needs, held_out)
        self._needs_real = any(
            METRICS[name].sides & {"reference", "training"} for name in self.names
        )
        self._spatial = any(need.endswith(_SPATIAL) for need in needs)
        moments = bool({"fid", "mifid"} & set(self.names))
        most = max_features if self._rows else STREAMED_FROM if moments else 0
        self._sides = {
            side: Accumulated(most=most, rows=self._rows, moments=moments)
            for side in ("generated", "real")
        }
        if self._spatial:
            self._sides |= {
                side + _SPATIAL: Accumulated(most=STREAMED_FROM, rows=False, moments=True)
                for side in ("generated", "real")
            }
        self._persists = False
        self._moved: torch.device | None = None
        self._loaded: tuple[Extractor, Provenance] | None = None
        given = {"reference": reference, "held_out": held_out}
        self._given = self._opened({k: raw for k, raw in given.items() if raw is not None})

    @property
    def n_generated(self) -> int:
        """Number of generated pictures in this process."""
        return self._sides["generated"].n

    @property
    def n_real(self) -> int | None:
        """Number of real pictures in this process; None if a reference file does not say."""
        given = self._given.get("reference")
        if given is None:
            return self._sides["real"].n
        return len(given) if isinstance(given, Features) else given.n

    @property
    def update_called(self) -> bool:
        """True: torchmetrics has nothing to warn of, as compute() says which pictures it lacks."""
        return True

    def update(self, images: Tensor | Any, real: bool) -> None:
        """Add pictures to one side.

        Args:
            images: tensor (N, 3, H, W) or array (N, H, W, 3), also of one channel or with alpha:
                uint8, or floats of the range that ``normalize`` or ``value_range`` states.
            real: whether they are real pictures or generated ones.

        Raises:
            InputError: no such pictures, values outside of their range, or real ones beside a
                ``reference``.
            FeatureError: the extractor gives NaN, or something else than features (N, D).
        """
        if not isinstance(real, bool):
            raise InputError(f"real is a {type(real).__name__}; expected True or False")
        if real and "reference" in self._given:
            raise InputError(
                "real pictures are given to a metric that has a reference",
                hint="Make it without reference=, or call update(images, real=False).",
            )
        side = "real" if real else "generated"
        pixels = self._pixels(images, f"the {side} pictures")
        if not len(pixels):
            return
        network, provenance = self._ready(images)
        values = features_of_pixels(pixels, network, batch_size=self._options.batch_size)
        accumulated = self._sides[side]
        whole = accumulated.complete
        if self._spatial:
            values, beside = map(np.copy, np.split(values, [-SPATIAL_WIDTH], axis=1))
            self._sides[side + _SPATIAL].add(beside, provenance)
        accumulated.add(values, provenance)
        if whole and not accumulated.complete and accumulated.keeps_rows:
            rest = "enter FID alone" if accumulated.needs_moments else "are left out"
            warn(
                f"there are more than {accumulated.most:,} {side} pictures (max_features): "
                f"further ones {rest}"
            )
        self._computed = None

    def compute(self) -> Tensor:
        """Return the headline value of all processes' pictures, a float64 tensor on the CPU.

        Raises:
            MifidError: as :meth:`compute_all`.
        """
        return torch.tensor(self.compute_all()[self.headline], dtype=torch.float64)

    @property
    def headline(self) -> str:
        """Name of the value that :meth:`compute` returns."""
        values: Mapping[str, str] = METRICS[self.names[0]].values
        return next(iter(values))

    def compute_all(self) -> dict[str, float]:
        """Return every value by its name, such as ``fid`` and ``memorization_distance`` of MiFID.

        In several processes all must call it.

        Raises:
            FeatureError: a side has too few pictures.
            UnavailableError: a value cannot be computed; the message says why.
            CompatibilityError: the processes' metrics have other settings.
        """
        group = None
        sides = self._sides
        if self.sync_on_compute and several_processes(self.process_group):
            group = Group(self.process_group)
            # MiFID's generated features stay where they are: their distances are gathered.
            all_rows = any(_needs_rows(name) for name in self.names if name != "mifid")
            sides = group.gather(
                sides,
                settings=self._described(),
                most=STREAMED_FROM,
                rows=("generated",) * all_rows + ("real",) * self._rows,
            )
        own, generated, real = self._sides["generated"], sides["generated"], sides["real"]
        given = dict(self._given)
        reference = training = given.pop("reference", None)
        if reference is None and self._needs_real:
            self._require_pictures("real", real)
            reference, training = real.computed, real.features
            if self._spatial:
                given["reference" + _SPATIAL] = sides["real" + _SPATIAL].computed
        self._require_pictures("generated", generated)
        if self._spatial:
            given["generated" + _SPATIAL] = sides["generated" + _SPATIAL].computed
        found: dict[str, float] = {}
        if set(CORE) & set(self.names):
            assert reference is not None
            found |= self._core(generated, reference, training, own, group)
        return found | self._more(generated, training, given)

    def reset(self) -> None:
        """Forget all pictures; the real ones only if ``reset_real_features``."""
        for name, side in self._sides.items():
            if self.reset_real_features or not name.startswith("real"):
                side.clear()
        super().reset()

    def merge(self, other: SetMetric) -> None:
        """Add the pictures of another metric of the same kind, for example of another process.

        Raises:
            CompatibilityError: it has another extractor.
            InputError: it is of another kind.
        """
        if type(other) is not type(self) or other.names != self.names:
            raise InputError(
                f"a {type(other).__name__} cannot be merged into a {type(self).__name__}",
                hint="Merge metrics of one class.",
            )
        for side, accumulated in self._sides.items():
            accumulated.merge(other._sides[side])
        self._computed = None

    def merge_state(self, incoming_state: SetMetric) -> None:
        """Do what :meth:`merge` does, under torchmetrics' name."""
        self.merge(incoming_state)

    def forward(self, images: Tensor | Any, real: bool) -> None:
        """Do what :meth:`update` does: sets have a metric, single batches have none."""
        self.update(images, real)

    def persistent(self, mode: bool = False) -> None:
        """Set whether the ``state_dict`` of a model holds the pictures of this metric in it.

        As in torchmetrics it does not by default: a checkpoint would grow by what is accumulated,
        and a run that goes on would count it again. The metric's own ``state_dict()`` always does.
        """
        self._persists = mode

    def _save_to_state_dict(
        self, destination: dict[str, Any], prefix: str, keep_vars: bool
    ) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        if prefix and not self._persists:
            return
        for side, accumulated in self._sides.items():
            for name, array in accumulated.state().items():
                destination[f"{prefix}{side}.{name}"] = torch.from_numpy(np.array(array))

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        for side, accumulated in self._sides.items():
            beginning = f"{prefix}{side}."
            names = [name for name in state_dict if name.startswith(beginning)]
            state = {name[len(beginning) :]: state_dict.pop(name).cpu().numpy() for name in names}
            if state:
                accumulated.set_state(state)
            elif strict and (self._persists or not prefix):
                missing_keys.append(f"{beginning}n")
        self._computed = None
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
        )

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the loaded network: it is opened again where it is needed."""
        state: dict[str, Any] = super().__getstate__()
        return {**state, "_options": replace(self._options), "_loaded": None}

    def _apply(self, fn: Callable[[Tensor], Tensor], *args: Any, **kwargs: Any) -> SetMetric:
        super()._apply(fn, *args, **kwargs)
        before = self._moved or torch.device("cpu")
        moved = fn(torch.empty(0, device=before)).device
        if moved not in (before, torch.device("meta")):  # Lightning builds models there
            self._moved, self._loaded = moved, None
        return self

    def _pixels(self, images: Any, where: str) -> Pixels:
        if not is_array(images):
            raise InputError(
                f"{where} are a {type(images).__name__}; expected a tensor (N, 3, H, W) or an "
                "array (N, H, W, 3)",
                hint="Stack pictures with torch.stack; mifid.score takes folders, lists and "
                "loaders.",
            )
        stacker = Stacker(self._options.single_range)
        pixels = as_rgb(stacker(images, where))
        stacker.finish(where)
        return pixels

    def _ready(self, images: Any) -> tuple[Extractor, Provenance]:
        """Load the network, once, and return it and the provenance of its features."""
        if self._loaded is None:
            options, network = self._options, self._network()
            device = options.device
            given = self._moved or (images.device if isinstance(images, Tensor) else None)
            if device == "auto" and given is not None and (self._moved or given.type != "cpu"):
                device = str(given)
            with isolated():
                device = network.load(device)
            made = provenance_of(network, device=device, batch_size=options.batch_size)
            self._loaded = network, made
        return self._loaded

    def _network(self) -> Extractor:
        """Return the network; for sFID one with spatial features behind its own.

        Raises:
            WeightsError: its weights cannot be found.
            UnavailableError: it has no spatial features.
        """
        network = self._options.network
        if not self._spatial:
            return network
        if (found := network.with_spatial()) is None:
            raise UnavailableError(
                f"{', '.join(self.names)}: {network.identity.name} has no spatial features",
                hint=f"Only Inception has them: {setting('extractor', 'inception')}.",
            )
        return found

    def _opened(self, given: Mapping[str, Any]) -> dict[str, Computed]:
        """Compute the sides that were given, and find the network, before any loop begins."""
        with open_sides(given, self._options) as sides:
            self._options = choose_network(self._options, sides)
            coming = GivenSide("generated", "pictures of update()", Stream(()))
            pipeline = pipeline_for([*sides, coming], self._options)
            self._network()  # weights that are missing are reported now, too
            found = {
                side.label: compute_side(
                    side,
                    pipeline,
                    only_fid=set(self.names) == {"fid"},
                    intervals=False,
                    spatial=self._spatial and side.label == "reference",
                ).computed
                for side in sides
            }
        for label, side in found.items():
            self._check(label, side)
        check_held_out(found)
        return found

    def _check(self, label: str, side: Computed) -> None:
        """Refuse a given side that lacks what the metrics need of it."""
        if isinstance(side, Statistics) and self._rows:
            raise UnavailableError(
                f"{', '.join(self.names)}: the {label.replace('_', ' ')} is mean and covariance "
                "only; single features are needed",
                hint="Give the real pictures, or a file that mifid reference build made of them.",
            )
        if self._spatial and label == "reference" and side.spatial is None:
            raise UnavailableError(
                f"{', '.join(self.names)}: the reference has no spatial features",
                hint="Give the real pictures, a file of mifid reference build with "
                f"{setting('spatial', True)}, or one with mu_s and sigma_s.",
            )

    @property
    def _rows(self) -> bool:
        """Whether single features are needed, however many pictures come."""
        return any(map(_needs_rows, self.names))

    @property
    def _epsilon(self) -> float | None:
        return self._settings.get("mifid", {}).get("epsilon")

    def _described(self) -> str:
        """Return what must be the same in all processes, in words."""
        identity = self._options.network.identity
        settings = {**self._settings, "seed": self._options.seed}
        return (
            f"{type(self).__name__} of {', '.join(self.names)} with {settings}, extractor "
            f"{identity.name} ({identity.fingerprint or identity.dtype}), "
            f"{'with' if 'reference' in self._given else 'without'} a reference"
        )

    def _require_pictures(self, side: str, found: Accumulated) -> None:
        if found.n < 2:
            raise FeatureError(
                f"{type(self).__name__} has {found.n} {side} picture{'s' * (found.n != 1)}; "
                "expected at least 2",
                hint=f"Call update(images, real={side == 'real'}) before compute().",
            )

    def _core(
        self,
        generated: Accumulated,
        reference: Computed,
        training: Computed | None,
        own: Accumulated,
        group: Group | None,
    ) -> dict[str, float]:
        """Compute FID, memorization distance and MiFID, as far as they are asked for."""
        wanted = frozenset(set(self.names) & set(CORE))
        sides = {"generated": generated.computed, "reference": reference}
        check_widths(sides)
        found: dict[str, float] = {}
        if wanted & {"fid", "mifid"}:
            numbers = measure(
                **sides, training=reference, wanted=frozenset({"fid"}), epsilon=0.0, seconds={}
            )
            assert numbers.fid is not None
            found["fid"] = numbers.fid
            check_numbers(sides, competition=False, wanted=wanted)
        if wanted & {"memorization", "mifid"}:
            assert isinstance(training, Features)
            found["memorization_distance"] = _distance(generated, training, own, group)
        if "mifid" in wanted:
            assert generated.provenance is not None
            epsilon = threshold(generated.provenance.extractor, self._epsilon)
            found["mifid"] = penalized(
                fid=found["fid"],
                memorization_distance=found["memorization_distance"],
                epsilon=epsilon or 0.0,
            )
        return found

    def _more(
        self, generated: Accumulated, training: Computed | None, given: Mapping[str, Computed]
    ) -> dict[str, float]:
        """Compute all other metrics; ``given`` are sides beside the two."""
        names = frozenset(self.names) - set(CORE)
        if not names:
            return {}
        features = generated.features
        measured = measure_more(
            names,
            sides={"generated": features, "reference": training, "training": training, **given},
            logits=lambda: logits_of(features, self._options),
            seed=self._options.seed,
            seconds={},
            instead={
                name: {**METRICS[name].settings, **self._settings.get(name, {})} for name in names
            },
        )
        found: dict[str, float] = {}
        for name, each in measured.items():
            if each.omitted:
                raise UnavailableError(f"{name} cannot be computed: {each.omitted}")
            found |= each.values
        return found


def _needs_rows(name: str) -> bool:
    """Return whether a metric needs single features: mean and covariance do not suffice."""
    return not METRICS[name].moments


def _check_held_out(names: tuple[str, ...], needs: Collection[str], held_out: Any) -> None:
    """Raise InputError if held-out pictures are missing, or given for nothing."""
    if "held_out" in needs and held_out is None:
        raise InputError(
            f"{', '.join(names)}: pictures that nobody trained on are needed",
            hint=f"Give them with {setting('held_out')}, in any form that mifid.score takes.",
        )
    if held_out is not None and "held_out" not in needs:
        raise InputError(
            f"{setting('held_out')} is given, but {', '.join(names)} does not use it",
            hint="Leave it out; FLD and C_T use it.",
        )


def _distance(
    generated: Accumulated, training: Features, own: Accumulated, group: Group | None
) -> float:
    """Return the memorization distance of all processes' generated pictures."""
    if group is None or len(generated.values):
        return memorization_distance(generated=generated.values, reference=training.values)
    # The generated features stay where they are; only their distances are gathered.
    distance = np.zeros(0)
    if own.n:
        distance = nearest_reference(generated=own.values, reference=training.values).distance
    distance = group.rows(distance, group.objects(len(distance)))
    kept = distance[~np.isnan(distance)]
    if not len(kept):
        raise FeatureError("there is no memorization distance: all generated features are zero")
    return float(np.mean(kept))


def _chosen(
    feature: int | Callable[..., Any] | str | None,
    extractor: str | Callable[..., Any] | Extractor | None,
) -> str | Callable[..., Any] | Extractor | None:
    """Return the extractor that ``feature`` or ``extractor`` names.

    Raises:
        InputError: both are given, or a width of Inception's other layers.
    """
    if feature is None:
        return extractor
    if extractor is not None:
        raise InputError("both feature and extractor are given", hint="Give one of them.")
    if not isinstance(feature, int):
        return feature
    if feature != 2048:
        raise InputError(
            f"feature is {feature}; expected 2048, Inception's last layer, as MiFID is defined",
            hint="Of another layer, give a module or function of your own.",
        )
    return "inception"
