"""Tiny generators with random weights, and the configurations that they are built from."""

from dataclasses import replace

from mifid.baseline.config.schema import Config, Data, Generator
from mifid.baseline.generation.weights_file import save_generator
from mifid.baseline.models import build_generator

TINY = Generator(network="resnet", width=4, blocks=1)


def config(*, size=16, fit="exact", generator=TINY):
    return replace(Config(), data=Data(size=size, fit=fit), generator=generator)


def built(settings, seed=0):
    return build_generator(settings.generator, size=settings.data.size, seed=seed)


def saved(path, settings=None, *, best="ema", facts=None):
    """Write raw and averaged weights (two draws); return the path."""
    settings = settings or config()
    networks = {"raw": built(settings, 1), "ema": built(settings, 2)}
    facts = facts or {"step": 7}
    save_generator(path, networks=networks, config=settings, best=best, facts=facts)
    return path
