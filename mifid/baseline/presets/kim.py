"""U-GAT-IT, by the authors' PyTorch code, light and full."""

from __future__ import annotations

from mifid.baseline.presets.preset import Preset

__all__ = ["LIGHT", "OF_A_FULL_FORM", "PRESETS", "RECIPE"]

_SOURCE = "Kim et al. 2020"
_NETWORKS = """
    generator.width=64 generator.blocks=4 generator.norm_eps=1e-5 generator.init_type=torch
    discriminator.network=ugatit discriminator.width=64 discriminator.layers=3
    discriminator.slope=0.2 discriminator.init_type=torch
"""
RECIPE = f"""
    {_NETWORKS}
    augment.sides=both augment.enlarge={286 / 256} augment.flip=true
    loss.adversarial=lsgan loss.weight=1 loss.cycle=10 loss.identity=10 loss.cam=1000
    loss.real_label=1 loss.fake_label=0 loss.generator_label=1 loss.discriminator_scale=1
    optimiser.name=adam optimiser.rate=1e-4 optimiser.discriminator_rate=1e-4
    optimiser.beta1=0.5 optimiser.beta2=0.999 optimiser.weight_decay=1e-4
    schedule.name=linear schedule.start=0.5
    training.method=ugatit training.batch=1 training.pool=0
"""
"""The values of the authors' code, but for the generator's form and the length."""

LIGHT = "generator.network=ugatit"
OF_A_FULL_FORM = "checkpoint.exact=false checkpoint.kept=1"
"""What a full form needs: an exact checkpoint has 8 GB, and two are kept."""

_STEPS = "training.steps=1_000_000"
_OURS = (
    "Two values differ from the authors' code: spectral norm begins with fifteen steps of the "
    "power method, and real and generated pictures of a step share one."
)

PRESETS = (
    Preset(
        "ugatit",
        "U-GAT-IT, light: attention maps, AdaLIN, two-scale discriminators, 1,000,000 steps",
        source=_SOURCE,
        given=f"{LIGHT} {RECIPE} {_STEPS}",
        added="training.ema=0",
        note=f"The form of 10.6 million weights a generator, which the authors call light. {_OURS}",
    ),
    Preset(
        "ugatit-full",
        "U-GAT-IT, full: as ugatit, with norms steered by each pixel of the inner map",
        source=_SOURCE,
        given=f"generator.network=ugatit_full {RECIPE} {_STEPS}",
        added=f"training.ema=0 {OF_A_FULL_FORM}",
        note="279 million weights a generator, 671 million in all: with gradients and Adam's "
        "moments 10.7 GB of memory before the first picture. It paints only pictures of data.size. "
        f"Its checkpoints are small ones of 4 GB, of which one is kept. {_OURS}",
    ),
)
