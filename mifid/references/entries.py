"""The references that have a name: one entry each, with its source.

Sources of names, addresses and numbers of pictures: github.com/GaParmar/clean-fid (README, and
``get_reference_statistics`` of cleanfid/features.py); github.com/NVlabs/edm and edm2 (README);
github.com/openai/guided-diffusion (evaluations/README.md). None of them states a hash.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from mifid.extractors import CLEAN_FID, PYTORCH_FID, TF1_BILINEAR, published_identity
from mifid.statistics import Provenance

__all__ = ["COMPETITION", "REFERENCES", "WIDTH", "Reference", "siblings"]

COMPETITION = "gan-getting-started"
"""Kaggle's name of the competition, of which its folder is named."""

_TOOLS = {TF1_BILINEAR: "", CLEAN_FID: "-clean-fid", PYTORCH_FID: "-pytorch-fid"}
"""Resize -> end of the names of references that it made."""

WIDTH = 2048
"""Of the features of Inception."""

_MOMENTS = 8 * WIDTH * (WIDTH + 1)
"""Bytes of mean and covariance in float64."""

_SPATIAL = 8 * 2023 * 2024
"""Bytes of those of Inception's spatial features."""


@dataclass(frozen=True)
class Reference:
    """A reference that has a name.

    Attributes:
        name: as users give it.
        data: name of the pictures, whatever network and resize; equal in :func:`siblings`.
        title: of the pictures.
        pictures: their number; None: the source does not state it.
        holds: ``"statistics"``, ``"features"`` or ``"pictures"``.
        size: of the file in bytes, about, as its arrays need; 0: a folder.
        resize: that made it, a name of :data:`mifid.extractors.RESIZES`; empty: pictures.
        protocol: of :data:`mifid.evaluation.PROTOCOLS` that it is made for; empty: none.
        urls: where the file is fetched; all have the same bytes.
        sha256: of its bytes, where the publisher states it; None: unknown.
        folder: of the competition, in place of a file.
        source: its publisher, in a word.
        licence: of the file; the pictures have their own.
        citation: of the work that published it.
        home: page of its publisher.
    """

    name: str
    data: str
    title: str
    pictures: int | None = None
    holds: str = "statistics"
    size: int = _MOMENTS
    resize: str = TF1_BILINEAR
    protocol: str = ""
    urls: tuple[str, ...] = ()
    sha256: str | None = None
    folder: str = ""
    source: str = ""
    licence: str = ""
    citation: str = ""
    home: str = ""

    @property
    def file(self) -> str:
        """Name of the file; empty: it is a folder."""
        return self.urls[0].rpartition("/")[2] if self.urls else ""

    @property
    def extractor(self) -> str:
        """Name of the extractor that made it; empty: pictures, which any extractor takes."""
        return published_identity(self.resize).name if self.resize else ""

    @property
    def provenance(self) -> Provenance:
        """With what it was computed, as its publisher states it."""
        identity = published_identity(self.resize)
        reasons = (f"{self.name} is not the competition's reference", identity.not_comparable)
        return Provenance(
            extractor=identity.name,
            fingerprint=identity.fingerprint,
            not_comparable="; ".join(filter(None, reasons)),
            weights_sha256=identity.weights_sha256,
            resize=identity.resize,
            dtype=identity.dtype,
        )


def _clean_fid() -> Iterator[Reference]:
    """Yield the table "Supported Precomputed Datasets" of clean-fid's README.

    Its files are ``{dataset}_{mode}_{split}_{resolution}.npz`` in lower case; mode
    ``legacy_tensorflow`` resizes as Kaggle does, and as the first FID did.
    """
    modes = {TF1_BILINEAR: "legacy_tensorflow", CLEAN_FID: "clean", PYTORCH_FID: "legacy_pytorch"}
    for dataset, resolutions, split, pictures, title in (
        ("cifar10", (32,), "train", 50_000, "CIFAR-10"),
        ("cifar10", (32,), "test", 10_000, "CIFAR-10"),
        ("ffhq", (1024, 256), "trainval", 50_000, "FFHQ"),
        ("ffhq", (1024, 256), "trainval70k", 70_000, "FFHQ"),
        ("lsun_church", (256,), "train", 50_000, "LSUN outdoor church"),
        ("lsun_horse", (256,), "train", 50_000, "LSUN horse"),
        ("lsun_cat", (256,), "train", 50_000, "LSUN cat"),
        ("lsun_cat", (256,), "trainfull", 1_657_264, "LSUN cat"),
        ("afhq_cat", (512,), "train", 5_153, "AFHQ cat"),
        ("afhq_dog", (512,), "train", 4_739, "AFHQ dog"),
        ("afhq_wild", (512,), "train", 4_738, "AFHQ wild"),
        ("brecahad", (512,), "train", 1_944, "BreCaHAD"),
        ("metfaces", (1024,), "train", 1_336, "MetFaces"),
        ("horse2zebra", (256,), "test", 140, "horse2zebra"),
        ("cat2dog", (256,), "test", 500, "cat2dog"),
    ):
        for resolution in resolutions:
            size = f"-{resolution}" * (len(resolutions) > 1)
            data = f"{dataset.replace('_', '-')}{size}-{split}"
            for resize, mode in modes.items():
                stem = f"{dataset}_{mode}_{split}_{resolution}"
                entry = Reference(
                    data + _TOOLS[resize],
                    data,
                    f"{title}, {resolution} pixels, {split}",
                    pictures,
                    resize=resize,
                    urls=(f"https://www.cs.cmu.edu/~clean-fid/stats/{stem}.npz",),
                    source="clean-fid",
                    licence="MIT",
                    citation="Parmar, Zhang and Zhu 2022, arXiv:2104.11222",
                    home="https://github.com/GaParmar/clean-fid",
                )
                yield entry
                # "The dataset statistics for KID are only precomputed for smaller datasets."
                few = dataset.startswith(("afhq", "brecahad", "metfaces"))
                if few and resize == CLEAN_FID:
                    yield replace(
                        entry,
                        name=f"{entry.name}-features",
                        holds="features",
                        size=4 * WIDTH * pictures,
                        urls=(f"https://www.cs.cmu.edu/~clean-fid/stats/{stem}_kid.npz",),
                    )


