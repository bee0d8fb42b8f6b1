"""Presets against each other: equal CPU time for each, small pictures, judged by lite0.

    python -m benchmarks.tournament --photos photo_jpg --monets monet_jpg --held-out monet_held_out

A run's length is the CPU time divided by that of a step. The steps of all presets are measured one
after the other before the first run: leave the machine alone until that is done. The runs may then
share it with other work. All runs of a seed hold back the same photos, and are scored on them.
Times and ended runs are kept in the work folder, so that a tournament goes on where it was
interrupted, or with further presets or seeds: the table has all runs of the folder.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from statistics import mean
from typing import Any

import click
import numpy as np
from PIL import Image

from benchmarks import processes
from benchmarks.machine import FOLDER, again, describe_machine, markdown_table, write_section
from benchmarks.pictures import draw_pictures

PRESETS = (
    *("kaggle-5h", "raviv-final", "derunets-silu", "agarwal-unet-120", "cyclegan-paper"),
    *("sabathier-cyclegan", "lockee-base", "agarwal-static", "derunets-radam", "lockee-both-12"),
    *("raviv-dual", "derunets-first", "cut", "bayes-z", "uvcgan2", "ugatit"),
)
MEASURED_STEPS = 3
ROUNDS = 2  # of them; the quicker one counts
SHOWN = 8  # photos of the sheet
SIDE = 128  # pixels of each there
ONE_THREAD = {"OMP_NUM_THREADS": "1"}
RESULT = "result.json"
PAINTED = "painted.png"  # the drawn photos as the run paints them, side by side
_SAME = 1e-6  # relative difference of equal FIDs on different processors
FID, DISTANCE = "fid", "memorization_distance"


def train(
    *, preset: str, seed: int, steps: int, photos: str, monets: str, held_out: str, size: int,
    width: int, held_back: int, out: str,
) -> dict[str, Any]:  # fmt: skip
    """Train a preset for so many steps; return the scores at its end."""
    import mifid
    from mifid.baseline.run import read_metrics

    settings = [*settings_of(size, width), f"data.held_back={held_back}", f"training.seed={seed}"]
    trained = mifid.train_baseline(
        photos,
        monets,
        out,
        held_out=held_out,
        preset=preset,
        settings=[*settings, f"training.steps={steps}"],
        extractor="lite0",
        progress=False,
    )
    rows = [row for row in read_metrics(trained.folder) if row["kind"] == "score"]
    return {row["weights"]: {key: row[key] for key in (FID, DISTANCE)} for row in rows}


def settings_of(size: int, width: int) -> list[str]:
    """Return what all runs have in common, whatever their presets say."""
    return [
        *(f"data.size={size}", "data.fit=stretch"),
        "data.limit_photos=0",  # else fewer would be left to score on
        *("training.budget=", "training.epochs=0"),
        *(f"generator.width={width}", f"discriminator.width={width}"),
        *("training.precision=float32", "training.submission=2"),
        *("score.points=1", "score.samples=8"),
    ]


def measure(*, presets: Sequence[str], size: int, width: int) -> dict[str, tuple[float, int]]:
    """Return for each preset CPU seconds of a step on random pictures, and the pairs of a step."""
    return {
        preset: min(time_steps(preset, settings_of(size, width)) for _ in range(ROUNDS))
        for preset in presets
    }


def time_steps(preset: str, settings: Sequence[str]) -> tuple[float, int]:
    """Return CPU seconds of a training step on random pictures, and the pairs of a step."""
    from functools import reduce

    import torch

    from mifid.baseline.config import override
    from mifid.baseline.data import Draws
    from mifid.baseline.distributed import ALONE
    from mifid.baseline.gan import METHODS
    from mifid.baseline.presets import PRESETS as KNOWN

    config = reduce(override, settings, KNOWN[preset].config)
    device = torch.device("cpu")
    method = METHODS[config.training.method](
        config, device=device, draws=Draws(0, device=device), processes=ALONE
    )
    batch = config.training.batch
    shape = (batch * (1 + method.further), 3, config.trained_size, config.trained_size)
    photos, paintings = torch.rand(2, *shape) * 2 - 1
    start = 0.0
    for step in range(MEASURED_STEPS + 1):
        if step == 1:  # the first also loads code
            start = time.process_time()
        method.step(photos, paintings, fraction=0.0, factor=1.0)
    return (time.process_time() - start) / MEASURED_STEPS, batch


def floor(*, monets: str, held_out: str, size: int) -> float:
    """Return the FID of the training paintings, as small as the painted pictures."""
    import mifid
    from benchmarks.thresholds import read

    def small(pixels: np.ndarray) -> np.ndarray:
        image = Image.fromarray(pixels)
        return np.asarray(image.resize((size, size), Image.Resampling.BOX).resize(image.size))

    pictures = np.stack([small(pixels) for pixels in read(Path(monets), 1000)])
    return float(mifid.score(pictures, held_out, extractor="lite0", ci=0).fid)


def read_times(presets: Sequence[str], size: int, width: int, work: Path) -> dict[str, Any]:
    """Return what :func:`measure` does, of an earlier tournament as far as it is there."""
    path = work / f"times-{size}-{width}.json"
    known = dict(json.loads(path.read_text())) if path.is_file() else {}
    if missing := [preset for preset in presets if preset not in known]:
        found, _ = processes.call(
            "tournament:measure", env=ONE_THREAD, presets=missing, size=size, width=width
        )
        path.write_text(json.dumps(known := known | found))
    return known


def run_once(
    preset: str, seed: int, step: tuple[float, int], work: Path, given: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the result of a run, of an earlier tournament if it is there.

    Raises:
        click.ClickException: it is there, but with other settings or pictures.
    """
    folder = work / f"{preset}-{seed}"
    result = folder / RESULT
    if not result.is_file():
        each, batch = step
        steps = max(1, round(given["seconds"] / each))
        scores, _ = processes.call(
            "tournament:train",
            env=ONE_THREAD,
            preset=preset,
            seed=seed,
            steps=steps,
            out=_new(folder),
            **{name: value for name, value in given.items() if name != "seconds"},
        )
        _paint(folder, folder / PAINTED)
        found = {"preset": preset, "seed": seed, "given": given, "steps": steps, "batch": batch}
        result.write_text(json.dumps(found | {"step_seconds": each, "scores": scores}))
        for checkpoint in (folder / "checkpoints").glob("*"):
            checkpoint.unlink()  # a gigabyte each
    found = dict(json.loads(result.read_text()))
    if found["given"] != given:
        raise click.ClickException(
            f"{folder} is of a tournament with other settings: {found['given']}, now "
            f"{dict(given)}. Give another --work, or remove it."
        )
    return found


