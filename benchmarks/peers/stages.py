"""mifid and other tools, called function by function, so that each stage can be timed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.peers.job import WORKERS, Job, Numbers, Stages
from benchmarks.pictures import pictures_of


def run_mifid(job: Job, stage: Stages) -> Numbers:
    """Run mifid with OpenVINO."""
    return _ours(job, stage, "openvino")


def run_mifid_torch(job: Job, stage: Stages) -> Numbers:
    """Run mifid with torch."""
    return _ours(job, stage, "torch")


def _ours(job: Job, stage: Stages, backend: str) -> Numbers:
    with stage("import"):
        if backend == "torch":  # mifid imports it when the network is loaded
            import torch_fidelity.feature_extractor_inceptionv3  # noqa: F401

        from mifid import features, penalized
        from mifid.extractors import open_extractor
        from mifid.metrics import frechet_distance, memorization_distance
    with stage("load"):
        extractor = open_extractor("inception", weights=job.weights, backend=backend)
        extractor.load(job.device)
    with stage("extract"):
        generated, reference = (
            features(
                folder,
                extractor=extractor,
                device=job.device,
                batch_size=job.batch_size,
                cache=False,
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


def run_torch_fidelity(job: Job, stage: Stages) -> Numbers:
    """Run torch-fidelity's extractor and statistics."""
    with stage("import"):
        from torch_fidelity import metric_fid, utils
    settings: dict[str, Any] = {
        "input1": str(job.generated),
        "input2": str(job.reference),
        "feature_extractor_weights_path": str(job.weights),
        "batch_size": job.batch_size,
        "cuda": job.device != "cpu",
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


def run_pytorch_fid(job: Job, stage: Stages) -> Numbers:
    """Run pytorch-fid's activations, statistics and distance."""
    with stage("import"):
        import numpy as np
        from pytorch_fid import fid_score
    workers = WORKERS["pytorch-fid"]
    with stage("load"):
        network = fid_score.InceptionV3([fid_score.InceptionV3.BLOCK_INDEX_BY_DIM[2048]])
        network = network.to(job.device)
    with stage("extract"):
        features = [
            fid_score.get_activations(
                pictures_of(folder),
                network,
                batch_size=job.batch_size,
                device=job.device,
                num_workers=workers,
            )
            for folder in (job.generated, job.reference)
        ]
    with stage("distance"):
        (mu1, sigma1), (mu2, sigma2) = (
            (np.mean(side, axis=0), np.cov(side, rowvar=False)) for side in features
        )
        fid = fid_score.calculate_frechet_distance(mu1, sigma1, mu2, sigma2)
    return Numbers(float(fid), (len(features[0]), len(features[1])), workers)


def run_clean_fid_tensorflow(job: Job, stage: Stages) -> Numbers:
    """Run clean-fid in mode ``legacy_tensorflow``."""

    def load() -> Any:
        # As build_feature_extractor("legacy_tensorflow"), which searches for its file in /tmp.
        from cleanfid.inception_torchscript import InceptionV3W

        network = InceptionV3W(str(job.peers), download=False, resize_inside=True)
        return network.eval().to(job.device)

    return _clean_fid(job, stage, "legacy_tensorflow", load)


def run_clean_fid_pytorch(job: Job, stage: Stages) -> Numbers:
    """Run clean-fid in mode ``legacy_pytorch``."""

    def load() -> Any:
        import torch
        from cleanfid.features import build_feature_extractor

        return build_feature_extractor("legacy_pytorch", torch.device(job.device))

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
                device=torch.device(job.device),
                verbose=False,
            )
            for folder in (job.generated, job.reference)
        ]
    with stage("distance"):
        found = float(fid.fid_from_feats(*features))
    return Numbers(found, (len(features[0]), len(features[1])), workers)


def run_torchmetrics_fid(job: Job, stage: Stages) -> Numbers:
    """Run torchmetrics' FID without antialiasing."""
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


def run_torchmetrics_mifid(job: Job, stage: Stages) -> Numbers:
    """Run torchmetrics' MiFID with a network without antialiasing."""
    with stage("import"):
        from torchmetrics.image.fid import NoTrainInceptionV3
        from torchmetrics.image.mifid import MemorizationInformedFrechetInceptionDistance
    with stage("load"):
        # The metric has no option for antialiasing, but accepts a network.
        network = NoTrainInceptionV3(
            "inception-v3-compat",
            ["2048"],
            feature_extractor_weights_path=str(job.weights),
            antialias=False,
        )
        metric = MemorizationInformedFrechetInceptionDistance(feature=network)
    return _torchmetrics(metric, job, stage)


def run_torchmetrics_default(job: Job, stage: Stages) -> Numbers:
    """Run torchmetrics' MiFID with its defaults."""
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

    # It returns only the quotient; the distance is cheap to compute again.
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
    """Update a torchmetrics metric with the pictures, loaded by torch-fidelity's dataset."""
    with stage("import"):
        from torch.utils.data import DataLoader
        from torch_fidelity.datasets import ImagesPathDataset
    with stage("load"):
        metric.to(job.device)
    counts = []
    with stage("extract"):
        for folder in (job.generated, job.reference):
            files = pictures_of(folder)
            counts.append(len(files))
            pictures = ImagesPathDataset(files)
            for batch in DataLoader(pictures, job.batch_size, num_workers=WORKERS["torchmetrics"]):
                metric.update(batch.to(job.device), real=folder == job.reference)
    return counts[0], counts[1]
