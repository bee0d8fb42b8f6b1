"""OpenAI's CLIP as an extractor: the features of CMMD (Jayasumana et al. 2024).

The largest square in the middle of each picture is resized to 336 x 336 by Pillow's bicubic, in
uint8; channels are normed by CLIP's mean and deviation; the features are the class token of the
visual transformer, normed, projected to 768 values and divided by their length.

OpenAI's file is an archive of TorchScript, of which only the tensors are read: see
:func:`mifid.extractors.weights.load_state_dict`. A state dict of the same network is read, too.
Sources: github.com/google-research/google-research, cmmd/io_util.py and cmmd/embedding.py;
github.com/openai/CLIP, clip/model.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from mifid.extractors.base import Precision
from mifid.extractors.network_extractor import TrainedExtractor
from mifid.extractors.resize import Resize, bicubic_of_centre
from mifid.extractors.weights import FILES, load_state_dict, obtain
from mifid.progress import Progress

if TYPE_CHECKING:
    import torch
    from torch import nn

    from mifid.extractors.vision_transformer import Architecture

__all__ = ["Clip", "architecture", "clip_layers", "open_clip"]

_FILE = FILES["clip-l14-336"]
_PATCH = 14

# Part of a name in the file -> part of a name in VisionTransformer.
_NAMES = (
    ("conv1.", "patch_embed.proj."),
    ("class_embedding", "cls_token"),
    ("positional_embedding", "pos_embed"),
    ("ln_pre.", "norm_pre."),
    ("ln_post.", "norm."),
    ("transformer.resblocks.", "blocks."),
    (".ln_1.", ".norm1."),
    (".ln_2.", ".norm2."),
    (".attn.in_proj_", ".attn.qkv."),
    (".attn.out_proj.", ".attn.proj."),
    (".mlp.c_fc.", ".mlp.fc1."),
    (".mlp.c_proj.", ".mlp.fc2."),
)


class Clip(TrainedExtractor):
    """CLIP ViT-L/14 for pictures of 336 pixels: features (N, 768) of length 1."""

    name = "clip-l14-336"
    protocol = "cmmd-clip-1"
    resize = Resize(
        "centre-pillow-bicubic-336",
        "Pillow's bicubic of the square in the middle",
        None,
        centre=(255 * 0.48145466, 255 * 0.4578275, 255 * 0.40821073),  # OpenAI's mean
        scale=(255 * 0.26862954, 255 * 0.26130258, 255 * 0.27577711),  # and standard deviation
        size=336,
        fit=bicubic_of_centre,
    )

    def layers(self) -> nn.Sequential:
        """Build the network's layers of its weights."""
        return clip_layers(
            architecture(width=1024, depth=24, grid=self.how.size // _PATCH, projection=768),
            load_state_dict(self.weights.path, sha256=self.weights.sha256, file=_FILE),
            hint=f"Needed is {_FILE.names[0]}, of {_FILE.title}; `{_FILE.command}` gets it.",
        )


def open_clip(
    *, weights: str | Path | None, progress: Progress, backend: str, precision: Precision
) -> Clip:
    """Find the weights, or fetch them."""
    return Clip(obtain(weights, progress, _FILE), backend, precision=precision)


def architecture(*, width: int, depth: int, grid: int, projection: int) -> Architecture:
    """Return the architecture of CLIP's visual transformer; its heads are 64 wide."""
    from mifid.extractors.vision_transformer import Architecture, quick_gelu

    return Architecture(
        width=width,
        depth=depth,
        heads=width // 64,
        patch=_PATCH,
        grid=grid,
        activation=quick_gelu,
        epsilon=1e-5,
        patch_bias=False,
        first_norm=True,
        projection=projection,
    )


def clip_layers(
    of: Architecture, state_dict: Mapping[str, torch.Tensor], *, hint: str = ""
) -> nn.Sequential:
    """Return the layers from input (N, 3, S, S) to unit features (N, P).

    Args:
        of: their architecture.
        state_dict: of the whole of CLIP, as published; only its visual part is used.
        hint: of the error.

    Raises:
        WeightsError: the weights are another network's; the message says what does not fit.
    """
    from torch import nn

    from mifid.extractors.vision_transformer import UnitLength, build_transformer

    visual = {
        _name(key.removeprefix("visual.")): value
        for key, value in state_dict.items()
        if key.startswith("visual.")
    }
    for name, dimensions in (("cls_token", 1), ("pos_embed", 2)):
        if name in visual and visual[name].ndim == dimensions:
            visual[name] = visual[name].reshape(1, -1, visual[name].shape[-1])
    if "proj" in visual:
        visual["head.weight"] = visual.pop("proj").T
    return nn.Sequential(build_transformer(of, visual, hint=hint), UnitLength())


def _name(key: str) -> str:
    for theirs, ours in _NAMES:
        key = key.replace(theirs, ours)
    return key
