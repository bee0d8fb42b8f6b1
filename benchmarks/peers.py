"""The tools that compute FID, each run as its own users run it, on the CPU, stage by stage."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = [
    "HALF_PIXEL",
    "SCRIPTED",
    "STAGES",
    "TF1",
    "TOOLS",
    "WORKERS",
    "Job",
    "Numbers",
    "Stages",
    "Tool",
]

STAGES = ("import", "load", "extract", "distance")

SCRIPTED = "inception-2015-12-05.pt"
"""clean-fid's name for its TorchScript file."""

_CORES = os.cpu_count() or 1

WORKERS = {
    "mifid": max(2, _CORES),
    "torch-fidelity": min(4, 2 * _CORES),
    "pytorch-fid": min(8, _CORES),
    "clean-fid": 12,
    "torchmetrics": _CORES,
}
"""What decodes, by package: mifid's threads, the others' processes. These are their own defaults,
but for torchmetrics, which has no loader."""


@dataclass(frozen=True)
class Job:
    """What every tool is given: pictures, weights and, in ``peers``, what only peers need."""

    generated: Path
    reference: Path
    weights: Path
    peers: Path
    batch_size: int
    draw: tuple[int, int]


@dataclass(frozen=True)
class Numbers:
    """What a tool finds.

    Attributes:
        fid: Fréchet Inception Distance.
        pictures: how many it met, generated and reference.
        workers: threads or processes that decode.
        distance: memorization distance as Kaggle has it: the mean over the generated pictures of
            the minimum over the reference.
        reversed: the other way round: the mean over the reference.
        mifid: with epsilon 0.1, as the tool itself computes it.
    """

    fid: float
    pictures: tuple[int, int]
    workers: int
    distance: float | None = None
    reversed: float | None = None
    mifid: float | None = None


class Stages:
    """Seconds by stage."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(STAGES, 0.0)

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Add the block's time to a stage."""
        start = time.perf_counter()
        yield
        self.seconds[name] += time.perf_counter() - start


# --- the tools: each composed of its own functions, so that its stages can be told apart ---------


def _mifid(job: Job, stage: Stages) -> Numbers:
    return _ours(job, stage, "openvino")


def _mifid_torch(job: Job, stage: Stages) -> Numbers:
    return _ours(job, stage, "torch")


def _ours(job: Job, stage: Stages, backend: str) -> Numbers:
    with stage("import"):
        if backend == "torch":  # mifid imports it when the network is loaded
            import torch_fidelity.feature_extractor_inceptionv3  # noqa: F401

        from mifid import features, penalized
        from mifid.extractors import open_extractor
        from mifid.metrics.frechet import frechet_distance
        from mifid.metrics.memorization import memorization_distance
    with stage("load"):
        extractor = open_extractor("inception", weights=job.weights, backend=backend)
        extractor.load("cpu")
    with stage("extract"):
        generated, reference = (
            features(
                folder, extractor=extractor, device="cpu", batch_size=job.batch_size, cache=False
            ).values
            for folder in (job.generated, job.reference)
        )
    with stage("distance"):
        fid = frechet_distance(generated=generated, reference=reference)
        distance = memorization_distance(generated=generated, reference=reference)
        score = penalized(fid=fid, memorization_distance=distance)
    return Numbers(
        fid=fid,
        pictures=(len(generated), len(reference)),
        workers=WORKERS["mifid"],
        distance=distance,
        reversed=memorization_distance(generated=reference, reference=generated),
        mifid=score,
    )


def _torch_fidelity(job: Job, stage: Stages) -> Numbers:
    with stage("import"):
        from torch_fidelity import metric_fid, utils
    settings: dict[str, Any] = {
        "input1": str(job.generated),
        "input2": str(job.reference),
        "feature_extractor_weights_path": str(job.weights),
        "batch_size": job.batch_size,
        "cuda": False,
        "verbose": False,
    }
    layer = "2048"
    with stage("load"):
        network = utils.create_feature_extractor("inception-v3-compat", [layer], **settings)
    with stage("extract"):
        features = [
            utils.extract_featuresdict_from_input_id(i, network, **settings) for i in (1, 2)
        ]
    with stage("distance"):
        sides = [metric_fid.fid_featuresdict_to_statistics(side, layer) for side in features]
        found = metric_fid.fid_statistics_to_metric(*sides, verbose=False)
    return Numbers(
        fid=found[metric_fid.KEY_METRIC_FID],
        pictures=(len(features[0][layer]), len(features[1][layer])),
        workers=WORKERS["torch-fidelity"],
    )


