"""Tools that have no command, called function by function as their users do.

Each function takes the inputs, a batch size and the number of decoding workers. It returns "fid",
"pictures" (numbers of generated and reference pictures), and what else the tool computes.
"""

from __future__ import annotations

from typing import Any

from benchmarks.peers.job import Job
from benchmarks.pictures import pictures_of

Found = dict[str, Any]


def clean_fid_tensorflow(job: Job, batch_size: int, workers: int) -> Found:
    """Run clean-fid in mode ``legacy_tensorflow``."""
    # As build_feature_extractor("legacy_tensorflow"), which searches for its file in /tmp.
    from cleanfid.inception_torchscript import InceptionV3W

    network = InceptionV3W(str(job.peers), download=False, resize_inside=True)
    network = network.eval().to(job.device)
    return _clean_fid(job, "legacy_tensorflow", network, batch_size, workers)


def clean_fid_pytorch(job: Job, batch_size: int, workers: int) -> Found:
    """Run clean-fid in mode ``legacy_pytorch``."""
    import torch
    from cleanfid.features import build_feature_extractor

    network = build_feature_extractor("legacy_pytorch", torch.device(job.device))
    return _clean_fid(job, "legacy_pytorch", network, batch_size, workers)


def _clean_fid(job: Job, mode: str, network: Any, batch_size: int, workers: int) -> Found:
    import torch
    from cleanfid import fid

    settings = {"mode": mode, "num_workers": workers, "batch_size": batch_size, "verbose": False}
    settings["device"] = torch.device(job.device)
    sides = [
        fid.get_folder_features(str(folder), network, **settings)
        for folder in (job.generated, job.reference)
    ]
    return {"fid": float(fid.fid_from_feats(*sides)), "pictures": tuple(map(len, sides))}


def torchmetrics_fid(job: Job, batch_size: int, workers: int) -> Found:
    """Run torchmetrics' FID without antialiasing."""
    from torchmetrics.image.fid import FrechetInceptionDistance

    metric = FrechetInceptionDistance(
        feature_extractor_weights_path=str(job.weights), antialias=False
    )
    pictures = _feed(metric, job, batch_size, workers)
    return {"fid": float(metric.compute()), "pictures": pictures}


def torchmetrics_mifid(job: Job, batch_size: int, workers: int) -> Found:
    """Run torchmetrics' MiFID with a network without antialiasing."""
    from torchmetrics.image.fid import NoTrainInceptionV3
    from torchmetrics.image.mifid import MemorizationInformedFrechetInceptionDistance

    # The metric has no option for antialiasing, but accepts a network.
    settings = {"feature_extractor_weights_path": str(job.weights), "antialias": False}
    network = NoTrainInceptionV3("inception-v3-compat", ["2048"], **settings)
    metric = MemorizationInformedFrechetInceptionDistance(feature=network)
    return _torchmetrics_mifid(metric, job, batch_size, workers)


def torchmetrics_default(job: Job, batch_size: int, workers: int) -> Found:
    """Run torchmetrics' MiFID with its defaults."""
    from torchmetrics.image.mifid import MemorizationInformedFrechetInceptionDistance

    metric = MemorizationInformedFrechetInceptionDistance()
    return _torchmetrics_mifid(metric, job, batch_size, workers)


def _torchmetrics_mifid(metric: Any, job: Job, batch_size: int, workers: int) -> Found:
    import torch
    from torchmetrics.image.mifid import _compute_cosine_distance

    pictures = _feed(metric, job, batch_size, workers)
    score = float(metric.compute())
    # It returns only the quotient; the distance is cheap to compute again.
    sides = torch.cat(metric.real_features), torch.cat(metric.fake_features)
    distance = float(_compute_cosine_distance(*sides, cosine_distance_eps=1.0))
    divisor = distance if distance < metric.cosine_distance_eps else 1.0
    fid = score * (divisor + 10e-15)
    return {"fid": fid, "pictures": pictures, "reversed": distance, "mifid": score}


def _feed(metric: Any, job: Job, batch_size: int, workers: int) -> tuple[int, int]:
    """Update a torchmetrics metric with the pictures, loaded by torch-fidelity's dataset."""
    from torch.utils.data import DataLoader
    from torch_fidelity.datasets import ImagesPathDataset

    metric.to(job.device)
    counts = []
    for folder in (job.generated, job.reference):
        pictures = ImagesPathDataset(pictures_of(folder))
        counts.append(len(pictures))
        for batch in DataLoader(pictures, batch_size, num_workers=workers):
            metric.update(batch.to(job.device), real=folder == job.reference)
    return counts[0], counts[1]
