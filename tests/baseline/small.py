"""Configurations that train in a blink, and how far a run is."""

from dataclasses import replace

from mifid.baseline.config.schema import Config, Data, Discriminator, Generator, Score, Training
from mifid.baseline.run.checkpoint import last_checkpoint

SMALL = Config(
    data=Data(size=16, fit="stretch", held_back=4),
    generator=Generator(network="resnet", width=4, blocks=1),
    discriminator=Discriminator(width=4, layers=1),
    training=Training(batch=2, steps=6, pool=3, ema=0.9, log_steps=2),
    score=Score(points=3, samples=2),
)


def changed(config=SMALL, **sections):
    """changed(loss={"cycle": 0.0}) replaces settings section by section."""
    return replace(
        config,
        **{name: replace(getattr(config, name), **values) for name, values in sections.items()},
    )


def last_step(run):
    """Return the step of the first process's last checkpoint; 0: there is none."""
    path = last_checkpoint(run)
    return int(path.name[5:13]) if path else 0