def _pytorch_fid(job: Job, stage: Stages) -> Numbers:
    with stage("import"):
        import numpy as np
        from pytorch_fid import fid_score
    workers = WORKERS["pytorch-fid"]
    with stage("load"):
        network = fid_score.InceptionV3([fid_score.InceptionV3.BLOCK_INDEX_BY_DIM[2048]])
    with stage("extract"):
        features = [
            fid_score.get_activations(
                _files(folder), network, batch_size=job.batch_size, num_workers=workers
            )
            for folder in (job.generated, job.reference)
        ]
    with stage("distance"):
        (mu1, sigma1), (mu2, sigma2) = (
            (np.mean(side, axis=0), np.cov(side, rowvar=False)) for side in features
        )
        fid = fid_score.calculate_frechet_distance(mu1, sigma1, mu2, sigma2)
    return Numbers(float(fid), (len(features[0]), len(features[1])), workers)


def _clean_fid_tensorflow(job: Job, stage: Stages) -> Numbers:
    def load() -> Any:
        # As build_feature_extractor("legacy_tensorflow") does, but it looks in /tmp for its file.
        from cleanfid.inception_torchscript import InceptionV3W

        return InceptionV3W(str(job.peers), download=False, resize_inside=True).eval()

    return _clean_fid(job, stage, "legacy_tensorflow", load)


def _clean_fid_pytorch(job: Job, stage: Stages) -> Numbers:
    def load() -> Any:
        import torch
        from cleanfid.features import build_feature_extractor

        return build_feature_extractor("legacy_pytorch", torch.device("cpu"))

    return _clean_fid(job, stage, "legacy_pytorch", load)


def _clean_fid(job: Job, stage: Stages, mode: str, load: Callable[[], Any]) -> Numbers:
    with stage("import"):
        import torch
        from cleanfid import fid
    workers = WORKERS["clean-fid"]
    with stage("load"):
        network = load()
    with stage("extract"):
        features = [
            fid.get_folder_features(
                str(folder),
                network,
                mode=mode,
                num_workers=workers,
                batch_size=job.batch_size,
                device=torch.device("cpu"),
                verbose=False,
            )
            for folder in (job.generated, job.reference)
        ]
    with stage("distance"):
        found = float(fid.fid_from_feats(*features))
    return Numbers(found, (len(features[0]), len(features[1])), workers)


def _torchmetrics_fid(job: Job, stage: Stages) -> Numbers:
    with stage("import"):
        from torchmetrics.image.fid import FrechetInceptionDistance
    with stage("load"):
        metric = FrechetInceptionDistance(
            feature_extractor_weights_path=str(job.weights), antialias=False
        )
    pictures = _feed(metric, job, stage)
    with stage("distance"):
        fid = float(metric.compute())
    return Numbers(fid, pictures, WORKERS["torchmetrics"])


def _torchmetrics_mifid(job: Job, stage: Stages) -> Numbers:
    with stage("import"):
        from torchmetrics.image.fid import NoTrainInceptionV3
        from torchmetrics.image.mifid import MemorizationInformedFrechetInceptionDistance
    with stage("load"):
        # The metric itself has no option for it, but takes a network.
        network = NoTrainInceptionV3(
            "inception-v3-compat",
            ["2048"],
            feature_extractor_weights_path=str(job.weights),
            antialias=False,
        )
        metric = MemorizationInformedFrechetInceptionDistance(feature=network)
    return _torchmetrics(metric, job, stage)


def _torchmetrics_default(job: Job, stage: Stages) -> Numbers:
    with stage("import"):
        from torchmetrics.image.mifid import MemorizationInformedFrechetInceptionDistance
    with stage("load"):
        metric = MemorizationInformedFrechetInceptionDistance()
    return _torchmetrics(metric, job, stage)


def _torchmetrics(metric: Any, job: Job, stage: Stages) -> Numbers:
    pictures = _feed(metric, job, stage)
    with stage("distance"):
        score = float(metric.compute())
    import torch
    from torchmetrics.image.mifid import _compute_cosine_distance

    # It returns the quotient only; of its parts the distance is cheap to compute again.
    sides = torch.cat(metric.real_features), torch.cat(metric.fake_features)
    distance = float(_compute_cosine_distance(*sides, cosine_distance_eps=1.0))
    divisor = distance if distance < metric.cosine_distance_eps else 1.0
    return Numbers(
        fid=score * (divisor + 10e-15),
        pictures=pictures,
        workers=WORKERS["torchmetrics"],
        reversed=distance,
        mifid=score,
    )


