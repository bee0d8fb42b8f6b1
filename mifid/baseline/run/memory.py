"""Memory that runs out while training, told in settings that a user can change."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from mifid.baseline.config.schema import Config
from mifid.errors import MifidError

__all__ = ["told_memory"]


@contextmanager
def told_memory(config: Config) -> Iterator[None]:
    """Turn what torch raises within the block, on a GPU or a CPU, into an error with advice.

    Raises:
        MifidError: there was too little memory.
    """
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        where = "GPU memory"
        if not isinstance(error, torch.OutOfMemoryError):
            if isinstance(error, RuntimeError) and "DefaultCPUAllocator" not in str(error):
                raise
            where = "memory"
        batch, size = config.training.batch, config.data.size
        raise MifidError(
            f"out of {where} with batches of {batch} at {size} x {size}",
            hint="Lower training.batch, data.size or generator.width, or set training.precision "
            "bf16. The last checkpoint, if there is one, is kept.",
        ) from error
