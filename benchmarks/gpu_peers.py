"""Other tools on the same device, pictures and weights, as whole processes in turn with mifid's.

On CUDA torch lets convolutions use TF32 unless it is told not to, and of the tools only mifid tells
it. So each peer runs as it comes, for its time, and once more with TF32 switched off for the whole
process, for its number.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from child import environment, prepare
from gpu_plan import GOALS, Plan
from gpu_processes import ran, score
from gpu_recorder import Recorder
from peer_job import SCRIPTED, WORKERS, Job
from peers import TF1, TOOLS

__all__ = ["PEERS", "peers"]

NO_TF32 = {"NVIDIA_TF32_OVERRIDE": "0"}
"""Read by NVIDIA's libraries: no TF32, whatever a program asks for."""

TOLERANCE = 1e-4
"""How far a peer with the same resize may be from mifid's FID, relative."""


@dataclass(frozen=True)
class Found:
    """What a process found and took."""

    fid: float
    seconds: float
    peak_mib: float


def peers(plan: Plan, recorder: Recorder) -> None:
    """Record every tool's seconds and FID; check mifid's speed, and numbers that must agree."""
    sizes = plan.sizes
    with tempfile.TemporaryDirectory(dir=plan.work) as temporary:
        folder = Path(temporary)
        job = Job(
            generated=plan.photos,
            reference=plan.paintings,
            weights=folder / "weights.pth",
            peers=folder / "peers",
            batch_size=0,  # each tool's own
            draw=(sizes.photos, sizes.paintings),
        )
        prepare(list(sizes.peers), job)
        found: dict[str, list[Found]] = {}
        for number in range(sizes.rounds):
            # The goal is of the first two; the others run once.
            for name in ("mifid", *(sizes.peers if number == 0 else sizes.peers[:1])):
                with recorder.part(f"{name}, round {number + 1}"):
                    found.setdefault(name, []).append(TOOLS_HERE[name](plan, job, {}))
                    recorder.record("tools", _table(job, found))
        if plan.on_cuda:
            exact = {}
            for name in sizes.peers:
                with recorder.part(f"{name} without TF32"):
                    exact[name] = TOOLS_HERE[name](plan, job, NO_TF32)
                    recorder.record("without_tf32", _told(exact))
        else:
            exact = {name: runs[0] for name, runs in found.items()}
    _judge(plan, recorder, found, exact)


def _table(job: Job, found: Mapping[str, list[Found]]) -> dict[str, dict[str, Any]]:
    """By tool: medians, and the median of each round's ratio to mifid's time."""
    count = sum(len(list(folder.glob("*.jpg"))) for folder in (job.generated, job.reference))
    rows = {}
    for name, runs in found.items():
        seconds = median(one.seconds for one in runs)
        pairs = zip(runs, found["mifid"], strict=False)
        rows[name] = {
            "fid": runs[0].fid,
            "seconds": seconds,
            "pictures_per_second": count / seconds,
            "times_mifid": median(theirs.seconds / ours.seconds for theirs, ours in pairs),
            "peak_mib": max(one.peak_mib for one in runs),
            "rounds": len(runs),
        }
    return rows


def _told(exact: Mapping[str, Found]) -> dict[str, dict[str, float]]:
    return {name: {"fid": one.fid, "seconds": one.seconds} for name, one in exact.items()}


def _judge(
    plan: Plan,
    recorder: Recorder,
    found: Mapping[str, list[Found]],
    exact: Mapping[str, Found],
) -> None:
    ours = found["mifid"]
    for name in plan.sizes.peers:
        if name in exact and TOOLS[name].resize == TF1:
            difference = abs(exact[name].fid / ours[0].fid - 1)
            recorder.at_most(f"FID of {name}: difference", difference, TOLERANCE)
    if plan.toy:
        return
    pairs = zip(found.get("torch-fidelity", []), ours, strict=False)
    ratios = [theirs.seconds / mine.seconds for theirs, mine in pairs]
    if ratios:
        goal = GOALS["times_torch_fidelity"]
        recorder.at_least("times torch-fidelity's speed, whole process", median(ratios), goal)


# --- the tools -----------------------------------------------------------------------------------


def _mifid(plan: Plan, job: Job, env: Mapping[str, str]) -> Found:
    options = ["--extractor", "inception", "--weights", str(job.weights), "--device", plan.device]
    options += ["--backend", "torch", "--metrics", "mifid", "--ci", "0", "--no-cache"]
    scored = score(job.generated, job.reference, *options, env={**environment(job), **env})
    return Found(scored.told["fid"], scored.seconds, scored.peak_mib)


