"""What the measurements ran on."""

from __future__ import annotations

import os
import subprocess

from gpu_plan import Plan
from gpu_recorder import Recorder
from machine import describe_machine

__all__ = ["machine"]

PACKAGES = ("torch", "torchvision", "torch-fidelity", "numpy", "scipy", "pillow")


def machine(plan: Plan, recorder: Recorder) -> None:
    """Record the processor, the GPUs, and versions."""
    import torch

    recorder.record("described", describe_machine(PACKAGES))
    recorder.record("cores", os.cpu_count())
    recorder.record("usable_cores", len(os.sched_getaffinity(0)))
    recorder.record("torch", torch.__version__)
    ready = not plan.on_cuda or torch.cuda.is_available()
    recorder.record("ready", ready)
    recorder.holds(f"torch finds the device {plan.device}", ready)
    if not plan.on_cuda or not ready:
        return
    recorder.record("cuda", torch.version.cuda)
    recorder.record("cudnn", torch.backends.cudnn.version())  # type: ignore[no-untyped-call]
    count = torch.cuda.device_count()
    recorder.record("gpus", [torch.cuda.get_device_name(number) for number in range(count)])
    properties = torch.cuda.get_device_properties(0)
    recorder.record("gpu_memory_gib", properties.total_memory / 2**30)
    recorder.record("multiprocessors", properties.multi_processor_count)
    with recorder.part("driver"):
        query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
        done = subprocess.run(query, capture_output=True, text=True, check=True)
        recorder.record("driver", done.stdout.splitlines()[0].strip())
