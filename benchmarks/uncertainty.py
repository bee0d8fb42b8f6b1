"""Time, coverage and width of intervals.

python -m benchmarks.uncertainty --docs docs/benchmarks.md
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import click
import numpy as np

from benchmarks.machine import again, describe_machine, markdown_table, write_section
from mifid.metrics import bootstrap, extrapolate, frechet_distance, influence, linearized
from mifid.statistics import Features
from mifid.uncertainty import calibrated
from mifid.uncertainty.bias import estimate_bias

Draw = Callable[[int, int], np.ndarray]


def drawn_features(width: int, *, shift: float = 0.0, scale: float = 1.0) -> Draw:
    """Return f(n, seed) -> (n, width): a spectrum falling as k^-0.7, noise, values >= 0."""
    fixed = np.random.RandomState(1)
    modes = min(256, width)
    falling = np.arange(1, modes + 1) ** -0.7
    mixing = fixed.randn(modes, width) * (falling / np.linalg.norm(falling))[:, None] * 0.5
    mean = fixed.rand(width) * 0.3 + shift * fixed.randn(width)

    def draw(n: int, seed: int) -> np.ndarray:
        random = np.random.RandomState(seed)
        rows = random.randn(n, modes) @ mixing * scale + random.randn(n, width) * 0.15 + mean
        return np.maximum(rows, 0).astype(np.float32)

    return draw


def times_table(n: int, m: int, width: int, replicates: int, rounds: int) -> str:
    """Return a table of the seconds of each part: medians of rounds in turn."""
    generated = drawn_features(width, shift=0.05, scale=1.2)(n, 1)
    reference = drawn_features(width)(m, 2)
    arrays = {"generated": generated, "reference": reference}
    sides = {name: Features(values) for name, values in arrays.items()}
    many = {**arrays, "replicates": replicates}
    pieces = {
        f"FID, distance and MiFID of {replicates:,} resamples": lambda: bootstrap(**many),
        "the same, FID to first order (jackknife)": lambda: linearized(**many),
        "influence of every generated picture": lambda: influence(**arrays),
        "FID of infinitely many, 15 subsets": lambda: extrapolate(**arrays),
        "all of the bias section": lambda: estimate_bias(**sides),
    }
    seconds: dict[str, list[float]] = {name: [] for name in pieces}
    for _ in range(rounds):
        for name, piece in pieces.items():
            start = time.perf_counter()
            piece()
            seconds[name].append(time.perf_counter() - start)
    header = [f"{n:,} x {m:,} x {width}", "seconds"]
    return markdown_table(header, [[name, f"{median(s):.2f}"] for name, s in seconds.items()])


GAUSSIANS = {
    "far apart, many": {"shift": 1.0, "scale": 1.3, "n": 1000, "m": 1500},
    "far apart": {"shift": 1.0, "scale": 1.3, "n": 200, "m": 300},
    "near": {"shift": 0.3, "scale": 1.0, "n": 200, "m": 300},
    "the same distribution": {"shift": 0.0, "scale": 1.0, "n": 200, "m": 300},
    "far apart, few": {"shift": 1.0, "scale": 1.3, "n": 40, "m": 30},
}


def gaussian_table(repetitions: int, replicates: int) -> str:
    """Return the coverage of 95 % intervals, on Gaussians of width 6 with a known distance."""
    width, rows = 6, []
    for name, case in GAUSSIANS.items():
        random = np.random.RandomState(0)

        def draw(case: dict = case, random: np.random.RandomState = random) -> dict:
            moved = random.randn(case["n"], width) * case["scale"] + case["shift"] / width**0.5
            return {"generated": moved, "reference": random.randn(case["m"], width)}

        known = case["shift"] ** 2 + width * (case["scale"] - 1) ** 2
        truth = np.array([frechet_distance(**draw()) for _ in range(5 * repetitions)])
        found = [_intervals(draw(), replicates, seed) for seed in range(repetitions)]
        held = [_share(found, kind, truth.mean()) for kind in ("raw", "calibrated", "jackknife")]
        title = f"{name}: {case['n']:,} x {case['m']:,}"
        numbers = [f"{known:.2f}", f"{truth.mean():.2f}"]
        rows.append([title, *numbers, *held, _share(found, "calibrated", known)])
    header = "Two Gaussians of width 6|true FID|expected FID at this size|raw percentiles|intervals"
    return markdown_table(f"{header}|jackknife|intervals, true FID".split("|"), rows)


def _share(found: list[dict], kind: str, value: float) -> str:
    """Return the share of the intervals of a kind that hold a value."""
    return f"{np.mean([ends[kind][0] <= value <= ends[kind][1] for ends in found]):.0%}"


def _intervals(arrays: dict, replicates: int, seed: int) -> dict:
    sides = {name: Features(values.astype(np.float32)) for name, values in arrays.items()}
    settings = {**sides, "replicates": replicates, "seed": seed}
    found = calibrated(**settings, method="bootstrap")
    first = calibrated(**settings, method="jackknife").replicates.fid
    kinds = {"raw": found.raw.fid, "calibrated": found.replicates.fid, "jackknife": first}
    return {
        **{kind: np.percentile(values, [2.5, 97.5]) for kind, values in kinds.items()},
        "errors": [values.std(ddof=1) for values in kinds.values()],
        "bias": found.raw.fid.mean() - found.replicates.fid.mean(),
    }


def wide_table(width: int, sizes: list[tuple[int, int]], repetitions: int, replicates: int) -> str:
    """Return the same for fewer pictures than features; true values are from new draws."""
    rows = []
    for n, m in sizes:
        for name, shift, scale in [("different", 0.05, 1.2), ("the same", 0.0, 1.0)]:
            one = drawn_features(width, shift=shift, scale=scale)
            other = drawn_features(width)
            fids, found = [], []
            for seed in range(3 * repetitions):
                both = {"generated": one(n, 2 * seed), "reference": other(m, 2 * seed + 1)}
                fids.append(frechet_distance(**both))
                if seed < repetitions:
                    found.append(_intervals(both, replicates, seed))
            errors = np.mean([ends["errors"] for ends in found], axis=0)
            held = [_share(found, kind, np.mean(fids)) for kind in ("raw", "calibrated")]
            numbers = (np.mean(fids), np.std(fids, ddof=1), errors[0], errors[2])
            row = [f"{name} distribution: {n:,} x {m:,}", *(f"{each:.2f}" for each in numbers)]
            rows.append([*row, f"{np.mean([e['bias'] for e in found]):+.1f}", *held])
    header = f"Width {width}|expected FID|true standard deviation|bootstrap's|jackknife's"
    return markdown_table(f"{header}|bootstrap's bias|raw percentiles|intervals".split("|"), rows)


TEXT = """Intervals should contain the expected score for this number of pictures. The tables show
the share of repetitions ({repetitions}) in which they do, at a level of 95 %. Raw
percentiles of the bootstrap miss it, since repeated pictures raise FID. Shifted to the score, they
would still be too wide, most of all for two sets of one distribution. So their spread is scaled to
that of the jackknife. If the bias is large, the FID of infinitely many pictures lies outside the
interval; the report shows the bias separately.

