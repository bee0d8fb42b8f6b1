"""The network in OpenVINO: on the CPU faster than torch, and without importing torch."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from mifid.errors import InputError, setting
from mifid.extractors.backends import ReadWeights
from mifid.extractors.backends.openvino_model import (
    import_openvino,
    obtain_core,
    obtain_model,
)
from mifid.extractors.precision import EXACT, Precision, no_bfloat16
from mifid.extractors.resize import INPUT_SIZE, Matrix, Resize, two_taps
from mifid.images.source import Pixels
from mifid.statistics.features import FeatureMatrix

__all__ = ["OpenVinoBackend"]


class OpenVinoBackend:
    """Resize and network as two OpenVINO models: the first is made again for each size."""

    name = "openvino"
    device = "cpu"
    batch_size = 8  # as fast as larger ones, with a quarter of the memory of 32
    in_flight = 1  # one batch has all cores already

    def __init__(
        self,
        read_weights: ReadWeights,
        *,
        key: str,
        device: str,
        resize: Resize,
        precision: Precision,
    ) -> None:
        if device not in {"auto", "cpu"}:
            raise InputError(
                f"backend openvino runs on the CPU, not on '{device}'",
                hint=f"Give {setting('backend', 'torch')} for other devices.",
            )
        self._core = obtain_core()
        hint = self._hint(precision)
        self._network = self._request(obtain_model(self._core, read_weights, key), hint)
        self._resize = lru_cache(maxsize=16)(
            lambda h, w: self._request(_resize_model(h, w, resize), "f32")
        )

    def __call__(self, pixels: Pixels) -> FeatureMatrix:
        """uint8 (N, H, W, 3) -> float32 (N, 2048)."""
        resize = self._resize(*pixels.shape[1:3])
        resize.infer([np.ascontiguousarray(pixels)])
        self._network.set_input_tensor(resize.get_output_tensor())
        self._network.infer()
        # A copy: the request writes its next result into the same memory.
        found = np.array(self._network.get_output_tensor().data, dtype=np.float32)
        return found.reshape(len(pixels), -1)

    def submit(self, pixels: Pixels) -> Callable[[], FeatureMatrix]:
        """Compute the features at once; see :class:`mifid.extractors.backends.Backend`."""
        features = self(pixels)
        return lambda: features

    def _hint(self, precision: Precision) -> str:
        if precision == EXACT:
            # Said, because the default on processors that have bfloat16 is bfloat16.
            return "f32"
        if "BF16" not in self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            raise no_bfloat16("this processor")
        return "bf16"

    def _request(self, model: Any, hint: str) -> Any:
        settings = {"INFERENCE_PRECISION_HINT": hint, "PERFORMANCE_HINT": "LATENCY"}
        return self._core.compile_model(model, "CPU", settings).create_infer_request()


def _resize_model(height: int, width: int, how: Resize) -> Any:
    """Resize and scaling: uint8 (N, H, W, 3) -> float32 (N, 3, 299, 299)."""
    openvino = import_openvino()
    ops = openvino.opset13
    rows, columns = (how.matrix(size, INPUT_SIZE) for size in (height, width))
    pixels = ops.parameter([-1, height, width, 3], np.uint8)
    planes = ops.transpose(ops.convert(pixels, np.float32), np.array([0, 3, 1, 2]))
    resized = _mix_rows(rows, ops.matmul(planes, ops.constant(columns), False, True))
    if how.clipped:
        resized = ops.clamp(resized, 0.0, 255.0)
    scaled = ops.divide(ops.subtract(resized, np.float32(how.centre)), np.float32(how.scale))
    return openvino.Model([scaled], [pixels])


def _mix_rows(matrix: Matrix, planes: Any) -> Any:
    """Return ``matrix @ planes``; if it mixes two rows at most, without the product.

    Rows lie together in memory: picking and adding two takes a quarter of the product's time.
    Columns do not, so for them the product is faster.
    """
    ops = import_openvino().opset13
    taps = two_taps(matrix)
    if taps is None:
        return ops.matmul(ops.constant(matrix), planes, False, False)
    axis = ops.constant(2)
    parts = [
        ops.multiply(ops.gather(planes, ops.constant(rows), axis), ops.constant(weights[:, None]))
        for rows, weights in taps
    ]
    return ops.add(*parts)
