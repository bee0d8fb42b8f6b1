"""Bias of FID: the part that comes from the number of pictures, and its lower limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mifid.errors import UnavailableError
from mifid.metrics import extrapolate, frechet_distance
from mifid.statistics import Features

__all__ = ["Bias", "estimate_bias"]

_SPLITS = 10
_COSTLY = 1024  # halves larger than this, at full width, take seconds each
_SPLITS_IF_COSTLY = 2


@dataclass(frozen=True, eq=False)  # arrays have no single truth value
class Bias:
    """FID against the number of pictures.

    Attributes:
        fid: of all the pictures.
        n_generated, n_reference: numbers of pictures.
        fid_infinity: extrapolated to infinitely many generated pictures; same reference.
        sizes: (K,) int64, numbers of generated pictures, the last all of them.
        fids: (K,) float64, FID of a random subset of each size.
        slope: of the line through them: FID of n pictures is about ``fid_infinity + slope / n``.
        floor_halves: mean FID between two random halves of the reference.
        floor_halves_std: its standard deviation over the splits, which share pictures: it is not
            a standard error.
        halves_n: number of pictures in a half.
        splits: number of random splits.
        floor_held_out: FID of held-out real pictures, at least two, against the reference.
        n_held_out: number of held-out pictures.
        equal_n: the smaller number of generated and held-out pictures; 0: no held-out ones.
        held_out_at_equal, generated_at_equal: FID of ``equal_n`` pictures against the reference,
            for the larger side the mean over random subsets; these two can be compared.
        sentence: the meaning in words.
    """

    fid: float
    n_generated: int
    n_reference: int
    fid_infinity: float
    sizes: npt.NDArray[np.int64]
    fids: npt.NDArray[np.float64]
    slope: float
    floor_halves: float
    floor_halves_std: float
    halves_n: int
    splits: int
    floor_held_out: float | None
    n_held_out: int
    equal_n: int
    held_out_at_equal: float | None
    generated_at_equal: float | None
    sentence: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {**asdict(self), "sizes": self.sizes.tolist(), "fids": self.fids.tolist()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Bias:
        """Read what :meth:`to_dict` returned."""
        sizes = np.array(values["sizes"], np.int64)
        return cls(**{**values, "sizes": sizes, "fids": np.array(values["fids"], np.float64)})


def estimate_bias(
    *,
    generated: Features,
    reference: Features,
    held_out: Features | None = None,
    seed: int = 0,
) -> Bias:
    """Estimate FID at several numbers of pictures, at infinity, and between real pictures.

    Args:
        generated: N features, N at least 20.
        reference: M features, M at least 4.
        held_out: features of real pictures that were not trained on.
        seed: of the subsets and halves.

    Raises:
        UnavailableError: too few pictures on a side.
        FeatureError: widths that differ.
    """
    line = extrapolate(generated=generated.values, reference=reference.values, seed=seed)
    halves = _between_halves(reference.values, seed=seed)
    fid = frechet_distance(generated=generated.values, reference=reference.values)
    n_held_out = 0 if held_out is None else len(held_out)
    floor = level = None
    if held_out is not None and n_held_out >= 2:
        floor = frechet_distance(generated=held_out.values, reference=reference.values)
        level = _at_equal_numbers(generated, held_out, reference, seed=seed)
    half = len(reference) // 2
    return Bias(
        fid=fid,
        n_generated=len(generated),
        n_reference=len(reference),
        fid_infinity=line.infinity,
        sizes=line.sizes,
        fids=line.distances,
        slope=line.slope,
        floor_halves=float(halves.mean()),
        floor_halves_std=float(halves.std(ddof=1)),
        halves_n=half,
        splits=len(halves),
        floor_held_out=floor,
        n_held_out=n_held_out,
        equal_n=level.n if level else 0,
        held_out_at_equal=level.held_out if level else None,
        generated_at_equal=level.generated if level else None,
        sentence=" ".join(
            [
                _about_infinity(fid, line.infinity, len(generated), len(reference)),
                _about_halves(float(halves.mean()), half),
                *([] if held_out is None else [_about_held_out(level, n_held_out)]),
            ]
        ),
    )


def _between_halves(reference: npt.NDArray[np.float32], *, seed: int) -> npt.NDArray[np.float64]:
    n = len(reference)
    if n < 4:
        raise UnavailableError(
            f"a reference of {n} pictures has no halves; FID needs at least two pictures in each"
        )
    random = np.random.RandomState(seed)
    half = n // 2
    splits = _SPLITS if min(half, reference.shape[1]) <= _COSTLY else _SPLITS_IF_COSTLY
    distances = []
    for _ in range(splits):
        order = random.permutation(n)
        one, other = reference[order[:half]], reference[order[half : 2 * half]]
        distances.append(frechet_distance(generated=one, reference=other))
    return np.array(distances)


class _Level(NamedTuple):
    n: int
    held_out: float
    generated: float


def _at_equal_numbers(
    generated: Features, held_out: Features, reference: Features, *, seed: int
) -> _Level:
    """Return FID of equally many of both, since fewer pictures always score higher."""
    n = min(len(generated), len(held_out))
    return _Level(
        n,
        _mean_of_subsets(held_out.values, n, reference.values, seed=seed),
        _mean_of_subsets(generated.values, n, reference.values, seed=seed),
    )


def _mean_of_subsets(
    side: npt.NDArray[np.float32], n: int, reference: npt.NDArray[np.float32], *, seed: int
) -> float:
    if n == len(side):
        return frechet_distance(generated=side, reference=reference)
    random = np.random.RandomState(seed)
    costly = min(n, len(reference), side.shape[1]) > _COSTLY
    distances = [
        frechet_distance(generated=side[random.permutation(len(side))[:n]], reference=reference)
        for _ in range(_SPLITS_IF_COSTLY if costly else _SPLITS)
    ]
    return float(np.mean(distances))


def _about_infinity(fid: float, infinity: float, n: int, m: int) -> str:
    part = (
        f"about {infinity:.4g}, extrapolated against the same reference"
        if infinity > 0.0
        else "about 0 (the line through smaller sets falls below it)"
    )
    return (
        f"With {n:,} generated and {m:,} reference pictures FID is {fid:.4g}; with infinitely many "
        f"generated pictures it would be {part}."
    )


def _about_halves(floor: float, half: int) -> str:
    return (
        f"FID between two random halves of the reference, {half:,} real pictures each, is "
        f"{floor:.4g}: this is what perfect pictures reach with {half:,} on each side. FID grows "
        "as pictures get fewer, so it is not a bound on the score above."
    )


def _about_held_out(level: _Level | None, n: int) -> str:
    if level is None:
        return f"There is only {n} held-out picture; its FID needs at least two."
    meaning = (
        "the difference is the possible improvement"
        if level.held_out < level.generated
        else "the generated pictures are nearer than real ones, as copies of the reference are, too"
    )
    return (
        f"With {level.n:,} pictures each, real pictures that were not trained on score "
        f"{level.held_out:.4g} against the reference, and the generated ones "
        f"{level.generated:.4g}: {meaning}."
    )
