"""torch-fidelity's Inception network, with our resize in front and prepared for speed.

The network itself is torch-fidelity's; nothing of it is written again here.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from mifid.errors import WeightsError
from mifid.extractors.base import EXACT, PRECISIONS, Precision
from mifid.extractors.resize import INPUT_SIZE, RESIZES, TF1_BILINEAR, Resize

__all__ = ["InceptionNetwork", "build_network", "parameter_shapes", "resize"]

_Matrices = tuple[torch.Tensor, torch.Tensor]

_MOST_SIZES = 32  # of pictures, whose matrices are kept on the device

# torch-fidelity's layers up to its pooled features, in the order of its forward().
_TRUNK = (
    *("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "MaxPool_1"),
    *("Conv2d_3b_1x1", "Conv2d_4a_3x3", "MaxPool_2"),
    *("Mixed_5b", "Mixed_5c", "Mixed_5d"),
    *("Mixed_6a", "Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"),
    *("Mixed_7a", "Mixed_7b", "Mixed_7c", "AvgPool"),
)


def build_network(state_dict: Mapping[str, torch.Tensor]) -> Any:
    """Return torch-fidelity's ``FeatureExtractorInceptionV3`` with these weights.

    Raises:
        WeightsError: the weights are another network's; the message says what does not fit.
    """
    network = _unloaded_network()
    _check_fits(network.state_dict(), state_dict)
    network.to_empty(device="cpu")
    network.loading = True
    network.load_state_dict(dict(state_dict))
    return network


def parameter_shapes() -> dict[str, tuple[int, ...]]:
    """Return the shape of every entry of the network's state dict, in the network's order."""
    return {key: tuple(value.shape) for key, value in _unloaded_network().state_dict().items()}


def _unloaded_network() -> Any:
    """Build the network without memory for its weights (they come next, so none are drawn)."""
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    class Unloaded(FeatureExtractorInceptionV3):  # type: ignore[misc]
        """Its constructor always loads a file; this one lets an empty one pass."""

        loading = False

        def load_state_dict(self, *args: Any, **kwargs: Any) -> Any:
            return super().load_state_dict(*args, **kwargs) if self.loading else None

    empty = io.BytesIO()
    torch.save({}, empty)
    empty.seek(0)
    with torch.device("meta"):
        return Unloaded("inception-v3-compat", ["2048"], feature_extractor_weights_path=empty)


class InceptionNetwork(nn.Module):
    """uint8 (N, 3, H, W) -> float32 (N, 2048): resize, scale, torch-fidelity's layers.

    Batch normalisation is folded into the convolutions (the same function, fewer passes over
    memory) and convolutions run channels last. In ``fast`` the layers up to the last average run
    in bfloat16.
    """

    def __init__(
        self,
        network: Any,
        how: Resize = RESIZES[TF1_BILINEAR],
        precision: Precision = EXACT,
    ) -> None:
        super().__init__()
        self._how = how
        self._matrices: dict[tuple[torch.Size, torch.dtype, torch.device], _Matrices] = {}
        _fold_batch_norm(network)
        self.trunk = nn.Sequential(*(getattr(network, name) for name in _TRUNK))
        dtype: torch.dtype = getattr(torch, PRECISIONS[precision])
        self.trunk.to(dtype).to(memory_format=torch.channels_last)
        self.requires_grad_(False)
        self.eval()

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Compute the pooled features."""
        return self.compute(self.prepare(pixels))

    def prepare(self, pixels: torch.Tensor) -> torch.Tensor:
        """uint8 (N, 3, H, W) -> the layers' input (N, 3, 299, 299), in their type and layout."""
        dtype, outside = self._dtypes()
        x = self._resized(pixels.to(outside))
        # (x - 128) / 128 in the graph; exact in any binary floating point but for x's own rounding.
        x = (x - self._how.centre) / self._how.scale
        return x.to(dtype).contiguous(memory_format=torch.channels_last)

    def compute(self, x: torch.Tensor) -> torch.Tensor:
        """Input (N, 3, 299, 299) -> features (N, 2048)."""
        _, outside = self._dtypes()
        *layers, average = self.trunk
        for layer in layers:
            x = layer(x)
        return torch.flatten(average(x.to(outside)), 1)

    def _dtypes(self) -> tuple[torch.dtype, torch.dtype]:
        """Return the layers' type, and that of what is around them."""
        dtype = next(self.parameters()).dtype
        return dtype, torch.float32 if dtype == torch.bfloat16 else dtype

    def _resized(self, pixels: torch.Tensor) -> torch.Tensor:
        key = (pixels.shape[2:], pixels.dtype, pixels.device)
        if key not in self._matrices:
            # Brought to the device once: a copy would make a GPU wait.
            if len(self._matrices) >= _MOST_SIZES:
                del self._matrices[next(iter(self._matrices))]
            self._matrices[key] = _matrices(pixels, self._how)
        return _apply(self._matrices[key], pixels, self._how)


