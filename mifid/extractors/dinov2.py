"""DINOv2 as extractors: the features of FD_DINOv2 (Stein et al. 2023), as dgm-eval computes them.

Pillow's bicubic resizes each picture whole to 224 x 224, in uint8; channels are normed by
ImageNet's mean and deviation; the features are the class token after the last norm, not normalised.

The table of positions was trained for 37 x 37 patches and is interpolated to 16 x 16 as the hub's
code does: bicubic, a = -0.75, without antialiasing, with steps of 37 / 16.1 (not 37 / 16).
Sources: github.com/layer6ai-labs/dgm-eval, dgm_eval/models/dinov2.py;
github.com/facebookresearch/dinov2, interpolate_pos_encoding.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from mifid.extractors.base import Precision
from mifid.extractors.network_extractor import TrainedExtractor
from mifid.extractors.resize import Resize, bicubic
from mifid.extractors.weights import FILES, load_state_dict, obtain
from mifid.progress import Progress

if TYPE_CHECKING:
    import torch
    from torch import nn

    from mifid.extractors.vision_transformer import Architecture

__all__ = [
    "Dinov2",
    "Dinov2B14",
    "architecture",
    "dinov2_layers",
    "interpolated_positions",
    "open_dinov2",
    "open_dinov2_b14",
]

_PATCH = 14
_TRAINED_GRID = 37
_OFFSET = 0.1  # of the hub's code, "to avoid floating point error"; it moves every position


class Dinov2(TrainedExtractor):
    """DINOv2 ViT-L/14 without registers: features (N, 1024)."""

    name = "dinov2"
    protocol = "dgm-eval-dinov2-1"
    resize = Resize(
        "pillow-bicubic-224",
        "Pillow's bicubic",
        None,
        centre=(255 * 0.485, 255 * 0.456, 255 * 0.406),  # ImageNet's mean
        scale=(255 * 0.229, 255 * 0.224, 255 * 0.225),  # and standard deviation
        size=224,
        fit=bicubic,
    )
    sizes: ClassVar[tuple[int, int]] = (1024, 24)
    """Width and depth."""

    def layers(self) -> nn.Sequential:
        """Build the network's layers of its weights."""
        file = FILES[self.name]
        state = load_state_dict(self.weights.path, sha256=self.weights.sha256, file=file)
        return dinov2_layers(
            architecture(*self.sizes, grid=self.how.size // _PATCH),
            state,
            hint=f"Needed is {file.names[0]}, of {file.title}; `{file.command}` gets it.",
        )


class Dinov2B14(Dinov2):
    """DINOv2 ViT-B/14 without registers: features (N, 768)."""

    name = "dinov2-b14"
    sizes = (768, 12)


def _open(
    extractor: type[Dinov2],
    *,
    weights: str | Path | None,
    progress: Progress,
    backend: str,
    precision: Precision,
) -> Dinov2:
    """Find the weights, or fetch them."""
    found = obtain(weights, progress, FILES[extractor.name])
    return extractor(found, backend, precision=precision)


open_dinov2 = partial(_open, Dinov2)
open_dinov2_b14 = partial(_open, Dinov2B14)


def architecture(width: int, depth: int, *, grid: int) -> Architecture:
    """Return DINOv2's architecture; its heads are 64 wide."""
    from mifid.extractors.vision_transformer import Architecture

    return Architecture(
        width=width, depth=depth, heads=width // 64, patch=_PATCH, grid=grid, layer_scale=True
    )


def dinov2_layers(
    of: Architecture, state_dict: Mapping[str, torch.Tensor], *, hint: str = ""
) -> nn.Sequential:
    """Return the layers from input (N, 3, S, S) to features (N, D).

    Args:
        of: their architecture.
        state_dict: as published, with positions for 37² patches.
        hint: of the error.

    Raises:
        WeightsError: the weights are another network's; the message says what does not fit.
    """
    from torch import nn

    from mifid.extractors.vision_transformer import build_transformer

    state = {key: value for key, value in state_dict.items() if key != "mask_token"}
    positions = state.get("pos_embed")
    if positions is not None and tuple(positions.shape) == (1, 1 + _TRAINED_GRID**2, of.width):
        state["pos_embed"] = interpolated_positions(positions, of.grid)
    return nn.Sequential(build_transformer(of, state, hint=hint), nn.Identity())


def interpolated_positions(positions: torch.Tensor, grid: int) -> torch.Tensor:
    """Interpolate a table (1, 1 + G², D) of class token and patches to (1, 1 + grid², D)."""
    import torch

    of_class, of_patches = positions[:, :1].float(), positions[:, 1:].float()
    trained = round(of_patches.shape[1] ** 0.5)
    if trained == grid:
        return positions.float()
    resized = torch.nn.functional.interpolate(
        of_patches.reshape(1, trained, trained, -1).permute(0, 3, 1, 2),
        scale_factor=((grid + _OFFSET) / trained,) * 2,
        mode="bicubic",
    )
    return torch.cat([of_class, resized.permute(0, 2, 3, 1).reshape(1, grid**2, -1)], dim=1)
