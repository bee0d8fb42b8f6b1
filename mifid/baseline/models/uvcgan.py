"""UVCGAN's generators: a U-Net with a transformer over the pixels of its innermost map."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mifid.baseline.config import Generator
from mifid.baseline.models.generator import GeneratorNetwork
from mifid.baseline.models.layers import activation
from mifid.baseline.models.norms import norm
from mifid.errors import InputError

__all__ = ["UVCGAN", "UVCGAN2"]

_DEPTH = 4
_HEAD = 64  # channels of an attention head: 6 heads of 384 channels at the authors' width of 48
_WIDENING = 4  # of a transformer block's feed-forward layer
_DEMODULATION_EPS = 1e-6


class UVCGAN(GeneratorNetwork):
    """UVCGAN's generator, (B, 3, S, S) -> the same (Torbunov et al. 2023, "UVCGAN").

    At 256 and a width of 48: 3 x 3 to 48; two 3 x 3 of 48, 96, 192 and 384, each pair followed by a
    2 x 2 with stride 2; the transformer on 16 x 16 x 384; back up by nearest neighbour and 3 x 3,
    joined with the encoder's map, and two 3 x 3; 1 x 1 to 3 and a sigmoid. ``config.norm`` comes
    before each of the pairs' convolutions (the authors': ``plain_instance``).

    ``config.depth`` halvings (0: 4), ``config.blocks`` transformer blocks. The network itself works
    on 0..1; it takes and returns -1..1, as all generators here.
    """

    def __init__(self, config: Generator, *, size: int) -> None:
        super().__init__()
        depth = config.depth or _DEPTH
        self.multiple = 2**depth
        _check(self.multiple, config, size=size)
        widths = [config.width * 2 ** max(level - 1, 0) for level in range(depth + 1)]
        inner = widths[-1]
        self.stem = nn.Conv2d(3, config.width, 3, padding=1)
        self.activation = activation(config.activation)
        self.down = nn.ModuleList(
            _Down(config, self._norm(config), inputs, outputs)
            for inputs, outputs in itertools.pairwise(widths)
        )
        self.inner = _PixelTransformer(inner, blocks=config.blocks, style=self._has_style)
        self.up = nn.ModuleList(
            _Up(config, self._norm(config), inputs, outputs, style=inner * self._has_style)
            for inputs, outputs in itertools.pairwise(widths[::-1])
        )
        self.out = nn.Conv2d(config.width, 3, 1)

    _has_style = False

    def _norm(self, config: Generator) -> str:
        return config.norm

    def forward(self, x: Tensor) -> Tensor:
        """Turn (B, 3, S, S) float32 in -1..1 into the same."""
        skips: list[Tensor] = []
        x = self.activation(self.stem((x + 1) / 2))
        for down in self.down:
            x, skip = down(x)
            skips.append(skip)
        x, style = self.inner(x)
        for up, skip in zip(self.up, skips[::-1], strict=True):
            x = up(x, skip, style)
        # In float32: bfloat16 has no number between 0.996 and 1.
        return 2 * torch.sigmoid(self.out(x).float()) - 1


class UVCGAN2(UVCGAN):
    """UVCGANv2's generator, (B, 3, S, S) -> the same (Torbunov et al. 2023, "Rethinking CycleGAN").

    As :class:`UVCGAN`, but without norms in the U-Net, whatever ``config.norm`` is. The transformer
    has a further token, whose output modulates the two convolutions of each step up.
    """

    _has_style = True

    def _norm(self, config: Generator) -> str:  # noqa: ARG002
        return "none"


class _Down(nn.Module):
    """Two convolutions, then half the size: (B, inputs, H, W) -> that, and the map before it."""

    def __init__(self, config: Generator, norm_name: str, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = _Convolution(config, norm_name, inputs, outputs)
        self.second = _Convolution(config, norm_name, outputs, outputs)
        self.halve = nn.Conv2d(outputs, outputs, 2, stride=2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return (B, outputs, H / 2, W / 2) and (B, outputs, H, W)."""
        skip = self.second(self.first(x, None), None)
        return self.halve(skip), skip


class _Up(nn.Module):
    """Twice the size, joined with the encoder's map, and two convolutions.

    ``style``: number of the style's channels; 0: there is none.
    """

    def __init__(
        self, config: Generator, norm_name: str, inputs: int, outputs: int, *, style: int
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, inputs, 3, padding=1)
        self.first = _Convolution(config, norm_name, 2 * inputs, inputs, style=style)
        self.second = _Convolution(config, norm_name, inputs, outputs, style=style)

    def forward(self, x: Tensor, skip: Tensor, style: Tensor | None) -> Tensor:
        """Turn (B, inputs, H, W) and (B, inputs, 2 H, 2 W) into (B, outputs, 2 H, 2 W)."""
        doubled = self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))
        joined = torch.cat([doubled, skip], dim=1)
        made: Tensor = self.second(self.first(joined, style), style)
        return made


class _Convolution(nn.Module):
    """Norm, 3 x 3 with a border of zeros, activation; with a style, a modulated convolution."""

    def __init__(
        self, config: Generator, norm_name: str, inputs: int, outputs: int, *, style: int = 0
    ) -> None:
        super().__init__()
        self.norm = norm(norm_name, inputs)
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.activation = activation(config.activation)
        self.modulation = _Modulation(style, inputs) if style else None

    def forward(self, x: Tensor, style: Tensor | None) -> Tensor:
        """Turn (B, inputs, H, W) and a style (B, channels) into (B, outputs, H, W)."""
        x = self.norm(x)
        if self.modulation is None:
            made: Tensor = self.activation(self.conv(x))
            return made
        scales = self.modulation(style)
        x = self.conv(x * scales[:, :, None, None].to(x.dtype))
        # Of deviation 1 for inputs of deviation 1 (Karras et al. 2020, equation 3). The bias is
        # demodulated, too, as in the authors' code.
        power = self.conv.weight.square().sum(dim=(2, 3))
        demodulation = (scales.square() @ power.T + _DEMODULATION_EPS).rsqrt()
        demodulated: Tensor = self.activation(x * demodulation[:, :, None, None].to(x.dtype))
        return demodulated


