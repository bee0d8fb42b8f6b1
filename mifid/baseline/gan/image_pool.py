"""Generated pictures that discriminators are shown again."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from mifid.baseline.data import Draws
from mifid.errors import InputError

__all__ = ["ImagePool"]


class ImagePool:
    """A store of generated pictures, so that a discriminator does not forget earlier ones.

    While it fills, every picture is stored and handed back. From then on every other picture, by
    chance, is stored in the place of a random older one, which is handed back instead.

    Args:
        size: how many pictures it holds; with 0 pictures pass through.

    Source: Shrivastava et al. 2017, section 2.3, as Zhu et al. 2017, section 4, use it (50
    pictures). Here, too, the pictures of a batch come one after the other: a later one may take
    out an earlier one.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._held = 0
        self._stored: Tensor | None = None

    def __len__(self) -> int:
        return self._held

    def exchange(self, pictures: Tensor, draws: Draws) -> Tensor:
        """Store pictures (B, C, H, W); return as many, new or old ones, without gradient.

        They stay on their device, and the host waits for nothing: which picture goes where is
        drawn on the CPU.
        """
        given = pictures.detach()
        if self._size == 0:
            return given
        shown, stored = given.clone(), self._room_for(given)
        for i, (chance, place) in enumerate(draws.uniform(torch.empty(len(shown)), 2).tolist()):
            if self._held < self._size:
                stored[self._held].copy_(given[i])
                self._held += 1
            elif chance < 0.5:
                slot = int(place * self._size)
                shown[i].copy_(stored[slot])
                stored[slot].copy_(given[i])
        return shown

    def _room_for(self, pictures: Tensor) -> Tensor:
        if self._stored is None:  # all at once: no memory is asked for later in the run
            self._stored = pictures.new_empty((self._size, *pictures.shape[1:]))
        elif self._stored.device != pictures.device:  # loaded from a checkpoint on the CPU
            self._stored = self._stored.to(pictures.device)
        return self._stored

    def state_dict(self) -> dict[str, Any]:
        """Return what :meth:`load_state_dict` goes on from; the pictures are copies."""
        # A slice would be saved with all the memory behind it.
        held = None if self._stored is None else self._stored[: self._held].clone()
        return {"pictures": held}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where :meth:`state_dict` was taken.

        Raises:
            InputError: there are more pictures than this pool holds, or something else.
        """
        pictures: Tensor | None = state["pictures"]
        self._held, self._stored = 0, None
        if pictures is None:
            return
        is_tensor = isinstance(pictures, Tensor) and pictures.layout == torch.strided
        if not is_tensor or pictures.dim() != 4 or not pictures.is_floating_point():
            raise InputError(
                "the checkpoint's pool holds something else than pictures (N, C, H, W)",
                hint="Remove the checkpoint to go on from the one before, or train again.",
            )
        if len(pictures) > self._size:
            raise InputError(
                f"the checkpoint's pool holds {len(pictures)} pictures; training.pool is "
                f"{self._size}",
                hint=f"Set training.pool to what the run began with, at least {len(pictures)}.",
            )
        self._held = len(pictures)
        self._room_for(pictures)[: self._held].copy_(pictures)
