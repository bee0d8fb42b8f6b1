"""What part of FID comes from the number of pictures, and how low it could be at best."""

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
_COSTLY = 1024  # halves above this, at full width, take seconds each
_SPLITS_IF_COSTLY = 2


@dataclass(frozen=True, eq=False)  # arrays have no single truth value
class Bias:
    """FID against the number of pictures.

    Attributes:
        fid: of all the pictures.
        n_generated, n_reference: how many there are.
        fid_infinity: extrapolated to infinitely many generated pictures, reference unchanged.
        sizes: (K,) int64, numbers of generated pictures, the last all of them.
        fids: (K,) float64, FID of a random subset of each size.
        slope: the line through them: FID of n pictures is about ``fid_infinity + slope / n``.
        floor_halves: mean FID between two random halves of the reference.
        floor_halves_std: its standard deviation over the splits; they share pictures, so it is
            no standard error.
        halves_n: pictures in a half.
        splits: how many random splits.
        floor_held_out: FID of held-out real pictures against the reference, of two or more of them.
        n_held_out: how many they are.
        equal_n: as many pictures of either kind as there are of the fewer; 0: no held-out ones.
        held_out_at_equal, generated_at_equal: FID of so many against the reference, of the larger
            side the mean over random subsets: what can be set side by side.
        sentence: what this means, in words.
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
        """Take back what :meth:`to_dict` gave."""
        sizes = np.array(values["sizes"], np.int64)
        return cls(**{**values, "sizes": sizes, "fids": np.array(values["fids"], np.float64)})


def estimate_bias(
    *,
    generated: Features,
    reference: Features,
    held_out: Features | None = None,
    seed: int = 0,
) -> Bias:
    """Return FID at several numbers of pictures, at infinitely many, and between real pictures.

    Args:
        generated: N features, N at least 20.
        reference: M features, M at least 4.
        held_out: features of real pictures that nobody trained on.
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
            f"a reference of {n} pictures has no halves; FID needs two pictures in each"
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
    """FID of equally many of both: fewer pictures score higher, whoever made them."""
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
        f"With {n:,} generated and {m:,} reference pictures FID is {fid:.4g}; for infinitely many "
        f"generated ones it would be {part}."
    )


def _about_halves(floor: float, half: int) -> str:
    return (
        f"Two random halves of the reference, {half:,} real pictures each, are {floor:.4g} apart: "
        f"FID grows as pictures get fewer, so that is what perfect pictures reach at {half:,} "
        "against as many, not a bound on the score above."
    )


def _about_held_out(level: _Level | None, n: int) -> str:
    if level is None:
        return f"Held-out real pictures: {n}, where FID needs at least two, so no level of theirs."
    meaning = (
        "the difference is what is left to gain"
        if level.held_out < level.generated
        else "nearer than real pictures come, as copies of the reference would be too"
    )
    return (
        f"Real pictures that nobody trained on score {level.held_out:.4g} against the reference, "
        f"the generated ones {level.generated:.4g}, at {level.n:,} each: {meaning}."
    )