def _feed(metric: Any, job: Job, stage: Stages) -> tuple[int, int]:
    """Show a torchmetrics metric the pictures; it has no loader, so torch-fidelity's reads."""
    with stage("import"):
        from torch.utils.data import DataLoader
        from torch_fidelity.datasets import ImagesPathDataset
    counts = []
    with stage("extract"):
        for folder in (job.generated, job.reference):
            files = _files(folder)
            counts.append(len(files))
            pictures = ImagesPathDataset(files)
            for batch in DataLoader(pictures, job.batch_size, num_workers=WORKERS["torchmetrics"]):
                metric.update(batch, real=folder == job.reference)
    return counts[0], counts[1]


def _files(folder: Path) -> list[Path]:
    return sorted(f for f in folder.iterdir() if f.suffix.lower() in {".jpg", ".jpeg", ".png"})


@dataclass(frozen=True)
class Tool:
    """One row of the table.

    Attributes:
        run: what it does.
        package: what is installed.
        resize: pictures to the network's input; tools with the same one must agree.
        note: what else sets it apart, and how it gets the weights.
    """

    run: Callable[[Job, Stages], Numbers]
    package: str
    resize: str
    note: str


TF1 = "TensorFlow 1"
HALF_PIXEL = "half-pixel"

TOOLS = {
    "mifid": Tool(
        _mifid,
        "mifid",
        TF1,
        "backend OpenVINO, with the network converted before (a second or two of loading; the very "
        "first run converts it with torch). Decodes in threads of one process; singular values of "
        "a matrix as wide as the smaller set. Its seconds include the hashing of all files for the "
        "cache (which is off) and the memorization distance. The weights are a file (`--weights`).",
    ),
    "mifid-torch": Tool(
        _mifid_torch,
        "mifid",
        TF1,
        "the same with backend torch.",
    ),
    "torch-fidelity": Tool(
        _torch_fidelity,
        "torch-fidelity",
        TF1,
        "`eigvals` of the 2048 × 2048 product. Weights: `feature_extractor_weights_path`.",
    ),
    "clean-fid-tensorflow": Tool(
        _clean_fid_tensorflow,
        "clean-fid",
        TF1,
        "mode `legacy_tensorflow`: `sqrtm`; the network in TorchScript, resizing by sampling a "
        "grid; 12 decoding processes whatever the machine. Its published file holds its own "
        "weights, so this one is made with ours, of torch-fidelity's layers.",
    ),
    "torchmetrics-fid": Tool(
        _torchmetrics_fid,
        "torchmetrics",
        TF1,
        "`FrechetInceptionDistance(antialias=False)`: `eigvals`, covariances from running sums; "
        "has no loader, so torch-fidelity's reads. Weights: `feature_extractor_weights_path`.",
    ),
    "torchmetrics-mifid": Tool(
        _torchmetrics_mifid,
        "torchmetrics",
        TF1,
        "`MemorizationInformedFrechetInceptionDistance` given its own network with "
        "`antialias=False`: the memorization distance is reversed, a mean over the reference of "
        "the minimum over the generated pictures. Its FID is its MiFID times the distance.",
    ),
    "torchmetrics-default": Tool(
        _torchmetrics_default,
        "torchmetrics",
        HALF_PIXEL + ", antialiased",
        "the same as it comes, where antialiasing cannot be switched off (it does nothing to "
        "pictures that are enlarged). Weights: torch hub's cache. All three of torchmetrics run "
        "the same network over the same pictures: how far apart they are tells how far to trust a "
        "time.",
    ),
    "pytorch-fid": Tool(
        _pytorch_fid,
        "pytorch-fid",
        HALF_PIXEL,
        "PyTorch's bilinear resize, then x / 127.5 - 1 where the graph has (x - 128) / 128; "
        "`sqrtm`. Weights: torch hub's cache.",
    ),
    "clean-fid-pytorch": Tool(
        _clean_fid_pytorch,
        "clean-fid",
        HALF_PIXEL,
        "mode `legacy_pytorch`: `sqrtm`; network, resize and scaling are pytorch-fid's. Weights: "
        "torch hub's cache.",
    ),
}
