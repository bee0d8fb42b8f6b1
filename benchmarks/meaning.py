"""What the metrics see: disturbed pictures, mixed sets, few pictures, other references.

    python -m benchmarks.meaning --reference monet_jpg --real monet_held_out --photos photo_jpg

The reference is what a painter would be trained on. One half of the other real pictures is
disturbed and scored as if it were generated; the other half is held out. Without folders mifid
draws the pictures.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from PIL import Image

from benchmarks.disturbances import DIFFERENT, DISTURBANCES, SHARES, disturb, repeat
from benchmarks.machine import again, describe_machine, markdown_table, write_section
from benchmarks.pictures import draw_pictures, pictures_of
from mifid.images import QUALITIES, Colours, measure_colours

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
METRICS = "fid,memorization,kid,pr,dc,fld,authpct,ct,vendi,mind,cmmd"
"""All that need nothing but features. MiFID is FID but for the threshold."""

PHOTOS, COPIES = "photos mixed in", "training pictures copied in"
REPEATED = "few pictures repeated"
COLOURS = "colours"
"""The largest difference of the pictures' colours, in deviations of the reference's."""

SIZES = (300, 1000, 7000)
PACKAGES = ("mifid", "torch", "openvino", "numpy", "scipy", "pillow")

Features = np.ndarray  # (N, D), and five more columns: the colours of each picture
Curve = list[dict[str, float]]  # values of all metrics: undisturbed, then strength by strength


@dataclass(frozen=True)
class Sides:
    """Features of the sets that are compared."""

    reference: Features
    base: Features  # real pictures in the place of generated ones
    held_out: Features
    photos: Features
    metrics: Sequence[str]

    def measure(self, generated: Features, reference: Features | None = None) -> dict[str, float]:
        """Return the metrics' values by name; NaN where a metric has too few pictures."""
        from mifid.errors import UnavailableError
        from mifid.metrics import METRICS

        reference = self.reference if reference is None else reference
        given = {
            "generated": generated,
            "reference": reference,
            "training": reference,
            "held_out": self.held_out,
        }
        found = {COLOURS: colour_difference(generated, reference)}
        for metric in map(METRICS.__getitem__, self.metrics):
            try:
                sides = {need: given[need][:, : -len(QUALITIES)] for need in metric.needs}
                values = metric.function(**sides)
            except UnavailableError:
                values = {}
            keys = filter(metric.direction, metric.values)
            found |= {key: values.get(key, float("nan")) for key in keys}
        return found


def colour_difference(generated: Features, reference: Features) -> float:
    """Return the largest shift of the colours, in deviations of the reference's pictures."""
    sides = []
    for side in (generated, reference):
        values = side[:, -len(QUALITIES) :].astype(np.float64)
        sums = np.stack([values.sum(axis=0), (values**2).sum(axis=0)])
        sides.append(Colours.of(sums, len(values)))
    return max(map(abs, sides[0].shifts(sides[1]).values()))


@dataclass(frozen=True)
class Noise:
    """Standard deviations of the undisturbed set's values, by metric."""

    generated: Mapping[str, float]  # of ``pictures`` generated ones
    reference: Mapping[str, float]
    pictures: int

    def half_width(self, name: str, size: int) -> float:
        """Return half of a 95 % interval for so many generated pictures."""
        variance = self.generated[name] ** 2 * self.pictures / size
        return 1.96 * float(np.sqrt(variance + self.reference[name] ** 2))


def find_noise(sides: Sides, draws: int) -> Noise:
    """Draw halves of the base, and as many reference pictures from the reference and held-out ones.

    A draw of n from N without replacement varies less than n new pictures would, by 1 - n / N in
    the variance.
    """
    random = np.random.RandomState(0)
    real = np.concatenate([sides.reference, sides.held_out])
    half, n = len(sides.base) // 2, len(sides.reference)
    fewer = [
        sides.measure(sides.base[random.permutation(len(sides.base))[:half]]) for _ in range(draws)
    ]
    other = [
        sides.measure(sides.base, real[random.permutation(len(real))[:n]]) for _ in range(draws)
    ]
    return Noise(
        _deviations(fewer, half / len(sides.base)), _deviations(other, n / len(real)), half
    )


