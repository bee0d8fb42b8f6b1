"""The demonstration's own pictures: landscapes and paintings, drawn by numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from mifid.errors import setting
from mifid.files import atomic_write, make_folder, not_empty
from mifid.progress import Progress
from mifid.submission import MONET, Rules, encode_picture, write_submission

__all__ = [
    "PICTURES",
    "Demo",
    "brush_strokes",
    "draw_demo",
    "landscape",
    "painting",
]

Floats = npt.NDArray[np.floating[Any]]  # a picture is float32 (rows, columns, 3), RGB in 0..1
Pixels = npt.NDArray[np.uint8]  # and in public 0..255
Random = np.random.RandomState


def _colours(*rows: str) -> Floats:
    """Rows of RRGGBB -> (rows, colours, 3) float32 in 0..1."""
    return np.array([[*bytes.fromhex(r)] for r in rows], np.float32).reshape(len(rows), -1, 3) / 255


# Zenith, horizon, sun, lit cloud, cloud shadow, tint of the land.
DAY = _colours(
    "7d8fc0 f6cdbb ffe3c4 fbdcd4 a99bc0 b3a6c4",  # dawn
    "3a7fc8 c4e0f0 fffdf4 ffffff b0c2d8 fafaf6",  # noon
    "8b9cae ccd4d8 f2f0e6 e6e9ea 8d99a6 c4c9cc",  # overcast
    "5f8fc4 fbe0a6 fff0b8 fff0d0 b7a3b0 ffe2b0",
    "4a5fa0 ff9d5c ffd98a ffb48a 7f6390 d69a86",  # sunset
    "2c3668 d08a9c ffc9a0 c98aa4 4d4a80 7f78a6",
)
# Grass, dry grass, leaf, leaf in shade, mountain.
SEASONS = _colours(
    "8fa955 c5c67c a3b56a 486a45 7f8a7c",  # spring
    "5f8b46 a9a65a 5d8440 27452f 6f7d74",
    "a99a50 d8b468 c98a40 75482c 857a70",  # autumn
    "cfd2c8 b7ab90 8b8f7a 4a5550 8a929c",
)
# Ultramarine, cobalt, sky, lilac, mauve, rose, cream, ochre, vermilion, three greens.
PALETTE = _colours("2f3f864f76b89fc3e0b7a8d67a6aa8e3b3bdf7eedac9974ac8553d2f6a555f9a5a9cbf6b")[0]
# Width and length of a stroke in px of a 256 px picture, and the colour error that calls for one.
LAYERS = ((11.0, 28.0, 0.0), (5.5, 17.0, 0.1), (3.4, 11.0, 0.19))


def _mix(first: Floats, second: Floats, share: Floats | float) -> Floats:
    """`first` where share is 0, `second` where it is 1."""
    return first + (second - first) * share


def _noise(rng: Random, shape: tuple[int, ...], cells: tuple[float, float], octaves: int) -> Floats:
    """Fractal value noise: float32 of `shape`, stretched to 0..1, about `cells` bumps an axis."""
    total = np.zeros(shape, np.float32)
    for octave in range(octaves):
        rows, columns = (int(min(n, c * 2**octave)) + 2 for n, c in zip(shape, cells, strict=True))
        grid = Image.fromarray(rng.rand(rows, columns).astype(np.float32))
        total += np.asarray(grid.resize((shape[1], shape[0]))) / 2**octave  # bicubic
    return np.asarray((total - total.min()) / np.ptp(total))


def _receding(noise: Floats, power: float) -> Floats:
    """Crowd the rows of `noise` towards the top, as on a plane seen at a low angle."""
    return noise[(np.linspace(0, 0.999, len(noise)) ** power * len(noise)).astype(np.intp)]


class _Landscape:
    """A canvas, (size, size, 3), and what the parts drawn on it have to agree on."""

    def __init__(self, rng: Random, size: int) -> None:
        self.rng, self.size, self.horizon = rng, size, int(size * rng.uniform(0.38, 0.66))
        self.canvas: Floats = np.zeros((size, size, 3), np.float32)
        hour = rng.uniform(0, len(DAY) - 1.001)
        light = _mix(DAY[int(hour)], DAY[int(hour) + 1], hour % 1)
        self.zenith, self.haze, self.sunshine, self.lit, self.shadow, self.tint = light
        season = SEASONS[rng.choice(4, p=[0.25, 0.4, 0.25, 0.1])] * rng.uniform(0.9, 1.1, (5, 3))
        self.grass, self.dry, self.leaf, self.shade, self.rock = season.astype(np.float32)
        self.sun = rng.uniform(0.1, 0.9) * size, self.horizon * (0.1 + abs(hour - 2) / 4)  # x, y

    def sky(self) -> None:
        rows, columns = np.ogrid[: self.horizon, : self.size]
        away = np.hypot(columns - self.sun[0], rows - self.sun[1]).astype(np.float32) / self.size
        glow = np.clip(0.75 * np.exp(-away * 6) + np.clip((0.035 - away) * 150, 0, 1), 0, 1)
        height = (rows / self.horizon).astype(np.float32) ** 1.3
        sky = _mix(_mix(self.zenith, self.haze, height[..., None]), self.sunshine, glow[..., None])
        # Clouds are small and flat at the horizon: a receding plane hung upside down.
        plane = _noise(self.rng, away.shape, (self.rng.uniform(2, 6), self.rng.uniform(1.5, 4)), 5)
        cloud, up = (_receding(p, 0.6)[::-1] for p in (plane, np.gradient(plane, axis=0)))
        cover = (cloud - self.rng.uniform(0.3, 0.75)) * self.rng.uniform(3, 7)
        clouds = _mix(self.lit, self.shadow, np.clip(0.4 + up * self.size / 14, 0, 1)[..., None])
        self.canvas[: self.horizon] = _mix(sky, clouds, np.clip(cover, 0, 0.92)[..., None])

    def ridges(self) -> None:
        """Far to near: rough and pale like the sky, then smooth and green."""
        rng, canvas = self.rng, self.canvas[: self.horizon]
        height = np.arange(self.horizon, 0, -1, dtype=np.float32)[:, None] / self.size
        slopes = np.gradient(_noise(rng, canvas.shape[:2], (5, 7), 4), axis=1)
        slopes *= np.copysign(self.size / 128, self.sun[0] - self.size / 2)
        tallest, snow_line = rng.uniform(0.12, 0.36), rng.uniform(0.1, 0.4)
        for near in np.linspace(0, 1, rng.randint(2, 6), dtype=np.float32):
            profile = _noise(rng, (1, self.size), (1, rng.uniform(2, 5)), int(5 - 3 * near))
            trees = rng.rand(self.size).astype(np.float32) * 0.015 * (near > 0.5)
            below = tallest * (1 - 0.8 * near) * (0.25 + 0.75 * profile) + trees - height
            land = _mix(self.rock, _mix(self.grass, self.shade, 0.6), near) * self.tint
            snow = np.clip((height + slopes - snow_line) * 25, 0, 1) * (near < 0.5)
            land = _mix(land, self.lit, snow[..., None]) * (1 + 4 * slopes)[..., None]
            # Air scatters the horizon's light into what is far, and mist lies in the valleys.
            mist = 0.72 * (1 - near) + np.clip(below * 2, 0, 0.35) * (1.2 - near)
            land = _mix(land, _mix(self.haze, self.zenith, 0.3), np.minimum(mist, 1)[..., None])
            canvas[:] = _mix(canvas, land, np.clip(below * self.size, 0, 1)[..., None])

    def tree(self, foot: float) -> None:
        """A pine, a poplar or a round tree, its foot on row `foot`."""
        kind, middle = self.rng.randint(3), self.rng.rand() * self.size
        tall = self.size * self.rng.uniform(0.07, 0.16) + 1.2 * (foot - self.horizon)
        wide = tall * (0.24, 0.16, 0.45)[kind]
        top, left = max(int(foot - tall), 0), max(int(middle - wide), 0)
        box = self.canvas[top : int(foot), left : int(middle + wide) + 2]
        rows, columns = np.ogrid[: box.shape[0], : box.shape[1]]
        down = ((rows + top + tall - foot) / tall).astype(np.float32)  # 0 at the top, 1 at the foot
        side = ((columns + left - middle) / wide).astype(np.float32)  # -1 to 1
        cone = down * (0.7 + 0.3 * (down * 8 % 1)) * (down < 0.92)
        outline = np.sqrt(np.clip(1 - (2.3 * down - 1) ** 2, 0, 1)) if kind else cone
        leaves = _noise(self.rng, box.shape[:2], (8, 6), 3)
        crown = np.clip((outline * (1.25 - 0.9 * leaves) - np.abs(side)) * 6, 0, 1)
        trunk = np.clip((0.1 - np.abs(side)) * 20, 0, 1) * (down > 0.5)
        sunny = 0.25 + leaves * 0.6 - down * 0.2 + side * 0.35 * np.sign(self.sun[0] - middle)
        foliage = _mix(self.shade, self.leaf, np.clip(sunny, 0, 1)[..., None])
        for colour, cover in ((self.shade * 0.5, trunk), (foliage, crown)):
            box[:] = _mix(box, colour * self.tint, cover[..., None])

    def water(self) -> None:
        """A mirror of what stands above it, broken by ripples that widen towards us."""
        rows, across = self.size - self.horizon, np.arange(self.size, dtype=np.float32)
        depth = np.arange(rows, dtype=np.float32)[:, None] / rows
        ripple = _receding(_noise(self.rng, (rows, self.size), (40, 8), 2), 0.5) - 0.5
        sway = ripple * (0.02 + 0.2 * depth) * self.rng.uniform(0.3, 1.6) * self.size
        source = np.minimum(np.abs(self.horizon - depth * rows * 0.9 + sway), self.horizon - 1)
        mirror = self.canvas[source.astype(np.intp), np.arange(self.size)]
        water = _mix(mirror, self.zenith * 0.5, (0.18 + 0.3 * depth)[..., None])
        path = 0.7 * np.exp(-(((across - self.sun[0]) / (self.size * 0.07)) ** 2))
        glitter = np.clip((ripple - 0.08) * 8, 0, 1) * path + np.clip(ripple - 0.2, 0, 1)
        self.canvas[self.horizon :] = _mix(water, self.sunshine, glitter[..., None])

    def meadow(self) -> None:
        """Grass in patches, with blades and flowers that grow towards us."""
        rng, shape = self.rng, (self.size - self.horizon, self.size)
        depth = (np.arange(shape[0], dtype=np.float32) / shape[0])[:, None, None]
        patches = _receding(_noise(rng, shape, (7, 3), 3), 0.45)
        blades = _noise(rng, shape, (shape[0] / 7, self.size), 1)[..., None] - 0.5
        ground = _mix(self.grass, self.dry, np.clip(patches * 2 - 0.5, 0, 1)[..., None])
        ground = _mix(ground, self.shade, np.clip(depth * (0.4 - blades), 0, 1)) * self.tint
        self.canvas[self.horizon :] = _mix(ground, self.haze, 0.35 * (1 - depth) ** 3)
        petals = PALETTE[rng.choice([1, 3, 5, 6, 7, 8], 2)] * self.tint
        bloom = rng.rand(*shape) * self.size**2 < rng.choice([0, 500, 1500])
        for row, column in np.argwhere(bloom & (patches > 0.55)):
            grown = 1 + int(self.size * 0.015 * row / shape[0] * rng.rand())
            petal = self.canvas[self.horizon + row :, column:][:grown, : grown + 1]
            petal[:] = petals[rng.randint(2)]
        for depth in np.sort(rng.rand(rng.randint(0, 4))):
            self.tree(self.horizon + depth * 0.5 * shape[0])


def landscape(rng: Random, size: int = 256) -> Pixels:
    """Draw a "photo" of a landscape: (size, size, 3) uint8 RGB. ValueError if size is under 32."""
    if size < 32:
        raise ValueError(f"landscape: expected a size of at least 32 px, got {size}; ask for more")
    scene = _Landscape(rng, size)
    scene.sky()
    scene.ridges()
    for _ in range(rng.randint(0, 7)):
        scene.tree(scene.horizon)
    (scene.water if rng.rand() < 0.55 else scene.meadow)()
    return _to_pixels(scene.canvas + rng.standard_normal((size, size, 1)) * 0.008)  # film grain


def painting(rng: Random, size: int = 256) -> Pixels:
    """Paint such a landscape in brush strokes: (size, size, 3) uint8 RGB; see `landscape`."""
    return brush_strokes(landscape(rng, size), rng)


def brush_strokes(pixels: Pixels, rng: Random) -> Pixels:
    """Repaint (rows, columns, 3) uint8 RGB in strokes along its edges; ValueError if it is not so.

    After Hertzmann (1998), "Painterly rendering with curved brush strokes of multiple sizes".
    """
    if pixels.dtype != np.uint8 or pixels.shape[2:] != (3,) or min(pixels.shape) < 2:
        got = f"{pixels.shape} {pixels.dtype}; try Image.convert('RGB'), 2 px or more a side"
        raise ValueError(f"brush_strokes: expected (rows, columns, 3) uint8 RGB, got {got}")
    scale = max(max(pixels.shape) / 256, 0.4)  # a stroke is at least a pixel wide
    angles = _flow(rng, _blurred(pixels, 3 * scale).mean(axis=2) * scale)
    canvas = np.dstack([_blurred(pixels, 4 * scale), np.zeros_like(angles)])  # RGB and thickness
    for width, length, tolerated in (np.array(LAYERS) * (scale, scale, 1)).tolist():
        target = _blurred(pixels, width / 4)
        wrong = np.abs(target - canvas[..., :3]).sum(axis=2) - tolerated
        _paint(rng, canvas, _paths(rng, wrong, angles, width * 0.7, int(length) + 2), target, width)
    relief = canvas[..., 3:] - np.roll(canvas[..., 3:], (1, 1), axis=(0, 1))  # lit from a corner
    return _to_pixels(canvas[..., :3] + 0.07 * relief)


def _to_pixels(picture: Floats) -> Pixels:
    return (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)


def _blurred(pixels: Pixels, radius: float) -> Floats:
    blurred = Image.fromarray(pixels).filter(ImageFilter.BoxBlur(radius))
    return np.asarray(blurred).astype(np.float32) / 255


def _flow(rng: Random, grey: Floats) -> Floats:
    """Angles of the strokes, (rows, columns) in radians: along edges, else along a slow wind."""
    down, right = np.gradient(grey)
    wind = (_noise(rng, grey.shape, (2, 2), 2) - 0.5) * 1.5 * np.pi
    # A structure tensor: with doubled angles opposite directions agree, so they can be added.
    rise, run = -2 * down * right, down**2 - right**2
    return np.asarray(np.arctan2(rise + 1e-4 * np.sin(wind), run + 1e-4 * np.cos(wind)) / 2)


def _paths(rng: Random, wrong: Floats, angles: Floats, gap: float, length: int) -> Floats:
    """Arcs through random points where `wrong` >= 0: (strokes, length, 2), rows and columns."""
    limit = np.array(wrong.shape) - 1
    points = (rng.rand(int(wrong.size / gap**2), 2) * limit).astype(np.float32)
    points = points[wrong[tuple(points.astype(np.intp).T)] >= 0]
    angle = angles[tuple(points.astype(np.intp).T)][:, None]
    ahead = points + length / 2 * np.hstack([np.sin(angle), np.cos(angle)])
    bend = angles[tuple(np.clip(ahead, 0, limit).astype(np.intp).T)][:, None] - angle
    bend -= np.pi * np.round(bend / np.pi)  # an angle and its opposite are the same stroke
    angle = angle + bend * np.linspace(-1, 1, length, dtype=np.float32)
    walk = np.cumsum(np.stack([np.sin(angle), np.cos(angle)], axis=-1), axis=1)
    return np.asarray(points[:, None] + walk - walk[:, length // 2, None])


def _paint(rng: Random, canvas: Floats, paths: Floats, target: Floats, width: float) -> None:
    """Drag a brush of many hairs along each path, in place; a hair has its own shade and depth."""
    count, length = paths.shape[:2]
    hairs = np.linspace(-1, 1, max(2, int(width / 0.9)), dtype=np.float32)
    ends = np.sqrt(1.02 - np.linspace(-1, 1, length, dtype=np.float32) ** 6)[:, None]
    across = np.gradient(paths, axis=1) * (width / 2) * ends
    margin = int(width) + length  # strokes may leave the canvas
    rows = (paths[..., :1] + across[..., 1:] * hairs + margin).astype(np.int32)
    columns = (paths[..., 1:] - across[..., :1] * hairs + margin).astype(np.int32)
    top = np.full((canvas.shape[0] + 2 * margin, canvas.shape[1] + 2 * margin), -1, np.int32)
    # NumPy keeps the last value given to a repeated index: later strokes lie on top.
    top[rows, columns] = np.arange(count * len(hairs)).reshape(count, 1, len(hairs))
    top = top[margin:-margin, margin:-margin]
    bristle = rng.standard_normal((count, 1, 1)) + rng.standard_normal((count, len(hairs), 1))
    colours = target[tuple(paths[:, length // 2].astype(np.intp).T)]
    # Broken colour: each stroke leans to a pigment near its colour, not always to the nearest.
    noisy = colours + 0.06 * rng.standard_normal(colours.shape)
    nearest = ((noisy[:, None] - PALETTE) ** 2).sum(axis=2).argmin(axis=1)
    streaks = _mix(colours, PALETTE[nearest], 0.32)[:, None] + 0.02 * bristle
    paint = np.dstack([streaks, 1 - hairs[:, None] ** 2 + 0.3 * bristle])
    canvas[top >= 0] = paint.reshape(-1, 4)[top[top >= 0]]


PICTURES = 64
"""On each side: enough to show the work in seconds, far too few for a stable FID."""


@dataclass(frozen=True)
class Demo:
    """What was drawn.

    Attributes:
        photos: a folder of landscapes.
        paintings: a folder of paintings, the reference.
        held_out: a folder of other paintings, which nothing is trained on.
        submission: a zip of the photos, repainted by brush strokes instead of a network.
        copies: a zip of paintings of the reference: what a memorizing network would hand in.
        rules: the competition's rules, for so few pictures.
    """

    photos: Path
    paintings: Path
    held_out: Path
    submission: Path
    copies: Path
    rules: Rules


def draw_demo(folder: Path, progress: Progress, *, pictures: int = PICTURES) -> Demo:
    """Draw photos and paintings into ``folder`` and zip two submissions; the same every time.

    Raises:
        OutputError: the folder cannot be written, or holds something else than an earlier demo.
    """
    rules = replace(MONET, competition="mifid demo", at_least=pictures, at_most=pictures)
    demo = Demo(
        photos=folder / "photo_jpg",
        paintings=folder / "monet_jpg",
        held_out=folder / "monet_held_out",
        submission=folder / "images.zip",
        copies=folder / "copies" / "images.zip",
        rules=rules,
    )
    _refuse_others(demo, folder, pictures)
    for path in (demo.photos, demo.paintings, demo.held_out, demo.copies.parent):
        make_folder(path, hint=f"Give another {setting('out')}.")
    with (
        progress.task("draw", pictures, "picture") as task,
        write_submission(demo.submission, rules=rules) as submission,
        write_submission(demo.copies, rules=rules) as copies,
    ):
        for number in range(pictures):
            name = f"{number:03}.jpg"
            photo = landscape(np.random.RandomState(number))
            painted = encode_picture(painting(np.random.RandomState(10_000 + number)))
            _write(demo.photos / name, encode_picture(photo))
            _write(demo.paintings / name, painted)
            if number < max(pictures // 2, 2):
                other = painting(np.random.RandomState(20_000 + number))
                _write(demo.held_out / name, encode_picture(other))
            submission.add(name, brush_strokes(photo, np.random.RandomState(number)))
            if number < pictures // 2:
                copies.add_encoded(name, painted)
                copies.add_encoded(f"again-{name}", painted)
            task.advance()
    return demo


def _refuse_others(demo: Demo, folder: Path, pictures: int) -> None:
    """See that nothing is drawn over: the folder is empty, or all of an earlier demo.

    An earlier one is known by its first photo, which is the same every time, and by its names.
    """
    found = [path for path in folder.rglob("*") if not path.is_dir()] if folder.is_dir() else []
    names = {f"{number:03}.jpg" for number in range(pictures)}
    sides = (demo.photos, demo.paintings, demo.held_out)
    first = demo.photos / "000.jpg"
    drawn = encode_picture(landscape(np.random.RandomState(0)))
    if not found or (
        first.is_file()
        and first.read_bytes() == drawn
        and all(path.name in names for path in found if path.parent in sides)
    ):
        return
    raise not_empty(folder, [str(path.relative_to(folder)) for path in found], option="out")


def _write(path: Path, content: bytes) -> None:
    with atomic_write(path) as file:
        file.write(content)
