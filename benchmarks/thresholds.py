"""Where a threshold of the memorization distance can lie: honest sets of pictures, and copies.

python -m benchmarks.thresholds --reference monet_jpg/ --honest 'held-out Monets' monet_held_out/ \
    --honest photos photo_jpg/ --docs docs/numerics.md

The distances of honest sets must lie above it, and those of the reference's own pictures, changed
in ways that leave them copies, below it. Without folders pictures are drawn.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import numpy as np
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from benchmarks.machine import again, markdown_table, write_section
from benchmarks.pictures import draw

GIVEN = click.Path(exists=True, path_type=Path)

Change = Callable[[Image.Image], Image.Image]


def jpeg(quality: int) -> Change:
    """Return what saves a picture as JPEG of this quality, and reads it again."""

    def change(image: Image.Image) -> Image.Image:
        file = io.BytesIO()
        image.save(file, "JPEG", quality=quality)
        return Image.open(file).convert("RGB")

    return change


def crop(share: float) -> Change:
    """Return what cuts off this share of each side's length and stretches the rest to the size."""

    def change(image: Image.Image) -> Image.Image:
        left, top = round(image.width * share / 2), round(image.height * share / 2)
        box = (left, top, image.width - left, image.height - top)
        return image.resize(image.size, Image.Resampling.BICUBIC, box=box)

    return change


CHANGES: dict[str, Change] = {
    "none": lambda image: image,
    "JPEG 75": jpeg(75),
    "JPEG 50": jpeg(50),
    "cut by 5 %": crop(0.05),
    "cut by 10 %": crop(0.1),
    "mirrored": ImageOps.mirror,
    "half the colour": lambda image: ImageEnhance.Color(image).enhance(0.5),
    "a fifth brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.2),
    "blurred by 1 px": lambda image: image.filter(ImageFilter.GaussianBlur(1)),
    "mirrored, cut by 10 %, JPEG 50": lambda image: jpeg(50)(crop(0.1)(ImageOps.mirror(image))),
}
"""What leaves a picture a copy."""

QUANTILES = (0.01, 0.5, 0.99)


def changed(pictures: np.ndarray, change: Change) -> np.ndarray:
    """uint8 (N, H, W, 3) -> the same, each changed."""
    return np.stack([np.asarray(change(Image.fromarray(each))) for each in pictures])


def sets(
    reference: np.ndarray, honest: dict[str, np.ndarray], extractor: str
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield a title, and the distance of each picture to its nearest training picture."""
    from mifid import features
    from mifid.extractors import open_extractor
    from mifid.metrics import nearest_reference

    opened = open_extractor(extractor)

    def computed(pictures: np.ndarray) -> np.ndarray:
        return features(pictures, extractor=opened, cache=False).values

    real = computed(reference)
    for title, pictures in honest.items():
        near = nearest_reference(generated=computed(pictures), reference=real)
        yield title, near.distance
    halves = nearest_reference(generated=real[::2], reference=real[1::2])
    yield "one half of the reference, to the other", halves.distance
    for title, change in CHANGES.items():
        copies = computed(changed(reference, change))
        yield f"copies: {title}", nearest_reference(generated=copies, reference=real).distance


def read(path: Path, most: int) -> np.ndarray:
    """Read pictures of one size, at most so many, evenly over the folder: (N, H, W, 3) uint8."""
    from mifid.images import evenly, open_images
    from mifid.images.decoding import load

    source = open_images(path)
    return np.stack([load(source, i).pixels for i in evenly(len(source), most)])


def drawn(kind: str, first: int, most: int) -> np.ndarray:
    """Draw pictures, at most 64: (N, 256, 256, 3) uint8."""
    return np.stack([draw(kind, number) for number in range(first, first + min(most, 64))])


@click.command(context_settings={"max_content_width": 100})
@click.option("--reference", type=GIVEN, help="Training pictures; else drawn paintings.")
@click.option(
    "--honest", type=(str, GIVEN), multiple=True, metavar="TITLE PATH", help="They copy nothing."
)
@click.option("--extractor", default="lite0", show_default=True)
@click.option("--most", default=1000, show_default=True, help="Pictures of a set.")
@click.option("--docs", type=click.Path(path_type=Path), default=None)
def main(
    reference: Path | None,
    honest: tuple[tuple[str, Path], ...],
    extractor: str,
    most: int,
    docs: Path | None,
) -> None:
    """Measure distances of honest pictures and of copies; write the docs."""
    if reference:
        real = read(reference, most)
        others = {title: read(path, most) for title, path in honest}
    else:
        real, others = drawn("painting", 0, most), {}
        for title, kind, first in (("paintings", "painting", 5000), ("photos", "photo", 0)):
            others[f"other drawn {title}"] = drawn(kind, first, most)
    rows = []
    for title, distances in sets(real, others, extractor):
        one, median, most_of = np.nanquantile(distances, QUANTILES)
        numbers = (float(np.nanmean(distances)), one, median, most_of)
        rows.append([title, f"{len(distances):,}", *(f"{number:.4f}" for number in numbers)])
        click.echo("  ".join(rows[-1]), err=True)
    header = ["Pictures", "number", "mean", "1 % are nearer than", "median", "99 % are nearer than"]
    text = f"""\
### Distances of honest pictures and of copies

Features of `{extractor}`, distances to {len(real):,} training pictures.

{markdown_table(header, rows)}

Again with `{again("thresholds")}`.
"""
    click.echo(text)
    if docs:
        write_section(docs, "thresholds", text)


if __name__ == "__main__":
    main()
