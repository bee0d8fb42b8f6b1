"""Any trained network of timm as an extractor, ``timm:NAME``, by timm's own protocol.

timm's evaluation transform of the network (resize, crop, interpolation; by Pillow, in uint8) makes
its input, normed by its mean and deviation; the features are what the network gives without its
classifier, pooled. Weights come by timm's own download.
"""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from mifid.errors import InputError, WeightsError, first_line, setting
from mifid.extractors.backends import choose_backend
from mifid.extractors.base import EXACT, Identity, Precision, why_not_exact
from mifid.extractors.isolation import isolated, own_draws
from mifid.extractors.network_extractor import NetworkExtractor
from mifid.extractors.resize import Resize
from mifid.progress import Progress
from mifid.registry import did_you_mean, meant

if TYPE_CHECKING:
    from torch import nn

__all__ = ["PROTOCOL", "TimmBackbone", "open_timm"]

PROTOCOL = "timm-pooled-1"
"""Name and version of what is described above; it changes whenever features would."""

_MOST_SUGGESTIONS = 5


def open_timm(
    network: str,
    *,
    weights: str | Path | None,
    progress: Progress,
    backend: str,
    precision: Precision,
) -> TimmBackbone:
    """Find a network by its name.

    Raises:
        InputError: timm is not installed, has no trained network of this name, or a weights file
            or another backend is given.
    """
    del progress  # timm shows its own
    if find_spec("timm") is None:
        raise InputError(
            f"{setting('extractor', f'timm:{network}')} needs the package timm, which is not "
            "installed",
            hint="Install it: pip install 'mifid[timm]'",
        )
    if weights is not None:
        raise InputError(
            f"timm:{network} takes the weights that timm downloads, and no weights file",
            hint=f"Leave out {setting('weights')}.",
        )
    if choose_backend(backend, "cpu") != "torch" and backend != "auto":
        raise InputError(
            f"timm:{network} runs in torch, not in {backend}: conversions of timm's networks are "
            "not tested",
            hint=f"Leave out {setting('backend')}.",
        )
    return TimmBackbone(network, precision=precision)


class TimmBackbone(NetworkExtractor):
    """Runs a network of timm.

    Args:
        network: its name, as ``"resnet50"`` or ``"resnet50.a1_in1k"``; without what is after the
            dot, timm's default.
        precision: of its arithmetic, a name of :data:`mifid.extractors.base.PRECISIONS`.
    """

    def __init__(self, network: str, *, precision: Precision = EXACT) -> None:
        self._source = _pretrained(network)
        tag = f".{self._source.tag}" if self._source.tag else ""
        self._full_name = f"{self._source.architecture}{tag}"
        how = _resize_of(self._source, self._full_name)
        super().__init__("torch", resize=how, precision=precision)
        self._network: nn.Module | None = None
        self._sha256: str | None = None

    @property
    def identity(self) -> Identity:
        """Identify the features by the network's name, its input and the values of its weights.

        Raises:
            WeightsError: the weights are not here and cannot be downloaded.
        """
        if self._sha256 is None:
            self._sha256 = _sha256_of(self._read())
        own = f"timm:{self._full_name} is not the network that Kaggle scores with"
        return Identity(
            name=f"timm:{self._full_name}",
            fingerprint=f"{PROTOCOL} {self._full_name} {self.how.name} {self.how.centre} "
            f"{self.how.scale} {self.dtype} {self._sha256}",
            weights_sha256=self._sha256,
            resize=self.how.name,
            dtype=self.dtype,
            not_comparable="; ".join(filter(None, (own, why_not_exact(self.precision)))),
        )

    def layers(self) -> nn.Sequential:
        """Return the network without its classifier."""
        from torch import nn

        network, self._network = self._read(), None  # the backend changes its type
        return nn.Sequential(network, nn.Flatten())

    def _read(self) -> nn.Module:
        """Build the network and read its weights, once until they are taken."""
        if self._network is None:
            import timm

            with isolated(), own_draws():
                try:
                    network = timm.create_model(self._full_name, pretrained=True)
                except Exception as error:  # of the connection, the hub or the file
                    raise self._missing(error) from error
                network.reset_classifier(0)
                self._network = network.eval()
        return self._network

    def _missing(self, error: Exception) -> WeightsError:
        import torch

        source = self._source.hf_hub_id or self._source.url
        return WeightsError(
            f"the weights of timm:{self._full_name} are not on this machine and timm cannot "
            f"download them from {source}: {type(error).__name__}: {first_line(error)}",
            hint="\n".join(
                [
                    "Ways out:",
                    "  - where there is a network, run the same command, or Python's",
                    f"    timm.create_model('{self._full_name}', pretrained=True), and copy the "
                    "cache:",
                    f"    {_hub_cache() if self._source.hf_hub_id else torch.hub.get_dir()}",
                    "    (the environment variable HF_HOME or TORCH_HOME names another place)",
                    f"  - score now, with another trained network: {setting('extractor', 'lite0')}",
                ]
            ),
        )


def _pretrained(network: str) -> Any:
    """Return timm's description of a trained network.

    Raises:
        InputError: timm has no trained network of this name, with the most similar names.
    """
    import timm

    known = timm.list_pretrained()
    architectures = {name.partition(".")[0] for name in known}
    if network in known or network in architectures:
        return timm.get_pretrained_cfg(network)
    names = meant(network, known)[:_MOST_SUGGESTIONS] or meant(network, [*architectures])
    whether = "trained " if timm.is_model(network) else ""
    raise InputError(
        f"timm {timm.__version__} has no {whether}network '{network}'",
        hint=f"{did_you_mean(names)}It has {len(known):,} trained ones; Python's "
        "timm.list_pretrained('*resnet*') lists those with this word.",
    )


def _resize_of(source: Any, name: str) -> Resize:
    """Return how timm makes the network's input.

    Raises:
        InputError: it is not a square of three channels.
    """
    from timm.data import create_transform, resolve_data_config

    config = resolve_data_config(pretrained_cfg=source.to_dict())
    channels, height, width = config["input_size"]
    if channels != 3 or height != width:
        raise InputError(
            f"timm:{name} takes input of shape {tuple(config['input_size'])}",
            hint="Expected a network for square pictures of three channels.",
        )
    # As timm's loader does, which norms on the GPU: the transform ends with uint8 (3, S, S).
    transform = create_transform(**config, is_training=False, use_prefetcher=True)

    def fit(picture: Image.Image, _: int) -> npt.NDArray[np.uint8]:
        return np.moveaxis(np.asarray(transform(picture)), 0, -1)

    mean, std = ((255 * r, 255 * g, 255 * b) for r, g, b in (config["mean"], config["std"]))
    return Resize(
        f"timm-{config['interpolation']}-{height}-{config['crop_mode']}-{config['crop_pct']}",
        "timm's",
        None,
        centre=mean,
        scale=std,
        size=height,
        fit=fit,
    )


def _sha256_of(network: nn.Module) -> str:
    """Return the SHA-256 of names, types, shapes and values of the weights, in their order."""
    digest = hashlib.sha256()
    for name, value in network.state_dict().items():
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(np.ascontiguousarray(value.numpy()).tobytes())
    return digest.hexdigest()


def _hub_cache() -> str:
    """Return the folder in which Hugging Face's library keeps downloads."""
    from huggingface_hub.constants import HF_HUB_CACHE

    return str(HF_HUB_CACHE)
