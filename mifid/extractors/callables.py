"""A user's own extractor: any function from pictures to features."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mifid.errors import FeatureError, InputError, MifidError, first_line, option_names, setting
from mifid.extractors.base import Extractor, Identity
from mifid.extractors.isolation import isolated, own_draws
from mifid.images import Pixels
from mifid.statistics import FeatureMatrix

__all__ = ["CallableExtractor"]


class CallableExtractor(Extractor):
    """Wraps ``f``: a uint8 torch tensor (N, 3, H, W) on the device -> (N, D) tensor or array.

    What a function computes is not known from outside. So its features are cached only if it has
    an attribute ``fingerprint``, a string that changes whenever the features would.
    """

    def __init__(self, function: Callable[..., Any], *, name: str | None = None) -> None:
        if not callable(function):
            raise InputError(
                f"extractor {name or repr(function)} is no function, but {type(function).__name__}",
                hint="Expected a function of a uint8 tensor (N, 3, H, W).",
            )
        self._function = function
        self._name: str = name or str(getattr(function, "__qualname__", type(function).__name__))
        self._device: Any = None
        self._limit: int | None = None

    @property
    def identity(self) -> Identity:
        """Identify the features by the function's name, and its ``fingerprint`` if it has one."""
        given = getattr(self._function, "fingerprint", None)
        return Identity(
            name=self._name,
            fingerprint=None if given is None else f"{self._name} {given}",
            resize="the extractor's own",
            dtype="the extractor's own",
            not_comparable=f"{self._name} is not the network that Kaggle scores with",
        )

    def load(self, device: str = "auto") -> str:
        """Choose the device, and move the function there if it is a module.

        Raises:
            InputError: no such device here, or several.
        """
        from mifid.extractors.devices import choose_device

        if "," in device or device.endswith(":all"):
            raise InputError(
                f"extractor {self._name} runs on one device, not on '{device}'",
                hint=f"Several are for Inception; for {setting('device')} there are: auto, cpu, "
                "cuda, cuda:1 and mps.",
            )
        self._device = choose_device(device)
        if hasattr(self._function, "to") and hasattr(self._function, "eval"):
            self._function.to(self._device).eval()
        return str(self._device)

    def __call__(self, pixels: Pixels) -> FeatureMatrix:
        """uint8 (N, H, W, 3) -> float32 (N, D).

        Raises:
            FeatureError: the function failed, or gave something else than (N, D).
        """
        import torch

        from mifid.extractors.devices import as_tensor, in_parts

        if self._device is None:
            self.load()
        batch = as_tensor(pixels).permute(0, 3, 1, 2).contiguous()
        with isolated(), torch.inference_mode(), own_draws():
            features, self._limit = in_parts(self._run, batch, self._limit)
        return features.cpu().numpy()

    def _run(self, part: Any) -> Any:
        import torch

        try:
            result = torch.as_tensor(self._function(part.to(self._device)))
        except (MifidError, MemoryError, torch.OutOfMemoryError):
            raise
        except Exception as error:
            raise FeatureError(
                f"extractor {self._name} failed: {type(error).__name__}: {first_line(error)}",
                hint="It was given a uint8 tensor of shape "
                f"{tuple(part.shape)}; "
                f"{option_names().get('debug', 'the traceback')} shows where it failed.",
            ) from error
        if result.ndim != 2 or len(result) != len(part):
            raise FeatureError(
                f"extractor {self._name} turned pictures {tuple(part.shape)} into "
                f"{tuple(result.shape)}; expected ({len(part)}, width)",
                hint="Return one flat row of features a picture.",
            )
        return result.float()