def _torch_fidelity(plan: Plan, job: Job, env: Mapping[str, str]) -> Found:
    command = [sys.executable, "-m", "torch_fidelity.fidelity", "--fid", "--json"]
    command += ["--gpu", "0"] if plan.on_cuda else ["--cpu"]
    command += ["--input1", str(job.generated), "--input2", str(job.reference)]
    command += ["--feature-extractor-weights-path", str(job.weights)]
    done = ran(command, env={**environment(job), **env})
    told = json.loads(done.stdout[done.stdout.index("{") :])
    return Found(told["frechet_inception_distance"], done.seconds, done.peak_mib)


def _pytorch_fid(plan: Plan, job: Job, env: Mapping[str, str]) -> Found:
    command = [sys.executable, "-m", "pytorch_fid", str(job.generated), str(job.reference)]
    done = ran([*command, "--device", plan.device], env={**environment(job), **env})
    found = re.search(r"^FID:\s+(\S+)$", done.stdout, re.MULTILINE)
    if found is None:
        raise RuntimeError(f"pytorch-fid printed no FID: {done.stdout[-500:]}")
    return Found(float(found[1]), done.seconds, done.peak_mib)


def _in_child(name: str) -> Callable[[Plan, Job, Mapping[str, str]], Found]:
    """A tool that is a function: this module, run as a program, calls it."""

    def run(plan: Plan, job: Job, env: Mapping[str, str]) -> Found:
        paths = [str(path) for path in (job.generated, job.reference, job.weights, job.peers)]
        command = [sys.executable, __file__, name, plan.device, *paths]
        done = ran(command, env={**environment(job), **env})
        return Found(float(done.stdout.splitlines()[-1]), done.seconds, done.peak_mib)

    return run


def _clean_fid_tensorflow(device: str, folders: list[str], weights: str, kept: str) -> float:
    from cleanfid.inception_torchscript import InceptionV3W

    del weights  # in the script
    assert Path(kept, SCRIPTED).is_file()
    network = InceptionV3W(kept, download=False, resize_inside=True).eval().to(device)
    return _clean_fid(device, folders, network, "legacy_tensorflow")


def _clean_fid_pytorch(device: str, folders: list[str], weights: str, kept: str) -> float:
    import torch
    from cleanfid.features import build_feature_extractor

    del weights, kept  # in torch hub's cache
    network = build_feature_extractor("legacy_pytorch", torch.device(device))
    return _clean_fid(device, folders, network, "legacy_pytorch")


def _clean_fid(device: str, folders: list[str], network: Any, mode: str) -> float:
    import torch
    from cleanfid import fid

    features = [
        fid.get_folder_features(
            folder,
            network,
            mode=mode,
            num_workers=WORKERS["clean-fid"],
            device=torch.device(device),
            verbose=False,
        )
        for folder in folders
    ]
    return float(fid.fid_from_feats(*features))


def _torchmetrics(device: str, folders: list[str], weights: str, kept: str) -> float:
    from torch.utils.data import DataLoader
    from torch_fidelity.datasets import ImagesPathDataset
    from torchmetrics.image.fid import FrechetInceptionDistance

    del kept
    metric: Any = FrechetInceptionDistance(feature_extractor_weights_path=weights, antialias=False)
    metric = metric.to(device)
    for folder in folders:
        pictures = ImagesPathDataset(sorted(Path(folder).glob("*.jpg")))
        for batch in DataLoader(pictures, 32, num_workers=WORKERS["torchmetrics"]):
            metric.update(batch.to(device), real=folder == folders[1])
    return float(metric.compute())


FUNCTIONS: dict[str, Callable[[str, list[str], str, str], float]] = {
    "clean-fid-tensorflow": _clean_fid_tensorflow,
    "clean-fid-pytorch": _clean_fid_pytorch,
    "torchmetrics-fid": _torchmetrics,
}

TOOLS_HERE: dict[str, Callable[[Plan, Job, Mapping[str, str]], Found]] = {
    "mifid": _mifid,
    "torch-fidelity": _torch_fidelity,
    "pytorch-fid": _pytorch_fid,
    **{name: _in_child(name) for name in FUNCTIONS},
}

PEERS = tuple(name for name in TOOLS_HERE if name != "mifid")

if __name__ == "__main__":
    tool, device, generated, reference, weights, kept = sys.argv[1:]
    print(repr(FUNCTIONS[tool](device, [generated, reference], weights, kept)))