def _edm() -> Iterator[Reference]:
    nvidia = "https://nvlabs-fi-cdn.nvidia.com"
    for name, file, title, pictures in (
        ("edm-cifar10", "cifar10-32x32", "CIFAR-10, 32 pixels, train", 50_000),
        ("edm-ffhq-64", "ffhq-64x64", "FFHQ, 64 pixels", 70_000),
        ("edm-afhqv2-64", "afhqv2-64x64", "AFHQv2, 64 pixels", None),
        ("edm-imagenet-64", "imagenet-64x64", "ImageNet, 64 pixels, train", None),
        (
            "edm-imagenet-64-baseline",
            "imagenet-64x64-baseline",
            "ImageNet, 64 pixels, train, resized as for ADM",
            None,
        ),
    ):
        yield Reference(
            name,
            name,
            title,
            pictures,
            urls=(f"{nvidia}/edm/fid-refs/{file}.npz",),
            source="EDM",
            licence="CC BY-NC-SA 4.0",
            citation="Karras, Aittala, Aila and Laine 2022, arXiv:2206.00364",
            home="https://github.com/NVlabs/edm",
        )
    for resolution in (64, 512):
        yield Reference(
            f"edm2-imagenet-{resolution}",
            f"edm2-imagenet-{resolution}",
            f"ImageNet, {resolution} pixels, train",
            size=_MOMENTS + 8 * 1024 * 1025,  # those of DINOv2, too, which are not read
            urls=(f"{nvidia}/edm2/dataset-refs/img{resolution}.pkl",),
            source="EDM2",
            licence="CC BY-NC-SA 4.0",
            citation="Karras et al. 2024, arXiv:2312.02696",
            home="https://github.com/NVlabs/edm2",
        )


def _guided_diffusion() -> Iterator[Reference]:
    """Yield OpenAI's reference batches: statistics of all pictures, and 10,000 of the pictures."""
    base = "https://openaipublic.blob.core.windows.net/diffusion/jul-2021/ref_batches"
    for name, title, resolution, path in (
        ("lsun-bedroom-256", "LSUN bedroom", 256, "lsun/bedroom/VIRTUAL_lsun_bedroom256.npz"),
        ("lsun-cat-256", "LSUN cat", 256, "lsun/cat/VIRTUAL_lsun_cat256.npz"),
        ("lsun-horse-256", "LSUN horse", 256, "lsun/horse/VIRTUAL_lsun_horse256.npz"),
        ("imagenet-64", "ImageNet", 64, "imagenet/64/VIRTUAL_imagenet64_labeled.npz"),
        ("imagenet-128", "ImageNet", 128, "imagenet/128/VIRTUAL_imagenet128_labeled.npz"),
        ("imagenet-256", "ImageNet", 256, "imagenet/256/VIRTUAL_imagenet256_labeled.npz"),
        ("imagenet-512", "ImageNet", 512, "imagenet/512/VIRTUAL_imagenet512.npz"),
    ):
        yield Reference(
            f"adm-{name}",
            f"adm-{name}",
            f"{title}, {resolution} pixels, all; and 10,000 of them",
            size=_MOMENTS + _SPATIAL + 10_000 * resolution**2 * 3,
            protocol="adm",
            urls=(f"{base}/{path}",),
            source="ADM",
            licence="MIT",
            citation="Dhariwal and Nichol 2021, arXiv:2105.05233",
            home="https://github.com/openai/guided-diffusion/tree/main/evaluations",
        )


def _competition() -> Iterator[Reference]:
    for name, title, pictures in (
        ("monet", "the competition's paintings", 300),
        ("photo", "the competition's photos", 7_038),
    ):
        yield Reference(
            name,
            name,
            title,
            pictures,
            holds="pictures",
            size=0,
            resize="",
            folder=f"{name}_jpg",
            source="Kaggle",
            licence="competition rules",
            citation="Kaggle, I'm Something of a Painter Myself",
            home=f"https://www.kaggle.com/competitions/{COMPETITION}",
        )


REFERENCES: Mapping[str, Reference] = {
    each.name: each
    for entries in (_competition, _clean_fid, _edm, _guided_diffusion)
    for each in entries()
}
"""Name -> reference."""


def siblings(reference: Reference, extractor: str) -> list[str]:
    """Return names of references of the same pictures that another extractor made."""
    return [
        each.name
        for each in REFERENCES.values()
        if each.data == reference.data and each.extractor == extractor
    ]