def _deviations(found: list[dict[str, float]], share: float) -> dict[str, float]:
    scale = np.sqrt(1 - share)
    return {name: float(np.std([one[name] for one in found], ddof=1) / scale) for name in found[0]}


def curves(sides: Sides, pixels: np.ndarray, extract: Any) -> Iterator[tuple[str, Curve]]:
    """Yield each disturbance and each mixture with the values of all metrics."""
    clean = sides.measure(sides.base)
    for name, (_, strengths, _) in DISTURBANCES.items():
        click.echo(f"  {name}", err=True)
        found = [sides.measure(extract(disturb(pixels, name, one))) for one in strengths]
        yield name, [clean, *found]
    click.echo(f"  {REPEATED}", err=True)
    yield (
        REPEATED,
        [clean, *(sides.measure(extract(repeat(pixels, share))) for share in DIFFERENT)],
    )
    random = np.random.RandomState(0)
    for name, others in {PHOTOS: sides.photos, COPIES: sides.reference}.items():
        found = []
        for share in SHARES:
            mixed = sides.base.copy()
            rows = random.permutation(len(mixed))[: round(share * len(mixed))]
            mixed[rows] = others[random.randint(0, len(others), len(rows))]
            found.append(sides.measure(mixed))
        yield name, [clean, *found]


def is_monotonic(values: list[float]) -> bool:
    """Return whether the values only rise or only fall."""
    steps = np.diff(values)
    return bool((steps >= 0).all() or (steps <= 0).all())


def first_seen(curve: list[float], half_width: float) -> int:
    """Return the first strength (1 to 5) from which on all values leave the interval, or 0."""
    seen = 0
    for strength in range(len(curve) - 1, 0, -1):
        if abs(curve[strength] - curve[0]) <= half_width:
            break
        seen = strength
    return seen


def rank_agreement(
    sides: Sides, sets: Mapping[str, Features], draws: int
) -> list[tuple[str, dict[str, float]]]:
    """Return Spearman's rank correlation of the sets' values with those of all pictures.

    For fewer pictures a set, and for other reference pictures: the mean over draws.
    """
    from scipy.stats import spearmanr

    random = np.random.RandomState(0)
    whole = [sides.measure(one) for one in sets.values()]
    real = np.concatenate([sides.reference, sides.held_out])
    n = len(sides.base)

    def correlation(found: list[dict[str, float]]) -> dict[str, float]:
        return {
            name: float(spearmanr([one[name] for one in whole], [one[name] for one in found])[0])
            for name in whole[0]
        }

    def mean(found: list[dict[str, float]]) -> dict[str, float]:
        return {name: float(np.mean([one[name] for one in found])) for name in found[0]}

    rows = []
    for size in (size for size in (30, 100, 300) if size < n):
        found = []
        for _ in range(draws):
            picks = random.permutation(n)[:size]
            found.append(correlation([sides.measure(one[picks]) for one in sets.values()]))
        rows.append((f"{size} pictures a set", mean(found)))
    found = []
    for _ in range(draws):
        other = real[random.permutation(len(real))[: len(sides.reference)]]
        found.append(correlation([sides.measure(one, other) for one in sets.values()]))
    rows.append((f"other {len(sides.reference)} reference pictures", mean(found)))
    return rows


# --- the pictures ---------------------------------------------------------------------------------


def read_pictures(folder: Path, limit: int) -> np.ndarray:
    """Return the first pictures of a folder, (N, 256, 256, 3) uint8."""
    return np.stack(
        [
            np.asarray(Image.open(file).convert("RGB").resize((256, 256), Image.Resampling.BICUBIC))
            for file in pictures_of(folder)[:limit]
        ]
    )


