"""Report D: Sabathier and Souaidi, paper; their plain CycleGAN."""

from __future__ import annotations

from mifid.baseline.presets.preset import Preset

__all__ = ["PRESETS"]

_SOURCE = "D. Sabathier, Souaidi"
_GIVEN = """
    generator.network=skip_resnet generator.norm=layer loss.adversarial=log
    training.method=cyclegan training.batch=1 training.epochs=100
    optimiser.rate=2e-4 optimiser.discriminator_rate=2e-4
"""
_ADDED = "discriminator.norm=layer training.ema=0"
_LOG = (
    "'Log loss' is read as the minimax of Goodfellow et al. 2014; it may mean cross-entropy (bce)."
)

PRESETS = (
    Preset(
        "sabathier-cyclegan",
        "ResNet with skip connections, LayerNorm, log loss, Adam, 100 epochs",
        source=_SOURCE,
        reported=48.39,
        given=f"{_GIVEN} optimiser.name=adam",
        added=_ADDED,
        note=_LOG,
    ),
    Preset(
        "sabathier-adabelief",
        "as sabathier-cyclegan, with AdaBelief",
        source=_SOURCE,
        reported=80.48,
        given=f"{_GIVEN} optimiser.name=adabelief",
        added=_ADDED,
        note=f"Needs pip install 'mifid[adabelief]'. {_LOG}",
    ),
)
