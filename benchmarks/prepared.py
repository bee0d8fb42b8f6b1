"""What the tools need before they run: pictures, and the weights where each looks for them."""

from __future__ import annotations

from typing import Any

from peer_job import SCRIPTED, Job

__all__ = ["PREPARATIONS"]


def _prepare(job: Job) -> None:
    """Draw what pictures are missing and lay out the weights; no tool downloads anything.

    A process of its own does it, because it imports torch (see `run_measured`).
    - mifid, torch-fidelity and two of torchmetrics' take a path.
    - pytorch-fid, clean-fid's legacy_pytorch and torchmetrics' MiFID look in torch hub's cache for
      the published file's name (nobody checks its hash), so TORCH_HOME points to one of ours.
    - clean-fid's legacy_tensorflow loads a TorchScript file, which `_script` makes.
    """
    from mifid.extractors.weights import FILE_NAMES

    _draw(job)
    if not job.weights.exists():
        import torch

        from mifid.extractors.inception import RandomInception

        torch.save(dict(RandomInception().state_dict()), job.weights)
    hub = job.peers / "hub" / "checkpoints"
    hub.mkdir(parents=True)
    for name in FILE_NAMES:
        (hub / name).symlink_to(job.weights.resolve())


def _convert(job: Job) -> None:
    """Let mifid convert the network for OpenVINO, as its first run does."""
    from mifid.extractors import open_extractor

    open_extractor("inception", weights=job.weights, backend="openvino").load("cpu")


def _draw(job: Job) -> None:
    import numpy as np

    from mifid.demo import brush_strokes, landscape, painting
    from mifid.submission import encode_picture

    def repainted(number: int) -> Any:
        photo = landscape(np.random.RandomState(number))
        return brush_strokes(photo, np.random.RandomState(number))

    def painted(number: int) -> Any:
        return painting(np.random.RandomState(10_000 + number))

    for folder, count, picture in (
        (job.generated, job.draw[0], repainted),
        (job.reference, job.draw[1], painted),
    ):
        if not folder.exists():
            folder.mkdir()
            for number in range(count):
                (folder / f"{number:04}.jpg").write_bytes(encode_picture(picture(number)))


def _script(job: Job) -> None:
    """Make the TorchScript file that clean-fid would download.

    That file's forward() resizes as TensorFlow 1 does, by sampling a grid that is shifted by half
    a pixel of either size, then scales; it has a child `layers` for the rest. The layers here are
    torch-fidelity's.
    """
    import torch
    from torch.nn.functional import affine_grid, grid_sample
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    class Scripted(torch.nn.Module):
        def __init__(self, layers: torch.nn.Module) -> None:
            super().__init__()
            self.layers = layers

        def forward(self, x: torch.Tensor, return_features: bool = False) -> torch.Tensor:
            assert return_features
            n, channels, height, width = x.shape
            shift = [[1.0, 0.0, 1 / width - 1 / 299], [0.0, 1.0, 1 / height - 1 / 299]]
            grid = affine_grid(
                torch.tensor(shift, device=x.device).expand(n, 2, 3),
                [n, channels, 299, 299],
                align_corners=False,
            )
            x = grid_sample(x, grid, padding_mode="border", align_corners=False)
            return torch.flatten(self.layers((x - 128) / 128), 1)

    network = FeatureExtractorInceptionV3(
        "inception-v3-compat", ["2048"], feature_extractor_weights_path=str(job.weights)
    )
    layers = [layer for name, layer in network.named_children() if name != "fc"]
    scripted: Any = torch.jit.script(Scripted(torch.nn.Sequential(*layers)))
    scripted.save(job.peers / SCRIPTED)


PREPARATIONS = {"prepare": _prepare, "convert": _convert, "script": _script}
