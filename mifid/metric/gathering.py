"""Gathering over processes: features, statistics and numbers of all, in the order of ranks.

Every process gets the same. Messages are exchanged where the backend wants them: in the memory of
the GPU for NCCL, else of the CPU.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch import distributed as dist

from mifid.errors import CompatibilityError
from mifid.metric.accumulation import Accumulated
from mifid.statistics import Provenance, Statistics

__all__ = ["Group", "several_processes"]


def several_processes(group: Any = None) -> bool:
    """Return whether this process is one of several that torch.distributed has connected."""
    if not (dist.is_available() and dist.is_initialized()):
        return False
    return dist.get_world_size(group) > 1


class Group:
    """The processes of a group.

    Args:
        group: of torch.distributed; None: all processes.

    Attributes:
        rank: number of this process in the group.
    """

    def __init__(self, group: Any = None) -> None:
        self._group = group
        self.rank = dist.get_rank(group)
        self._world = dist.get_world_size(group)
        on_gpu = dist.get_backend(group) == "nccl"
        self._device = torch.device("cuda", torch.cuda.current_device()) if on_gpu else "cpu"

    def objects(self, mine: Any) -> list[Any]:
        """Return every process's object, which pickle can write."""
        found: list[Any] = [None] * self._world
        dist.all_gather_object(found, mine, self._group)
        return found

    def gather(
        self,
        sides: Mapping[str, Accumulated],
        *,
        settings: str,
        most: int,
        rows: Collection[str],
    ) -> dict[str, Accumulated]:
        """Return the sides of all processes; those of this process stay as they are.

        Args:
            sides: of this process, by name; the same names in all.
            settings: in words, which must be the same in all.
            most: pictures up to which features are gathered where statistics would do.
            rows: names of sides whose single features are needed, however many they are.

        Raises:
            CompatibilityError: settings differ; all processes raise it.
        """
        facts = {
            name: (side.n, len(side.values), side.width, side.values.dtype.str, side.provenance)
            for name, side in sides.items()
        }
        found = self.objects((settings, facts))
        for rank, (other, _) in enumerate(found):
            if other != found[0][0]:
                raise CompatibilityError(
                    f"the metric of process {rank} is {other}, that of process 0 {found[0][0]}",
                    hint="Make it with the same settings in every process.",
                )
        return {
            name: self._side(side, [each[name] for _, each in found], most=most, rows=name in rows)
            for name, side in sides.items()
        }

    def _side(
        self, side: Accumulated, facts: list[tuple[Any, ...]], *, most: int, rows: bool
    ) -> Accumulated:
        found = Accumulated(most=side.most, rows=side.keeps_rows, moments=side.needs_moments)
        known = [fact for fact in facts if fact[0]]
        if not known:
            return found
        found.n = sum(fact[0] for fact in facts)
        counts = [fact[1] for fact in facts]
        width, found.provenance = known[0][2], known[0][4]
        few = found.n <= most and sum(counts) == found.n
        if side.needs_moments and not few:
            found.statistics = self._statistics(side, width, found.provenance)
        if rows or few:
            dtype = np.result_type(*(fact[3] for fact in known))
            values = side.values.reshape(-1, width).astype(dtype, copy=False)
            found.keep(self.rows(values, counts))
        return found

    def rows(self, mine: npt.NDArray[Any], counts: list[int]) -> npt.NDArray[Any]:
        """Return the rows (N, ...) of all processes, one after the other.

        Each process sends its own to all others, so nothing is padded to the longest.

        Args:
            mine: (n, ...) of this process, of the same type and row shape in all.
            counts: n of each process.
        """
        parts = []
        for rank, count in enumerate(counts):
            if not count:
                continue
            own = rank == self.rank
            like = mine if own else np.empty((count, *mine.shape[1:]), mine.dtype)
            part = self._sent(like)
            source = rank if self._group is None else dist.get_global_rank(self._group, rank)
            dist.broadcast(part, source, self._group)
            parts.append(mine if own else part.cpu().numpy())
        return np.concatenate(parts) if parts else mine

    def _statistics(self, side: Accumulated, width: int, provenance: Provenance) -> Statistics:
        """Return the statistics of all processes' pictures.

        With N pictures of mean m, and n_k, m_k and scatter M_k of process k (Chan, Golub and
        LeVeque 1979): ``M = sum_k M_k + n_k (m_k - m)(m_k - m)^T``. Each process sends the upper
        triangle of one matrix (D, D), whatever the number of pictures and processes.
        """
        n, mean, scatter = side.n, np.zeros(width), np.zeros((width, width))
        if n:
            own = side.statistics or Statistics.from_features(side.values)
            mean, scatter = own.mu, np.array(own.scatter)
        sums = self._summed(np.concatenate([[float(n)], n * mean]))
        total, common = round(sums[0]), sums[1:] / sums[0]
        scatter += n * np.outer(mean - common, mean - common)
        upper = np.tri(width, dtype=bool).T
        scatter[upper] = self._summed(scatter[upper])
        scatter.T[upper] = scatter[upper]
        return Statistics.from_scatter(n=total, mean=common, scatter=scatter, provenance=provenance)

    def _summed(self, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        message = self._sent(values)  # the sum is written into it
        dist.all_reduce(message, group=self._group)
        return message.cpu().numpy()

    def _sent(self, values: npt.NDArray[Any]) -> Tensor:
        """Return an array as a tensor for messages: of the same memory where that can be."""
        return torch.from_numpy(np.require(values, requirements=["C", "W"])).to(self._device)