def study(
    extractor: str, folders: Mapping[str, Path], *, metrics: Sequence[str], limit: int, draws: int
) -> dict[str, Any]:
    """Measure everything with one extractor."""
    from mifid import features
    from mifid.extractors import open_extractor

    network = open_extractor(extractor)

    def extract(pixels: np.ndarray) -> Features:
        found = features(pixels, extractor=network, cache=False, progress=False).values
        grid = pixels[:, ::9, ::9]  # as mifid looks at pictures of 256 x 256
        return np.concatenate([found, measure_colours(grid)], axis=1, dtype=np.float32)

    real = read_pictures(folders["real"], 2 * limit)
    base, held_out = real[::2], real[1::2]
    sides = Sides(
        extract(read_pictures(folders["reference"], limit)),
        extract(base),
        extract(held_out),
        extract(read_pictures(folders["photos"], len(base))),
        metrics,
    )
    click.echo(f"{extractor}: noise", err=True)
    noise = find_noise(sides, draws)
    click.echo(f"{extractor}: disturbances", err=True)
    found = dict(curves(sides, base, extract))
    click.echo(f"{extractor}: ranking", err=True)
    sets = {"untouched": sides.base, "photos": sides.photos}
    for name, (_, strengths, _) in DISTURBANCES.items():
        sets[name] = extract(disturb(base, name, strengths[2]))
    return {
        "pictures": {"base": len(base), "reference": len(sides.reference)},
        "curves": found,
        "half_widths": {
            size: {name: noise.half_width(name, size) for name in found["blur"][0]}
            for size in SIZES
        },
        "ranks": rank_agreement(sides, sets, draws),
    }


# --- the page -------------------------------------------------------------------------------------


def image_name(extractor: str) -> str:
    """Return the name of the plot, beside the page."""
    return f"meaning-{extractor.replace(':', '-')}.png"


def section(extractor: str, found: Mapping[str, Any], *, about: str, repeat: str) -> str:
    """Return the section of one extractor."""
    names = list(found["curves"]["blur"][0])
    cases = list(found["curves"])
    seen = []
    for name in names:
        row = [f"`{name}`"]
        for case in cases:
            values = [one[name] for one in found["curves"][case]]
            widths = [found["half_widths"][size][name] for size in SIZES]
            row.append(_marks(values, widths))
        seen.append(row)
    ranks = [
        [f"`{name}`", *(_rank(values[name]) for _, values in found["ranks"])] for name in names
    ]
    sizes = " / ".join(f"{size:,}" for size in SIZES)
    return f"""\
## {extractor}

{about}.

![Values of each metric by strength]({image_name(extractor)})

The first of five strengths from which on the value leaves the 95 % interval of the undisturbed set,
for {sizes} generated pictures; –: none does; ~: the values do not move in one direction only; ×:
some sets have too few pictures for the metric.

{markdown_table(["", *cases], seen)}

The intervals hold for draws of {found["pictures"]["reference"]} reference pictures. Their width was
measured at {found["pictures"]["base"] // 2} generated pictures and scaled to the other numbers.

Rank correlation (Spearman) with the order at all pictures, of eleven sets: the undisturbed one, the
photos, and each disturbance at its third strength; ×: some sets have too few pictures.

{markdown_table(["", *(name for name, _ in found["ranks"])], ranks)}

{describe_machine(PACKAGES)}. To repeat it: `{repeat}`.
"""


def _rank(value: float) -> str:
    return f"{value:.2f}" if np.isfinite(value) else "×"


def _marks(values: list[float], half_widths: list[float]) -> str:
    if not np.isfinite([*values, *half_widths]).all():
        return "×"
    first = [first_seen(values, half_width) for half_width in half_widths]
    marks = " / ".join(str(one) if one else "–" for one in first)
    return marks if is_monotonic(values) else f"{marks} ~"