def ended(work: Path, given: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the results of all runs in the work folder with these settings and pictures."""
    found = [json.loads(path.read_text()) for path in sorted(work.glob(f"*/{RESULT}"))]
    return [one for one in found if one["given"] == given]


def _new(folder: Path) -> Path:
    """Return the folder, without what an interrupted run has left there."""
    import shutil

    shutil.rmtree(folder, ignore_errors=True)
    return folder


def fid_of(found: Mapping[str, Any]) -> float:
    """Return the FID of the better weights, raw or averaged."""
    return min(scores[FID] for kind, scores in found["scores"].items() if kind != "photos")


def unpainted_of(found: Sequence[Mapping[str, Any]]) -> list[float]:
    """Return the FID of the unpainted photos for each seed, which draws the photos.

    Raises:
        click.ClickException: runs of one seed were scored on different photos.
    """
    runs = sorted(found, key=lambda one: one["seed"])
    return [_unpainted(list(group)) for _, group in groupby(runs, key=lambda one: one["seed"])]


def _unpainted(found: Sequence[Mapping[str, Any]]) -> float:
    each = {one["preset"]: float(one["scores"]["photos"][FID]) for one in found}
    if max(each.values()) - min(each.values()) > _SAME * max(each.values()):
        raise click.ClickException(
            "the runs were scored on different photos, so that they do not compare: the FID of the "
            "unpainted ones is " + ", ".join(f"{fid:.1f} of {name}" for name, fid in each.items())
        )
    return mean(each.values())


def by_preset(found: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    """Return the runs of each preset, the best on average first, and in each the best run first."""
    runs = sorted(found, key=lambda one: (one["preset"], fid_of(one)))
    groups = [list(group) for _, group in groupby(runs, key=lambda one: one["preset"])]
    return sorted(groups, key=lambda group: mean(map(fid_of, group)))


def rows(found: Sequence[Mapping[str, Any]]) -> Iterator[list[str]]:
    """Yield a row for each preset, the best first."""
    for group in by_preset(found):
        first, values = group[0], list(map(fid_of, group))
        spread = f" ({min(values):.1f} to {max(values):.1f})" if len(values) > 1 else ""
        better = min(("raw", "ema"), key=lambda kind: first["scores"].get(kind, {FID: 1e9})[FID])
        yield [
            f"`{first['preset']}`",
            f"{len(values)}",
            f"{first['steps']:,} x {first['batch']}",
            f"{first['steps'] * first['batch']:,}",
            f"{mean(values):.1f}{spread}",
            f"{mean(one['scores'][better][DISTANCE] for one in group):.3f}",
        ]


def _paint(run: Path | None, target: Path) -> None:
    """Write the drawn photos side by side, painted by a run; None: unpainted."""
    import mifid
    from mifid.baseline.figures import save_picture, sheet
    from mifid.images import open_images
    from mifid.images.decoding import load

    with tempfile.TemporaryDirectory() as folder:
        pictures = Path(folder) / "photos"
        draw_pictures(folder=str(pictures), count=SHOWN, kind="photo")
        if run is not None:
            archive = Path(folder) / "images.zip"
            mifid.generate(run, pictures, archive, force=True, progress=False)
            pictures = archive
        source = open_images(pictures)
        small = [Image.fromarray(load(source, i).pixels).resize((SIDE, SIDE)) for i in range(SHOWN)]
        save_picture(target, sheet([list(map(np.asarray, small))]))


def write_sheet(found: Sequence[Mapping[str, Any]], work: Path, target: Path) -> None:
    """Write a sheet: a row of drawn photos, and below it a row for each preset, the best first."""
    from mifid.baseline.figures import save_picture

    photos = work / PAINTED
    _paint(None, photos)
    runs = [f"{best['preset']}-{best['seed']}" for best, *_ in by_preset(found)]
    rows = [photos, *(work / run / PAINTED for run in runs)]
    pictures = [np.asarray(Image.open(row)) for row in rows]
    save_picture(target, np.concatenate(pictures))


EXPLANATION = """\
Each preset trained for {seconds:,.0f} CPU seconds on one thread, on pictures of {size} x \
{size}, with its own batch and networks, but on all photos and with {width} channels in their \
first layers. The schedule of its rate is laid over the steps that take so long. The FID is \
lite0's between {held_back:,} photos that were not trained on, painted and enlarged to 256 x \
256, and the held-out paintings, with the better of raw and averaged weights. Each seed draws \
other photos. On the same scale: the photos unpainted {photos}, the training paintings at this \
size {floor:.1f}. The distance is the mean memorization distance to the training paintings. None \
of this is comparable with Kaggle."""


@click.command(context_settings={"max_content_width": 100})
@click.option("--photos", type=FOLDER, required=True)
@click.option("--monets", type=FOLDER, required=True)
@click.option("--held-out", type=FOLDER, required=True)
@click.option("--presets", default=",".join(PRESETS), show_default=True)
@click.option("--seeds", default="0", show_default=True, help="One run a preset for each.")
@click.option("--seconds", default=480.0, show_default=True, help="CPU time of a training.")
@click.option("--size", default=64, show_default=True, help="Side of the pictures in pixels.")
@click.option("--width", default=16, show_default=True, help="Channels of the first layers.")
@click.option("--held-back", default=500, show_default=True, help="Photos that are scored on.")
@click.option("--work", type=click.Path(path_type=Path), default=Path("tournament"))
@click.option("--docs", type=click.Path(path_type=Path), help="Write the section into this file.")
def main(
    photos: Path,
    monets: Path,
    held_out: Path,
    presets: str,
    seeds: str,
    seconds: float,
    size: int,
    width: int,
    held_back: int,
    work: Path,
    docs: Path | None,
) -> None:
    """Train presets for equal CPU time, score them, and write the table and a sheet."""
    sides = {"monets": str(monets), "held_out": str(held_out), "size": size}
    given = {**sides, "photos": str(photos), "seconds": seconds}
    given |= {"width": width, "held_back": held_back}
    work.mkdir(parents=True, exist_ok=True)
    chosen = presets.split(",")
    times = read_times(chosen, size, width, work)
    for seed in map(int, seeds.split(",")):
        for preset in chosen:
            one = run_once(preset, seed, times[preset], work, given)
            click.echo(f"{preset}, seed {seed}: {one['steps']} steps, FID {fid_of(one):.1f}")
    found = ended(work, given)
    lowest, _ = processes.call("tournament:floor", **sides)
    unpainted = ", ".join(f"{fid:.1f}" for fid in unpainted_of(found))
    explained = EXPLANATION.format(
        seconds=seconds, size=size, width=width, held_back=held_back, photos=unpainted, floor=lowest
    )
    header = ["preset", "runs", "steps x batch", "pairs", "FID of lite0 (range)", "distance"]
    text = f"""\
## Tournament of presets

{explained}

{markdown_table(header, rows(found))}

{describe_machine(("mifid", "torch", "numpy", "pillow"))}. Repeat with `{again("tournament")}`."""
    click.echo(text)
    if docs:
        picture = docs.with_name("tournament.jpg")
        write_sheet(found, work, picture)
        text += "\n\nDrawn photos, and below them a row for each preset in the order of the table:"
        text += f"\n\n![photos, and paintings of each preset]({picture.name})"
        write_section(docs, "tournament", text)


if __name__ == "__main__":
    main()
