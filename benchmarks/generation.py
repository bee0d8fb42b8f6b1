"""Time of generating a submission, from photos to a checked images.zip.

python -m benchmarks.generation --docs docs/training.md
python -m benchmarks.generation --photos photo_jpg/ --limit 200 --docs docs/training.md

Three ways run in turn: the network alone on batches in memory, `generate()` from a zip of photos
(decoding, network, encoding, archive and check), and a plain script that does the same steps one
after the other. The networks have random weights, which take the same time.
"""

from __future__ import annotations

import io
import tempfile
import time
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import click
import numpy as np
import torch
from PIL import Image

from benchmarks.machine import again, describe_machine, markdown_table, write_section
from mifid.baseline.config import Config, Data, Generator
from mifid.baseline.generation import Painter, generate, save_generator
from mifid.baseline.generation.generating import default_batch_size
from mifid.baseline.generation.weights_file import load_generator
from mifid.baseline.models import build_generator
from mifid.demo import landscape
from mifid.extractors import choose_device
from mifid.extractors.devices import exact_float32
from mifid.images import decode
from mifid.images.zip import open_zip
from mifid.submission import MONET, encode_picture

PACKAGES = ("mifid", "torch", "numpy", "pillow")
NETWORKS = {"unet": Generator(network="unet"), "resnet9": Generator(network="resnet", blocks=9)}


@dataclass(frozen=True)
class Job:
    """Inputs of the timed ways: a generator's file, a zip of photos, and their settings."""

    checkpoint: Path
    photos: Path
    output: Path
    device: str
    batch_size: int
    pictures: int
    size: int

    def bare(self) -> float:
        """Return seconds of the network alone, on ready batches; its output is discarded."""
        loaded = load_generator(self.checkpoint, device=choose_device(self.device))
        painter = Painter(loaded.network, device=choose_device(self.device), seed=0)
        source = open_zip(self.photos)
        content = [source.read(i) for i in range(self.pictures)]
        pixels = torch.from_numpy(np.stack([decode(c, "a photo").pixels for c in content]))
        start = time.perf_counter()
        with exact_float32():
            for first in range(0, self.pictures, self.batch_size):
                painter.paint(pixels[first : first + self.batch_size], first=first)
        return time.perf_counter() - start

    def end_to_end(self) -> float:
        """Return seconds of `generate()`, including the loading of the generator and the check."""
        start = time.perf_counter()
        rules = replace(MONET, at_least=1, size=(self.size, self.size))
        settings = {"device": self.device, "batch_size": self.batch_size, "rules": rules}
        generate(self.checkpoint, self.photos, self.output, **settings)
        return time.perf_counter() - start

    def one_by_one(self) -> float:
        """Return seconds of a plain script that processes one photo after the other."""
        start = time.perf_counter()
        device = choose_device(self.device)
        network = load_generator(self.checkpoint, device=device).network
        with (
            zipfile.ZipFile(self.photos) as photos,
            zipfile.ZipFile(self.output, "w") as archive,
            torch.inference_mode(),
        ):
            for name in photos.namelist():
                pixels = np.asarray(Image.open(io.BytesIO(photos.read(name))).convert("RGB"))
                x = torch.from_numpy(pixels.copy()).to(device).permute(2, 0, 1)[None]
                painted = network(x.float() / 127.5 - 1)[0]
                levels = ((painted + 1) * 127.5).clamp(0, 255).byte().permute(1, 2, 0)
                archive.writestr(name, encode_picture(levels.cpu().numpy()))
        return time.perf_counter() - start


def zip_photos(target: Path, *, photos: Path | None, limit: int, size: int) -> int:
    """Zip the first photos of a folder, or drawn photos; return their number."""
    with zipfile.ZipFile(target, "w") as archive:
        if photos is None:
            for i in range(limit):
                drawn = landscape(np.random.RandomState(i), size)
                archive.writestr(f"{i:04}.jpg", encode_picture(drawn))
            return limit
        chosen = sorted(photos.glob("*.jpg"))[:limit]
        for path in chosen:
            archive.write(path, path.name)
        return len(chosen)


def make_job(
    photos: Path, name: str, count: int, size: int, device: str, batch_size: int | None = None
) -> Job:
    """Write a generator with random weights beside the zip of photos; return the inputs."""
    generator = NETWORKS[name]
    config = replace(Config(), data=Data(size=size), generator=generator)
    network = build_generator(generator, size=size, seed=0)
    checkpoint = photos.with_name(f"{name}.safetensors")
    save_generator(checkpoint, networks={"raw": network}, config=config, best="raw", facts={})
    together = batch_size or default_batch_size(config, choose_device(device))
    return Job(checkpoint, photos, photos.with_name("images.zip"), device, together, count, size)


def measure(job: Job, rounds: int) -> dict[str, list[float]]:
    """Return seconds by way, run in turn, so that other load of the machine affects all alike."""
    seconds: dict[str, list[float]] = {"bare": [], "whole": [], "plain": []}
    for _ in range(rounds):
        for name, way in zip(seconds, (job.bare, job.end_to_end, job.one_by_one), strict=True):
            seconds[name].append(way())
            click.echo(f"{job.checkpoint.stem}, {name}: {seconds[name][-1]:.2f} s", err=True)
    return seconds


@click.command()
@click.option("--photos", type=click.Path(exists=True, path_type=Path), help="Default: drawn.")
@click.option("--limit", default=200, show_default=True, help="Number of photos.")
@click.option(
    "--size", default=256, show_default=True, help="Side of photos and pictures in pixels."
)
@click.option("--network", "names", multiple=True, type=click.Choice(list(NETWORKS)))
@click.option("--device", default="auto", show_default=True)
@click.option("--batch-size", type=int, help="Default: that of `mifid generate`.")
@click.option("--rounds", default=3, show_default=True)
@click.option("--docs", type=click.Path(path_type=Path), help="Write the section into this file.")
def main(
    photos: Path | None,
    limit: int,
    size: int,
    names: tuple[str, ...],
    device: str,
    batch_size: int | None,
    rounds: int,
    docs: Path | None,
) -> None:
    """Time generation, its network alone, and a plain script."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        zipped = Path(folder, "photos.zip")
        count = zip_photos(zipped, photos=photos, limit=limit, size=size)
        for name in names or NETWORKS:
            job = make_job(zipped, name, count, size, device, batch_size)
            found = measure(job, rounds)
            ratios = [whole / bare for bare, whole, _ in zip(*found.values(), strict=True)]
            row = [f"{name}, batches of {job.batch_size}"]
            row += [f"{median(seconds):.2f}" for seconds in found.values()]
            row += [f"{median(ratios):.3f}", f"{min(ratios):.3f} to {max(ratios):.3f}"]
            rows.append([*row, f"{count / median(found['whole']):.1f}"])
    header = ["network", "network alone s", "generate s", "plain script s"]
    header += ["generate / network", "range", "pictures/s"]
    text = f"""\
## Generating a submission

{count}{"" if photos else " drawn"} photos of {size} x {size} in a zip, \
{choose_device(device).type}, float32. `generate` is all of `mifid generate`, from the generator's \
file to the checked archive; the network alone runs on the same batches, already decoded. The \
plain script processes one photo after the other, without checks. Times are medians of {rounds} \
rounds, in which all three run in turn; ratios are within a round.

{markdown_table(header, rows)}

{describe_machine(PACKAGES)}. Repeat with `{again("generation")}`."""
    click.echo(text)
    if docs:
        write_section(docs, "generation", text)


if __name__ == "__main__":
    main()