def plot(extractor: str, found: Mapping[str, Any], path: Path) -> None:
    """Write a panel a metric: its values by strength, a line a disturbance, and the interval."""
    import matplotlib.pyplot as plt

    names = list(found["curves"]["blur"][0])
    columns = 4
    rows = -(-len(names) // columns)
    figure, panels = plt.subplots(rows, columns, figsize=(13, 2.6 * rows), layout="constrained")
    for axes, name in zip(panels.flat, names, strict=False):
        for number, (case, curve) in enumerate(found["curves"].items()):
            style = "-" if number < 7 else "--"
            axes.plot([one[name] for one in curve], style, label=case, color=f"C{number % 10}")
        clean = curve[0][name]
        half = found["half_widths"][1000][name]
        axes.axhspan(clean - half, clean + half, color="0.85", zorder=0)
        axes.set_title(name, fontsize=10)
        values = [one[name] for curve in found["curves"].values() for one in curve]
        kept = [value for value in values if abs(value) < 1e6]
        if len(kept) < len(values):  # copies make FLD astronomical
            axes.set_ylim(min(kept) - 5, max(kept) + 5)
            axes.set_title(f"{name} (axis cut)", fontsize=10)
        axes.set_xticks(range(6))
    for axes in panels.flat[len(names) :]:
        axes.axis("off")
    handles, labels = panels.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=6, frameon=False)
    figure.suptitle(f"{extractor}: values by strength; grey: 95 % interval at 1,000 pictures")
    figure.savefig(path, dpi=90)
    plt.close(figure)


@click.command(context_settings={"max_content_width": 100})
@click.option("--reference", type=FOLDER, help="Training pictures of the painter; else drawn.")
@click.option("--real", type=FOLDER, help="Other real pictures of their kind; else drawn.")
@click.option("--photos", type=FOLDER, help="Photos; else drawn.")
@click.option("--about", help="What the pictures are, for the page.")
@click.option("--extractors", default="lite0,inception-random", show_default=True)
@click.option("--metrics", default=METRICS, show_default=True)
@click.option("--limit", default=447, show_default=True, help="Pictures a set at most.")
@click.option("--draws", default=20, show_default=True)
@click.option("--docs", type=click.Path(dir_okay=False, path_type=Path), default=None)
@click.option("--json", "json_file", type=click.Path(dir_okay=False, path_type=Path), default=None)
def main(
    reference: Path | None,
    real: Path | None,
    photos: Path | None,
    about: str | None,
    extractors: str,
    metrics: str,
    limit: int,
    draws: int,
    docs: Path | None,
    json_file: Path | None,
) -> None:
    """Measure what the metrics see; write the page and its plots."""
    given = {"reference": reference, "real": real, "photos": photos}
    with tempfile.TemporaryDirectory() as temporary:
        folders = {}
        for name, folder in given.items():
            folders[name] = folder or Path(temporary, name)
            if folder is None:
                count = 2 * limit if name == "real" else limit
                kind = "photo" if name == "photos" else "painting"
                first = 0 if name == "real" else 2 * limit
                draw_pictures(folder=str(folders[name]), count=count, kind=kind, first=first)
        found = {
            name: study(name, folders, metrics=metrics.split(","), limit=limit, draws=draws)
            for name in extractors.split(",")
        }
    if json_file:
        json_file.write_text(json.dumps(found, indent=1))
    about = about or ("the given pictures" if reference else "pictures that mifid draws")
    for extractor, one in found.items():
        n, m = one["pictures"]["base"], one["pictures"]["reference"]
        described = f"{n:,} disturbed pictures against {m:,} reference pictures: {about}"
        text = section(extractor, one, about=described, repeat=again("meaning"))
        click.echo(text)
        if docs:
            write_section(docs, extractor, text)
            plot(extractor, one, docs.with_name(image_name(extractor)))


if __name__ == "__main__":
    main()