{gaussians}

{wide}"""


@click.command()
@click.option("--generated", default=7000, show_default=True)
@click.option("--reference", default=300, show_default=True)
@click.option("--width", default=2048, show_default=True)
@click.option(
    "--replicates", default=1000, show_default=True, help="Replicates of the timed bootstrap."
)
@click.option("--rounds", default=3, show_default=True)
@click.option("--repetitions", default=200, show_default=True, help="Repetitions with Gaussians.")
@click.option("--wide-repetitions", default=40, show_default=True)
@click.option("--docs", type=click.Path(path_type=Path), help="Write the section into this file.")
def main(
    generated: int,
    reference: int,
    width: int,
    replicates: int,
    rounds: int,
    repetitions: int,
    wide_repetitions: int,
    docs: Path | None,
) -> None:
    """Measure time and coverage of intervals, on synthetic features."""
    few = min(200, replicates)
    sizes = [(min(2000, generated), reference), (reference, reference)]
    about = TEXT.format(
        repetitions=f"{repetitions} at width 6, {wide_repetitions} at width {width}",
        gaussians=gaussian_table(repetitions, few),
        wide=wide_table(width, sizes, wide_repetitions, few),
    )
    text = f"""\
## Intervals: cost and coverage

{times_table(generated, reference, width, replicates, rounds)}

{about}

{describe_machine(["numpy"])}. Synthetic features; medians of {rounds}. Repeat with \
`{again("uncertainty")}`."""
    click.echo(text)
    if docs:
        write_section(docs, "uncertainty", text)


if __name__ == "__main__":
    main()
