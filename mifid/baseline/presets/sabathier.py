"""Report D: Sabathier and Souaidi, paper."""

from __future__ import annotations

from mifid.baseline.presets.bayes import BAYES
from mifid.baseline.presets.bayes import SILENT as BAYES_SILENT
from mifid.baseline.presets.keras_tutorial import KERAS
from mifid.baseline.presets.kim import LIGHT, OF_A_FULL_FORM, RECIPE
from mifid.baseline.presets.preset import Preset

__all__ = ["PRESETS"]

_SOURCE = "D. Sabathier, Souaidi"
_GIVEN = """
    generator.network=skip_resnet generator.norm=layer generator.first_norm=false
    discriminator.network=patchgan discriminator.layers=3 discriminator.pooling=true
    loss.adversarial=bce loss.identity=0
    training.method=cyclegan training.batch=1 training.epochs=100
    optimiser.rate=2e-4 optimiser.discriminator_rate=2e-4
"""
_ADDED = f"{KERAS} discriminator.norm=layer training.ema=0"
_UGATIT = """
    discriminator.network=ugatit loss.adversarial=lsgan
    optimiser.name=adam optimiser.rate=1e-4 optimiser.discriminator_rate=1e-4
    training.method=ugatit training.epochs=60
"""
_UGATIT_ADDED = "training.epoch=photos training.ema=0"
_EPOCH = (
    "An epoch is read as one of the 7,000 photos: 420,000 steps, which fit the 65 hours on a V100 "
    "that the report gives. All that the report does not give is as in the authors' code."
)

PRESETS = (
    Preset(
        "sabathier-cyclegan",
        "ResNet with skip connections, LayerNorm, -log D, no identity loss, Adam, 100 epochs",
        source=_SOURCE,
        reported=48.39,
        given=f"{_GIVEN} optimiser.name=adam",
        added=_ADDED,
        note="Its discriminator is read as a PatchGAN's five convolutions, then the average of all "
        "patches.",
    ),
    Preset(
        "sabathier-adabelief",
        "as sabathier-cyclegan, with AdaBelief",
        source=_SOURCE,
        reported=80.48,
        given=f"{_GIVEN} optimiser.name=adabelief",
        added=f"{_ADDED} optimiser.eps=1e-14 optimiser.rectify=true optimiser.beta1=0.9",
        note="Needs pip install 'mifid[adabelief]'. Betas, epsilon and rectification are the "
        "defaults of AdaBelief for TensorFlow, which the authors probably used.",
    ),
    Preset(
        "sabathier-bayes",
        "Bayesian CycleGAN: sampled maps joined to the input, 3 samples, KL 0.1, 40 epochs",
        source=_SOURCE,
        reported=55.08,
        given="training.method=bayes_cyclegan training.mc_samples=3 loss.kl=0.1 training.epochs=40",
        added=f"{BAYES} {BAYES_SILENT} generator.network=map_resnet schedule.name=constant",
        note="The report does not say whether its samples are noise or maps; the weight of the KL "
        "divergence, which it gives, is for maps. The rest is as in the command of Bayesian "
        "CycleGAN's authors, whose rate is constant for 50 epochs.",
    ),
    Preset(
        "sabathier-ugatit",
        "U-GAT-IT, light, 60 epochs",
        source=_SOURCE,
        given=f"{LIGHT} {_UGATIT}",
        added=f"{RECIPE} {_UGATIT_ADDED}",
        note=f"The report names this form, and gives no score of it. {_EPOCH}",
    ),
    Preset(
        "sabathier-ugatit-full",
        "U-GAT-IT, full, 60 epochs",
        source=_SOURCE,
        reported=39.32,
        given=f"generator.network=ugatit_full {_UGATIT}",
        added=f"{RECIPE} {_UGATIT_ADDED} {OF_A_FULL_FORM}",
        note="The best score of the reports. That it is of the full form is our reading, as the "
        f"report names the light one beside it. {_EPOCH} See ugatit-full for its memory.",
    ),
)
