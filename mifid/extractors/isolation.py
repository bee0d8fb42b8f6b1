"""Networks compute the same whatever state of torch surrounds the call. Imports no torch."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

__all__ = ["isolated", "own_draws"]


@contextmanager
def isolated() -> Iterator[None]:
    """Set aside what the caller has set in torch; give it back at the end, also after an error.

    Within the block: no autocast, no gradients and no inference mode, no modes that see each call
    (default devices among them), float32 as the default type, float32 products and convolutions
    without TF32 and bfloat16, cuDNN's own choice of algorithms, no anomaly detection. The table
    in docs/numerics.md has a row, and the tests have a case, for each.

    Some of it is the process's, not the thread's: it is given back when the last of several
    blocks that run at a time ends, so that none ends under another's feet.
    """
    if "torch" not in sys.modules:  # then nobody has set anything
        yield
        return
    import torch
    from torch.utils._python_dispatch import _disable_current_modes

    with ExitStack() as stack:
        _set_function_modes_aside(stack)
        stack.enter_context(_disable_current_modes())
        for kind in ("cpu", "cuda", "mps", "xpu"):
            if torch.is_autocast_enabled(kind):
                stack.callback(torch.set_autocast_enabled, kind, True)
                torch.set_autocast_enabled(kind, False)
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.no_grad())
        stack.enter_context(_SHARED)
        yield


@contextmanager
def own_draws() -> Iterator[None]:
    """Give the random numbers of torch, NumPy and Python back as they were."""
    import random

    import numpy as np
    import torch

    python, numpy = random.getstate(), np.random.get_state()
    gpus = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()  # type: ignore[no-untyped-call]
    try:
        with torch.random.fork_rng(gpus):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)


def _set_function_modes_aside(stack: ExitStack) -> None:
    from torch import overrides

    modes: Any = overrides
    while modes._get_current_function_mode_stack():
        stack.callback(modes._push_mode, modes._pop_mode())


class _Shared:
    """Settings of the process: set aside by the first thread that comes, given back by the last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._restore = ExitStack()

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                _set_shared(self._restore)
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._restore.close()


_SHARED = _Shared()


def _set_shared(stack: ExitStack) -> None:
    """Set what is the process's. What the caller has not changed is not touched."""
    import torch

    from mifid.extractors.devices import exact_float32

    def replace(get: Callable[[], Any], put: Callable[[Any], Any], ours: Any) -> None:
        before = get()
        if before != ours:
            put(ours)
            stack.callback(put, before)

    cudnn: Any = torch.backends.cudnn
    try:
        replace(torch.get_default_dtype, torch.set_default_dtype, torch.float32)
        replace(
            lambda: (
                torch.are_deterministic_algorithms_enabled(),
                torch.is_deterministic_algorithms_warn_only_enabled(),
            ),
            lambda to: torch.use_deterministic_algorithms(to[0], warn_only=to[1]),
            (False, False),
        )
        replace(
            lambda: (torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()),
            lambda to: torch.autograd.set_detect_anomaly(*to),
            (False, True),
        )
        for name in ("benchmark", "deterministic"):
            replace(
                lambda name=name: getattr(cudnn, name),  # type: ignore[misc]
                lambda to, name=name: setattr(cudnn, name, to),  # type: ignore[misc]
                False,
            )
        stack.enter_context(exact_float32())
    except BaseException:
        stack.close()
        raise
