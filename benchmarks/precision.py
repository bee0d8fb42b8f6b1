"""Speed of `--precision fast`, and its effect on features, FID and the memorization distance.

python -m benchmarks.precision --generated FOLDER --reference FOLDER --docs docs/benchmarks.md

Exact and fast run in turn on every backend; their time includes decoding. Without folders, pictures
are drawn.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import click
import numpy as np

from benchmarks.machine import FOLDER, again, describe_machine, markdown_table, write_section
from benchmarks.pictures import draw
from benchmarks.processes import call

BACKENDS = ("openvino", "torch")
PACKAGES = ("mifid", "torch", "openvino", "numpy", "pillow")
EXACT, FAST = "exact", "fast"


@dataclass(frozen=True)
class Found:
    """Results of one precision."""

    generated: np.ndarray  # features (N, D)
    reference: np.ndarray  # features (M, D)
    rate: float  # generated pictures per second, with the network already loaded

    def scores(self) -> dict[str, float]:
        """Return FID and memorization distance."""
        from mifid.metrics import frechet_distance, memorization_distance

        sides = {"generated": self.generated, "reference": self.reference}
        return {"fid": frechet_distance(**sides), "distance": memorization_distance(**sides)}


def extract(generated: Any, reference: Any, *, backend: str, precision: str, device: str) -> Found:
    """Compute the features of both sides."""
    from mifid import features
    from mifid.extractors import open_extractor

    extractor = open_extractor("inception-random", backend=backend, precision=precision)
    given = {"extractor": extractor, "device": device, "cache": False}
    real = features(reference, **given).values
    start = time.perf_counter()
    painted = features(generated, **given).values
    return Found(painted, real, len(painted) / (time.perf_counter() - start))


def moved(fast: Found, exact: Found) -> dict[str, float]:
    """Return the differences of fast from exact: features in the L2 norm, the rest relative."""
    difference = np.linalg.norm(fast.generated - exact.generated)
    before, after = exact.scores(), fast.scores()
    return {
        "features": float(difference / np.linalg.norm(exact.generated)),
        **{name: after[name] / before[name] - 1 for name in before},
        "rate": fast.rate / exact.rate,
    }


def measure(*, generated: Any, reference: Any, backend: str, device: str, rounds: int) -> dict:
    """Run exact and fast in turn on folders or numbers of drawn pictures; medians of rounds."""
    if isinstance(generated, int):
        generated = np.stack([draw("photo", number) for number in range(generated)])
    if isinstance(reference, int):
        reference = np.stack([draw("painting", number) for number in range(reference)])
    changes = []
    for _ in range(rounds):
        exact, fast = (
            extract(generated, reference, backend=backend, precision=precision, device=device)
            for precision in (EXACT, FAST)
        )
        changes.append(moved(fast, exact))
    return {
        **{key: median(one[key] for one in changes) for key in changes[0]},
        "exact_fid": exact.scores()["fid"],
        "pictures": [len(exact.generated), len(exact.reference)],
    }


@click.command(context_settings={"max_content_width": 100})
@click.option("--generated", type=FOLDER)
@click.option("--reference", type=FOLDER)
@click.option("--draw", nargs=2, type=int, default=(300, 300), show_default=True)
@click.option("--device", default="cpu", show_default=True)
@click.option("--backend", "backends", multiple=True, type=click.Choice(BACKENDS))
@click.option("--rounds", default=3, show_default=True)
@click.option("--docs", type=click.Path(path_type=Path), default=None)
def main(
    generated: Path | None,
    reference: Path | None,
    draw: tuple[int, int],
    device: str,
    backends: tuple[str, ...],
    rounds: int,
    docs: Path | None,
) -> None:
    """Measure --precision fast; write the section into --docs."""
    task = {
        "generated": str(generated) if generated else draw[0],
        "reference": str(reference) if reference else draw[1],
        "device": device,
        "rounds": rounds,
    }
    rows = []
    for backend in backends or BACKENDS:
        click.echo(f"{backend} ...", err=True)
        one, _ = call("precision:measure", **task, backend=backend)
        row = [f"{backend} on {device}", f"{one['rate']:.2f}", f"{one['features']:.1e}"]
        row += [f"{one['exact_fid']:.6f}", f"{one['fid']:+.2%}", f"{one['distance']:+.3%}"]
        rows.append(row)
    header = ["Backend", "pictures/s, ratio", "features, L2", "exact FID", "FID", "distance"]
    n, m = one["pictures"]
    about = f"{n:,} {'pictures' if generated else 'drawn photos'} against {m:,} "
    about += f"{'pictures' if reference else 'drawn paintings'}, medians of {rounds} in turn"
    text = f"""\
## `--precision fast`

The network in bfloat16 compared with float32: {about}. Such scores are marked as not comparable
with Kaggle's.

{markdown_table(header, rows)}

All differences are relative to exact. {describe_machine(PACKAGES)}. The weights are those of
`inception-random`. Rounding may have a larger effect in a random network than in a trained one, so
these numbers are only a hint. Repeat with `{again("precision")}`.
"""
    click.echo(text)
    if docs:
        write_section(docs, "precision", text)


if __name__ == "__main__":
    main()
