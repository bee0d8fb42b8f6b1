"""Generators and discriminators, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mifid.registry import lazy_names

if TYPE_CHECKING:
    from mifid.baseline.models.batch_patchgan import BatchPatchGAN as BatchPatchGAN
    from mifid.baseline.models.bayes_resnet import MapResNet as MapResNet
    from mifid.baseline.models.first_weights import initialise as initialise
    from mifid.baseline.models.generator import GeneratorNetwork as GeneratorNetwork
    from mifid.baseline.models.generator import Painted as Painted
    from mifid.baseline.models.layers import memory_format as memory_format
    from mifid.baseline.models.networks import DISCRIMINATORS as DISCRIMINATORS
    from mifid.baseline.models.networks import GENERATORS as GENERATORS
    from mifid.baseline.models.networks import build_discriminator as build_discriminator
    from mifid.baseline.models.networks import build_generator as build_generator
    from mifid.baseline.models.networks import outline_discriminator as outline_discriminator
    from mifid.baseline.models.networks import outline_generator as outline_generator
    from mifid.baseline.models.norms import norm_is_per_sample as norm_is_per_sample
    from mifid.baseline.models.patch_features import PatchHeads as PatchHeads
    from mifid.baseline.models.patch_features import ResNetWithMaps as ResNetWithMaps
    from mifid.baseline.models.patch_features import map_channels as map_channels
    from mifid.baseline.models.resnet import ResNet as ResNet

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "batch_patchgan": ["BatchPatchGAN"],
        "bayes_resnet": ["MapResNet"],
        "first_weights": ["initialise"],
        "generator": ["GeneratorNetwork", "Painted"],
        "layers": ["memory_format"],
        "networks": [
            "DISCRIMINATORS",
            "GENERATORS",
            "build_discriminator",
            "build_generator",
            "outline_discriminator",
            "outline_generator",
        ],
        "norms": ["norm_is_per_sample"],
        "patch_features": ["PatchHeads", "ResNetWithMaps", "map_channels"],
        "resnet": ["ResNet"],
    },
)