class _Modulation(nn.Module):
    """1 + alpha * linear(style) for each channel, float32; alpha starts at 0."""

    def __init__(self, style: int, channels: int) -> None:
        super().__init__()
        self.linear = nn.Linear(style, channels)
        self.alpha = _Gate()

    def forward(self, style: Tensor) -> Tensor:
        """Turn (B, style) into (B, channels)."""
        with torch.autocast(style.device.type, enabled=False):  # bf16 has 8 bits around 1
            change: Tensor = self.alpha(self.linear(style.to(self.linear.weight.dtype)))
            return 1 + change


class _Gate(nn.Module):
    """A learned factor that starts at 0 (ReZero, Bachlechner et al. 2021)."""

    def __init__(self) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.zeros(1))

    def initialise(self, generator: torch.Generator) -> None:  # noqa: ARG002
        """Close the gate."""
        nn.init.zeros_(self.alpha)

    def forward(self, x: Tensor) -> Tensor:
        """Multiply."""
        return self.alpha * x


class _PixelTransformer(nn.Module):
    """A transformer whose tokens are pixels: (B, C, H, W) -> the same, and (B, C) or None.

    Each pixel is joined with the sine of a learned projection of its coordinates, which lie in
    -1..1. With ``style`` there is one more token, the same for all pictures, whose output is the
    second value.
    """

    def __init__(self, channels: int, *, blocks: int, style: bool) -> None:
        super().__init__()
        self.position = nn.Linear(2, channels)
        self.enter = nn.Linear(2 * channels, channels)
        self.blocks = nn.ModuleList(_Block(channels) for _ in range(blocks))
        self.leave = nn.Linear(channels, channels)
        self.style = _Token(channels) if style else None

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """Let all pixels see each other."""
        batch, _, height, width = x.shape
        pixels = x.flatten(2).transpose(1, 2)
        places = torch.sin(self.position(_coordinates(height, width, like=self.position.weight)))
        joined = torch.cat([places.expand(batch, -1, -1).to(x.dtype), pixels], dim=2)
        tokens = self.enter(joined)
        if self.style is not None:
            token = self.style.token.expand(batch, -1, -1).to(tokens.dtype)
            tokens = torch.cat([tokens, token], dim=1)
        for block in self.blocks:
            tokens = block(tokens)
        pixels = self.leave(tokens[:, : height * width])
        made = pixels.transpose(1, 2).unflatten(2, (height, width)).to(x.dtype)
        return made, None if self.style is None else tokens[:, -1]


class _Token(nn.Module):
    """A learned token (1, 1, C), which starts as N(0, 1)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.empty(1, 1, channels))

    def initialise(self, generator: torch.Generator) -> None:
        """Draw it."""
        nn.init.normal_(self.token, generator=generator)


class _Block(nn.Module):
    """Attention and a feed-forward layer, each after a LayerNorm and through the same gate."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(channels)
        self.attention = nn.MultiheadAttention(channels, _heads(channels), batch_first=True)
        # Torch's default, which the authors' code leaves as it is.
        self.attention.__dict__["first_weights"] = nn.init.xavier_uniform_
        self.norm2 = nn.LayerNorm(channels)
        self.widen = nn.Linear(channels, _WIDENING * channels)
        self.narrow = nn.Linear(_WIDENING * channels, channels)
        self.gate = _Gate()

    def forward(self, x: Tensor) -> Tensor:
        """Turn (B, tokens, C) into the same."""
        seen = self.norm1(x)
        seen, _ = self.attention(seen, seen, seen, need_weights=False)
        x = x + self.gate(seen)
        changed: Tensor = x + self.gate(self.narrow(F.gelu(self.widen(self.norm2(x)))))
        return changed


def _heads(channels: int) -> int:
    """Return the largest number of heads of 64 channels or more that share the channels evenly."""
    most = max(1, channels // _HEAD)
    return next(n for n in range(most, 0, -1) if channels % n == 0)


def _coordinates(height: int, width: int, *, like: Tensor) -> Tensor:
    """Return the places of H x W pixels, (H * W, 2) in -1..1, as ``like`` in dtype and device."""
    rows, columns = (
        2 * torch.arange(side, dtype=like.dtype, device=like.device) / max(side - 1, 1) - 1
        for side in (height, width)
    )
    places: Sequence[Tensor] = torch.meshgrid(rows, columns, indexing="ij")
    return torch.stack([place.flatten() for place in places], dim=1)


def _check(multiple: int, config: Generator, *, size: int) -> None:
    """Refuse sizes that cannot be halved so often.

    Raises:
        InputError: ``size`` is no multiple of 2 to the power of the depth.
    """
    if size % multiple == 0:
        return
    fitting = max(multiple, size - size % multiple)
    raise InputError(
        f"data.size is {size}; expected a multiple of {multiple}, as {config.network} halves "
        f"pictures {multiple.bit_length() - 1} times",
        hint=f"Set data.size to {fitting} or {fitting + multiple}, or a smaller generator.depth.",
    )
