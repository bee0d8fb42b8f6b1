"""A network on a backend: input made of pixels, layers, features; and convolutions for speed."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from mifid.extractors.base import EXACT, PRECISIONS, Precision
from mifid.extractors.resize import RESIZES, TF1_BILINEAR, Channels, Resize

__all__ = ["Network", "folded_convolution", "resize"]

_Matrices = tuple[torch.Tensor, torch.Tensor]

_MOST_SIZES = 32  # of pictures, whose matrices are kept on the device


class Network(nn.Module):
    """uint8 (N, 3, H, W) -> float32 (N, D): resize, scale, layers.

    Convolutions run channels last. In ``fast`` all layers but the last run in bfloat16.

    Args:
        layers: of the network, in order; see :data:`mifid.extractors.backends.ReadLayers`.
        how: how pictures become their input.
        precision: of their arithmetic.
    """

    def __init__(
        self,
        layers: nn.Sequential,
        how: Resize = RESIZES[TF1_BILINEAR],
        precision: Precision = EXACT,
    ) -> None:
        super().__init__()
        self._how = how
        self._centre = _Constant(how.centre)
        self._scale = _Constant(how.scale)
        self._matrices: dict[tuple[torch.Size, torch.dtype, torch.device], _Matrices] = {}
        self.trunk = layers
        dtype: torch.dtype = getattr(torch, PRECISIONS[precision])
        self.trunk.to(dtype).to(memory_format=torch.channels_last)
        self.requires_grad_(False)
        self.eval()

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Compute the pooled features."""
        return self.compute(self.prepare(pixels))

    def prepare(self, pixels: torch.Tensor) -> torch.Tensor:
        """uint8 (N, 3, H, W) -> the layers' input (N, 3, S, S), in their type and layout."""
        dtype, outside = self._dtypes()
        x = self._resized(pixels.to(outside))
        # (x - 128) / 128 in the graph; exact in any binary floating point but for x's own rounding.
        x = (x - self._centre()) / self._scale()
        prepared: torch.Tensor = x.to(dtype).contiguous(memory_format=torch.channels_last)
        return prepared

    def compute(self, x: torch.Tensor) -> torch.Tensor:
        """Input (N, 3, S, S) -> features (N, D)."""
        _, outside = self._dtypes()
        *layers, last = self.trunk
        for layer in layers:
            x = layer(x)
        return torch.flatten(last(x.to(outside)), 1)

    def _dtypes(self) -> tuple[torch.dtype, torch.dtype]:
        """Return the layers' type, and that of what is around them."""
        dtype = next(self.parameters()).dtype
        return dtype, torch.float32 if dtype == torch.bfloat16 else dtype

    def _resized(self, pixels: torch.Tensor) -> torch.Tensor:
        if self._how.matrix is None:
            return pixels
        key = (pixels.shape[2:], pixels.dtype, pixels.device)
        if key not in self._matrices:
            # Brought to the device once: a copy would make a GPU wait.
            if len(self._matrices) >= _MOST_SIZES:
                del self._matrices[next(iter(self._matrices))]
            self._matrices[key] = _matrices(pixels, self._how)
        return _apply(self._matrices[key], pixels, self._how)


class _Constant(nn.Module):
    """One number, which stays one; or a number a channel, (3, 1, 1), kept on the device."""

    def __init__(self, value: float | Channels) -> None:
        super().__init__()
        self._number = None if isinstance(value, tuple) else value
        values = torch.tensor(value, dtype=torch.float32).reshape(-1, 1, 1)
        self.register_buffer("values", values, persistent=False)

    def forward(self) -> float | torch.Tensor:
        """Return it."""
        values: torch.Tensor = self.get_buffer("values")
        return values if self._number is None else self._number


def resize(pixels: torch.Tensor, how: Resize = RESIZES[TF1_BILINEAR]) -> torch.Tensor:
    """Resize floats (N, 3, H, W), 0..255, to (N, 3, S, S), by default as TensorFlow 1 does."""
    return _apply(_matrices(pixels, how), pixels, how)


def _matrices(pixels: torch.Tensor, how: Resize) -> _Matrices:
    assert how.matrix is not None
    rows, columns = (
        torch.tensor(how.matrix(size, how.size), dtype=pixels.dtype, device=pixels.device)
        for size in pixels.shape[2:]
    )
    return rows, columns


def _apply(matrices: _Matrices, pixels: torch.Tensor, how: Resize) -> torch.Tensor:
    rows, columns = matrices
    resized = rows @ pixels @ columns.T
    return resized.clamp(0, 255) if how.clipped else resized


def folded_convolution(
    weight: torch.Tensor,
    norm: Mapping[str, torch.Tensor],
    *,
    eps: float,
    stride: int | tuple[int, ...],
    padding: int | tuple[int, ...],
    groups: int = 1,
) -> nn.Conv2d:
    """Return a convolution and the batch norm after it as one convolution.

    The same function, in fewer passes over memory. It is computed in float64 and rounded once.

    Args:
        weight: of the convolution.
        norm: the batch norm's ``weight``, ``bias``, ``running_mean`` and ``running_var``.
        eps: what the batch norm adds to its variance.
        stride: of the convolution.
        padding: of the convolution.
        groups: of the convolution.
    """
    kernel = weight.double()
    scale = norm["weight"].double() / torch.sqrt(norm["running_var"].double() + eps)
    # Not initialised: that would draw from torch's generator, for nothing.
    folded: nn.Conv2d = nn.utils.skip_init(  # type: ignore[no-untyped-call]
        nn.Conv2d,
        kernel.shape[1] * groups,
        kernel.shape[0],
        tuple(kernel.shape[2:]),
        stride,
        padding,
        groups=groups,
        bias=True,
        device=kernel.device,
        dtype=torch.float64,
    )
    folded.weight.data = kernel * scale[:, None, None, None]
    assert folded.bias is not None
    folded.bias.data = norm["bias"].double() - norm["running_mean"].double() * scale
    return folded.float()
