"""The vision transformer of DINOv2 and CLIP: patches, a class token, blocks with the norm first.

Sources: Dosovitskiy et al. 2021, equations 1 to 4; github.com/facebookresearch/dinov2,
dinov2/models/vision_transformer.py; github.com/openai/CLIP, clip/model.py.

For tokens x (N, T, D), a block is ``x + g1 * attention(norm(x))``, then ``x + g2 * mlp(norm(x))``,
with g = 1 but for LayerScale. The result is the normed class token, or its projection.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import nn

from mifid.extractors.weights import refuse_other_network

__all__ = ["Architecture", "UnitLength", "VisionTransformer", "build_transformer", "quick_gelu"]

Tensor = torch.Tensor


def quick_gelu(x: Tensor) -> Tensor:
    """Return ``x * sigmoid(1.702 x)``, OpenAI's approximation of GELU."""
    return x * torch.sigmoid(1.702 * x)


@dataclass(frozen=True)
class Architecture:
    """Sizes and variants of a vision transformer.

    Attributes:
        width: D, of tokens.
        depth: number of blocks.
        heads: of attention; they divide the width.
        patch: side of a patch, in pixels.
        grid: patches along a side of the input.
        activation: between the two layers of an MLP, whose hidden width is 4 D.
        epsilon: of the norms.
        patch_bias: whether patches are embedded with a bias.
        layer_scale: whether a learned factor for each channel scales what a block adds.
        first_norm: whether tokens are normed before the first block.
        projection: width of the result, projected without bias; None: there is no projection.
    """

    width: int
    depth: int
    heads: int
    patch: int
    grid: int
    activation: Callable[[Tensor], Tensor] = nn.functional.gelu
    epsilon: float = 1e-6
    patch_bias: bool = True
    layer_scale: bool = False
    first_norm: bool = False
    projection: int | None = None


class _Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, D) -> (N, T, D): softmax(q k^T / sqrt(D / heads)) v, head by head."""
        _, tokens, width = x.shape
        # Plain products: a fused kernel may round products to fewer bits on some devices.
        parts = self.qkv(x).reshape(-1, tokens, 3, self.heads, width // self.heads)
        q, k, v = parts.permute(2, 0, 3, 1, 4).unbind(0)  # each (N, heads, T, D / heads)
        shares = (q * (width // self.heads) ** -0.5 @ k.transpose(-2, -1)).softmax(dim=-1)
        mixed: Tensor = self.proj((shares @ v).transpose(1, 2).reshape(-1, tokens, width))
        return mixed


class _Mlp(nn.Module):
    def __init__(self, of: Architecture) -> None:
        super().__init__()
        self.fc1 = nn.Linear(of.width, 4 * of.width)
        self.fc2 = nn.Linear(4 * of.width, of.width)
        self.activation = of.activation

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, D) -> (N, T, D)."""
        found: Tensor = self.fc2(self.activation(self.fc1(x)))
        return found


class _LayerScale(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.empty(width))

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, D) -> (N, T, D)."""
        return x * self.gamma


class _Block(nn.Module):
    def __init__(self, of: Architecture) -> None:
        super().__init__()
        scale = _LayerScale if of.layer_scale else nn.Identity
        self.norm1 = nn.LayerNorm(of.width, of.epsilon)
        self.attn = _Attention(of.width, of.heads)
        self.ls1 = scale(of.width)
        self.norm2 = nn.LayerNorm(of.width, of.epsilon)
        self.mlp = _Mlp(of)
        self.ls2 = scale(of.width)

    def forward(self, x: Tensor) -> Tensor:
        """(N, T, D) -> (N, T, D)."""
        x = x + self.ls1(self.attn(self.norm1(x)))
        found: Tensor = x + self.ls2(self.mlp(self.norm2(x)))
        return found


class _Patches(nn.Module):
    def __init__(self, of: Architecture) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, of.width, of.patch, of.patch, bias=of.patch_bias)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, S, S) -> (N, grid², D), row by row."""
        found: Tensor = self.proj(x).flatten(2).transpose(1, 2)
        return found


class VisionTransformer(nn.Module):
    """Input (N, 3, S, S) -> class token (N, D), or its projection (N, P)."""

    def __init__(self, of: Architecture) -> None:
        super().__init__()
        self.patch_embed = _Patches(of)
        self.cls_token = nn.Parameter(torch.empty(1, 1, of.width))
        self.pos_embed = nn.Parameter(torch.empty(1, 1 + of.grid**2, of.width))
        self.norm_pre = nn.LayerNorm(of.width, of.epsilon) if of.first_norm else nn.Identity()
        self.blocks = nn.ModuleList(_Block(of) for _ in range(of.depth))
        self.norm = nn.LayerNorm(of.width, of.epsilon)
        self.head = (
            nn.Identity()
            if of.projection is None
            else nn.Linear(of.width, of.projection, bias=False)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Compute the features."""
        x = self.patch_embed(x)
        x = torch.cat([self.cls_token.expand(x.shape[0], -1, -1), x], dim=1)
        x = self.norm_pre(x + self.pos_embed)
        for block in self.blocks:
            x = block(x)
        x = self.norm(x[:, 0])
        found: Tensor = self.head(x)
        return found


class UnitLength(nn.Module):
    """x / |x|."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, D) -> (N, D)."""
        length: Tensor = x.norm(dim=-1, keepdim=True)
        return x / length


def build_transformer(
    of: Architecture, state_dict: Mapping[str, Tensor], *, hint: str
) -> VisionTransformer:
    """Return the network with these weights, in float32.

    Args:
        of: its architecture.
        state_dict: by the names of :class:`VisionTransformer`, which are DINOv2's.
        hint: of the error.

    Raises:
        WeightsError: the weights are another network's; the message says what does not fit.
    """
    with torch.device("meta"):  # memory comes with the weights, and none are drawn
        network = VisionTransformer(of)
    shapes = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    refuse_other_network(shapes, state_dict, hint=hint)
    network.load_state_dict({k: v.float() for k, v in state_dict.items()}, assign=True)
    return network
