"""What each of three processes does in test_gathering: python metric_processes.py RANK STORE OUT.

Two of them form a group, so that one start tests two and three processes.
"""

import json
import sys
import warnings

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import distributed as dist
from toys import Tapped, colours, savefig

if __name__ == "__main__" and sys.argv[1] != "0":
    sys.modules["torchmetrics"] = None  # one process has it: its import takes 5 s

from mifid.errors import MifidError, MifidWarning
from mifid.loops import Monitor
from mifid.metric import CMMD, FID, FLD, KID, Combined, MiFID, PrecisionRecall
from mifid.metric import set_metric as module

HELD_OUT = np.arange(5 * 8 * 8 * 3, dtype=np.uint8).reshape(5, 8, 8, 3)

CASES = {
    "FID": lambda **more: FID(colours, **more),
    "MiFID": lambda **more: MiFID(colours, epsilon=0.5, **more),
    "KID": lambda **more: KID(colours, subsets=5, subset_size=9, **more),
    "CMMD": lambda **more: CMMD(colours, **more),
    "PrecisionRecall": lambda **more: PrecisionRecall(colours, **more),
    "Spatial": lambda **more: Combined(["fid", "sfid"], Tapped(), **more),
    "FLD": lambda **more: FLD(colours, held_out=HELD_OUT, **more),
    "Combined": lambda **more: Combined(["memorization", "mifid", "vendi"], colours, **more),
}


def pictures():
    """Noise of many brightnesses and contrasts: 17 real and 23 generated pictures."""
    random = np.random.RandomState(3)
    levels = random.randint(40, 200, (40, 1, 1, 3)) + random.randint(-40, 41, (40, 8, 8, 3))
    real, generated = np.split(levels.astype(np.uint8), [17])
    return real, generated // 2


def share(pixels, rank, world, without=()):
    """A process's share: of different sizes, in order; of some processes nothing."""
    sizes = [0 if each in without else each + 2 for each in range(world)]
    ends = np.cumsum([0, *sizes]) * len(pixels) // sum(sizes)
    return pixels[ends[rank] : ends[rank + 1]]


def feed(metric, real, generated):
    for side, pixels in ((True, real), (False, generated)):
        for start in range(0, len(pixels), 4):
            batch = torch.from_numpy(pixels[start : start + 4]).permute(0, 3, 1, 2)
            metric.update(batch, real=side)
    return metric


def said(compute):
    try:
        return compute()
    except MifidError as error:
        return f"{type(error).__name__}: {error.message} {error.hint}"


def compute(rank, world, group=None):
    """Compute everything as one of ``world`` processes."""
    real, generated = pictures()
    told = {}
    mine = [share(each, rank, world) for each in (real, generated)]
    last = [share(each, rank, world, without=(world - 1,)) for each in (real, generated)]
    for name, make in CASES.items():
        told[name] = feed(make(process_group=group), *mine).compute_all()
        told[f"{name}, one without pictures"] = feed(make(process_group=group), *last).compute_all()
    before = module.STREAMED_FROM
    module.STREAMED_FROM = 5  # fewer than some processes have, more than others
    for name in ("FID", "MiFID", "Combined"):
        metric = feed(CASES[name](process_group=group), *(last if name == "MiFID" else mine))
        told[f"{name}, statistics"] = metric.compute_all()
    metric = CASES["MiFID"](process_group=group, max_features=4)
    told["MiFID, few features"] = feed(metric, *mine).compute_all()
    module.STREAMED_FROM = before
    alone = feed(FID(colours, sync_on_compute=False), *mine)
    told["alone"] = alone.compute_all()
    told["kept"] = [alone.n_real, alone.n_generated]
    told["none"] = said(FID(colours, process_group=group).compute)
    one = feed(FID(colours, process_group=group), real[: rank == 0], generated)
    told["one picture"] = said(one.compute)
    other = KID(colours, subsets=5 + rank, process_group=group)
    told["settings"] = said(feed(other, *mine).compute)
    return told


class Shown:
    """A tracker that counts."""

    def __init__(self):
        self.steps, self.sheets = [], []

    def scalars(self, values, *, step):
        self.steps.append(step)

    def picture(self, pixels, *, step, name):
        self.sheets.append(name)


def monitor(rank):
    """Score with a monitor: uneven shares, the same pictures in all, a sample that fails."""
    Figure.savefig = savefig  # drawing is tested elsewhere
    real, generated = pictures()
    shown, mine = Shown(), share(generated, rank, 3)
    scored = Monitor(lambda: [mine], real, show=shown, extractor=colours, ci=0)
    told = {"monitor": scored(step=4), "shown": [shown.steps, shown.sheets]}
    same = Monitor(lambda: [generated], real, extractor=colours, ci=0)
    told["same"] = said(lambda: same(step=4))
    failing = Monitor(lambda: [mine, *[None] * (rank == 1)], real, extractor=colours, ci=0)
    told["failing"] = said(lambda: failing(step=4))
    return told


def main(rank):
    torch.set_num_threads(1)
    warnings.simplefilter("ignore", MifidWarning)  # of few pictures
    found = {"monitor": monitor(rank), "3": compute(rank, 3)}
    two = dist.new_group([1, 2])
    if rank:
        found["2"] = compute(rank - 1, 2, two)
    return found


if __name__ == "__main__":
    rank, store, out = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=3)
    found = main(rank)
    dist.destroy_process_group()
    with open(f"{out}{rank}.json", "w") as file:
        json.dump(found, file)
