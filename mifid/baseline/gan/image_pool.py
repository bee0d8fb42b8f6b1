"""The pool of generated pictures that discriminators are shown again."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from mifid.baseline.data import Draws
from mifid.baseline.gan.states import check_state
from mifid.errors import InputError

__all__ = ["ImagePool"]


class ImagePool:
    """A store of generated pictures, so that a discriminator also learns from earlier ones.

    While it fills, every picture is stored and returned. After that a picture is, with probability
    1/2, exchanged for a random older one, which is returned instead.

    Args:
        size: number of pictures that it stores; with 0, pictures are returned as they are.
        side: of the pictures, in pixels, which a state must have; None: any.
        may_overflow: pictures may be not finite, as of a generator in float16: they are not stored.
            Without it they are not looked at, as the host would wait for the device.

    Source: Shrivastava et al. 2017, section 2.3, as Zhu et al. 2017, section 4, use it (50
    pictures). As there, the pictures of a batch come one after the other: a later one may be
    exchanged for an earlier one.
    """

    def __init__(self, size: int, *, side: int | None = None, may_overflow: bool = False) -> None:
        self._size = size
        self._side = side
        self._may_overflow = may_overflow
        self._held = 0
        self._stored: Tensor | None = None

    def __len__(self) -> int:
        return self._held

    def exchange(self, pictures: Tensor, draws: Draws) -> Tensor:
        """Store pictures (B, C, H, W); return as many, new or old ones, without gradient.

        They stay on their device. The random numbers are drawn on the CPU, so that the host does
        not wait for the device.
        """
        given = pictures.detach()
        if self._size == 0:
            return given
        shown, stored = given.clone(), self._room_for(given)
        kept = [True] * len(shown)
        if self._may_overflow:
            kept = torch.isfinite(given).flatten(1).all(dim=1).tolist()
        for i, (chance, place) in enumerate(draws.uniform(torch.empty(len(shown)), 2).tolist()):
            if not kept[i]:
                continue
            if self._held < self._size:
                stored[self._held].copy_(given[i])
                self._held += 1
            elif chance < 0.5:
                slot = int(place * self._size)
                shown[i].copy_(stored[slot])
                stored[slot].copy_(given[i])
        return shown

    def _room_for(self, pictures: Tensor) -> Tensor:
        if self._stored is None:  # all at once: memory cannot run out later in the run
            self._stored = pictures.new_empty((self._size, *pictures.shape[1:]))
        elif self._stored.device != pictures.device:  # loaded from a checkpoint on the CPU
            self._stored = self._stored.to(pictures.device)
        return self._stored

    def state_dict(self) -> dict[str, Any]:
        """Return the state that :meth:`load_state_dict` restores; the pictures are copies."""
        # torch.save writes a slice with all the memory that it is a part of.
        held = None if self._stored is None else self._stored[: self._held].clone()
        return {"pictures": held}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state of :meth:`state_dict`.

        Raises:
            InputError: there are more pictures than fit into this pool, or they are no pictures.
        """
        pictures: Tensor | None = state["pictures"]
        self._held, self._stored = 0, None
        if pictures is None:
            return
        is_tensor = isinstance(pictures, Tensor) and pictures.layout == torch.strided
        if not is_tensor or pictures.dim() != 4 or not pictures.is_floating_point():
            raise InputError(
                "the checkpoint's pool has something else than pictures (N, C, H, W)",
                hint="Remove the checkpoint to go on from the one before, or train again.",
            )
        if len(pictures) > self._size:
            raise InputError(
                f"the checkpoint's pool has {len(pictures)} pictures; training.pool is "
                f"{self._size}",
                hint=f"Set training.pool to its value when the run began, at least "
                f"{len(pictures)}.",
            )
        if self._side is not None:
            shape = (len(pictures), 3, self._side, self._side)
            like = torch.empty(shape, dtype=pictures.dtype, device="meta")
            check_state(pictures, like, name="pool")
        self._held = len(pictures)
        self._room_for(pictures)[: self._held].copy_(pictures)