def resize(pixels: torch.Tensor, how: Resize = RESIZES[TF1_BILINEAR]) -> torch.Tensor:
    """Resize floats (N, 3, H, W), 0..255, to (N, 3, 299, 299), by default as TensorFlow 1 does."""
    return _apply(_matrices(pixels, how), pixels, how)


def _matrices(pixels: torch.Tensor, how: Resize) -> _Matrices:
    rows, columns = (
        torch.tensor(how.matrix(size, INPUT_SIZE), dtype=pixels.dtype, device=pixels.device)
        for size in pixels.shape[2:]
    )
    return rows, columns


def _apply(matrices: _Matrices, pixels: torch.Tensor, how: Resize) -> torch.Tensor:
    rows, columns = matrices
    resized = rows @ pixels @ columns.T
    return resized.clamp(0, 255) if how.clipped else resized


def _fold_batch_norm(network: Any) -> None:
    """Replace each convolution and its batch norm by one convolution.

    The folded weights are computed in float64 and rounded once.
    """
    for module in network.modules():
        if hasattr(module, "conv") and hasattr(module, "bn"):
            conv, bn = module.conv.double(), module.bn.double()
            scale = bn.weight / torch.sqrt(bn.running_var + bn.eps)
            # Not initialised: that would draw from torch's generator, for nothing.
            folded = nn.utils.skip_init(  # type: ignore[no-untyped-call]
                nn.Conv2d,
                conv.in_channels,
                conv.out_channels,
                conv.kernel_size,
                conv.stride,
                conv.padding,
                bias=True,
                device=conv.weight.device,
                dtype=torch.float64,
            )
            folded.weight.data = conv.weight * scale[:, None, None, None]
            assert folded.bias is not None
            folded.bias.data = bn.bias - bn.running_mean * scale
            module.conv, module.bn = folded.float(), nn.Identity()


def _check_fits(expected: Mapping[str, torch.Tensor], given: Mapping[str, torch.Tensor]) -> None:
    # Older files lack the counters that only training uses; torch fills them in.
    needed = {key for key in expected if not key.endswith("num_batches_tracked")}
    missing = sorted(needed - given.keys())
    foreign = sorted(given.keys() - expected.keys())
    shapes = [key for key in needed & given.keys() if expected[key].shape != given[key].shape]
    if not (missing or foreign or shapes):
        return
    details = []
    if missing:
        details.append(f"{len(missing)} layers are missing (such as {missing[0]})")
    if foreign:
        details.append(f"{len(foreign)} are foreign (such as {foreign[0]})")
    for key in sorted(shapes)[:1]:
        details.append(f"{key} is {tuple(given[key].shape)}, not {tuple(expected[key].shape)}")
    raise WeightsError(
        f"the weights are another network's: {'; '.join(details)}",
        hint="Needed is pt_inception-2015-12-05-6726825d.pth; torchvision's Inception differs.",
    )
