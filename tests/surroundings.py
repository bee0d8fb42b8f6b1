"""States of torch that may surround a call, and what can be read of them."""

import random as python_random
from contextlib import contextmanager

import numpy as np
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from mifid.extractors.isolation import isolated


class Doubling(TorchFunctionMode):
    def __torch_function__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        return result * 2 if function is torch.nn.functional.conv2d else result


class Counting(TorchDispatchMode):
    calls = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        Counting.calls += 1
        return function(*args, **(kwargs or {}))


@contextmanager
def setting(get, put, value):
    before = get()
    put(value)
    try:
        yield
    finally:
        put(before)


def attribute(owner, name, value):
    return setting(lambda: getattr(owner, name), lambda to: setattr(owner, name, to), value)


def default_tensor_type(kind):
    return setting(torch.get_default_dtype, lambda to: torch.set_default_tensor_type(to), kind)


AROUND = {
    "autocast on the CPU": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "autocast on CUDA": lambda: setting(
        lambda: False, lambda on: torch.set_autocast_enabled("cuda", on), True
    ),
    "default dtype": lambda: setting(
        torch.get_default_dtype, torch.set_default_dtype, torch.float64
    ),
    "default device": lambda: setting(lambda: None, torch.set_default_device, "meta"),
    "default device of a block": lambda: torch.device("meta"),
    "inference mode": torch.inference_mode,
    "no gradients": torch.no_grad,
    "gradients": torch.enable_grad,
    "deterministic algorithms": lambda: setting(
        lambda: False, torch.use_deterministic_algorithms, True
    ),
    "cudnn.deterministic": lambda: attribute(torch.backends.cudnn, "deterministic", True),
    "cudnn.benchmark": lambda: attribute(torch.backends.cudnn, "benchmark", True),
    "float32 matmul precision": lambda: setting(
        lambda: "highest", torch.set_float32_matmul_precision, "medium"
    ),
    "TF32": lambda: attribute(torch.backends.cudnn.conv, "fp32_precision", "tf32"),
    "anomaly detection": lambda: torch.autograd.set_detect_anomaly(True),
    "function modes": Doubling,
    "dispatch modes": Counting,
}


def state():
    """All of it that can be read."""
    cudnn, mkldnn = torch.backends.cudnn, torch.backends.mkldnn
    return {
        "autocast": [torch.is_autocast_enabled(kind) for kind in ("cpu", "cuda")],
        "autocast type": [torch.get_autocast_dtype(kind) for kind in ("cpu", "cuda")],
        "dtype": torch.get_default_dtype(),
        "device": torch.empty(0).device.type,
        "inference": torch.is_inference_mode_enabled(),
        "gradients": torch.is_grad_enabled(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "cudnn": (cudnn.deterministic, cudnn.benchmark, cudnn.enabled),
        "precision": [
            each.fp32_precision
            for each in (cudnn.conv, torch.backends.cuda.matmul, mkldnn.conv, mkldnn.matmul)
        ],
        "anomaly": (torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()),
        "function modes": len(torch.overrides._get_current_function_mode_stack()),
        "threads": (torch.get_num_threads(), torch.get_num_interop_threads()),
    }


def draws():
    """Where the generators of random numbers stand."""
    with isolated():
        stands = torch.random.get_rng_state().numpy().tobytes()
    numpy = np.random.get_state()
    return stands, numpy[1].tobytes(), numpy[2:], python_random.getstate()
