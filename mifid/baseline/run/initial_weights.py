"""Weights that a run begins with instead of random ones: of one generator, or of a whole run."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mifid.baseline.config import Config, Inputs, read_run_file
from mifid.baseline.gan import METHODS
from mifid.baseline.generation import check_fit, load_generator
from mifid.baseline.models import outline_generator
from mifid.baseline.run.checkpoint import is_checkpoint, last_checkpoint, networks_of
from mifid.baseline.run.run_folder import CONFIG
from mifid.errors import InputError, WeightsError, setting, warn
from mifid.files import sha256_of_file

__all__ = ["SIDES", "InitialWeights", "read_initial_weights"]

SIDES = ("painter", "photographer")
"""Networks that can begin with weights of their own."""

_DRAWN = ("init", "init_type", "norm_init")  # settings of first weights, which are not drawn here


@dataclass(frozen=True)
class InitialWeights:
    """First weights of some networks.

    Attributes:
        weights: name of a network -> its weights by their names.
        origins: name of a network -> file and network, in words.
        settings: name of a network -> ``section.key`` -> value, as its file says.
    """

    weights: Mapping[str, Mapping[str, Tensor]]
    origins: Mapping[str, str]
    settings: Mapping[str, Mapping[str, Any]]

    @property
    def description(self) -> str:
        """Networks and origins, for records."""
        together: dict[str, list[str]] = {}
        for name, origin in self.origins.items():
            together.setdefault(origin, []).append(name)
        return "; ".join(f"{', '.join(names)}: {origin}" for origin, names in together.items())

    @property
    def digest(self) -> bytes:
        """A hash of all weights and their names, wherever they come from."""
        found = hashlib.sha256()
        for network, weights in sorted(self.weights.items()):
            for name, tensor in sorted(weights.items()):
                found.update(f"{network}.{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
                content = tensor.detach().cpu().contiguous().flatten().view(torch.uint8)
                found.update(content.numpy().data)
        return found.digest()

    def check(self, config: Config, *, hint: str) -> None:
        """Refuse weights of generators that do not fit the configuration.

        Args:
            config: of the run.
            hint: which settings would fit.

        Raises:
            WeightsError: they have other names or shapes.
            InputError: no such network can be built.
        """
        for name in SIDES:
            if name in self.weights:
                network = outline_generator(config.generator, size=config.data.size)
                self._check(name, network, hint=hint)

    def load(self, networks: Mapping[str, nn.Module]) -> None:
        """Set the weights of networks.

        Raises:
            InputError: a network that the run does not have.
            WeightsError: weights that do not fit.
        """
        for name, weights in self.weights.items():
            if name not in networks:
                raise InputError(
                    f"{setting('init')} has weights for a {name}, which the run does not have",
                    hint=f"Its networks are: {', '.join(networks)}.",
                )
            hint = "Train with the settings of the run that they are from."
            self._check(name, networks[name], hint=hint)
            networks[name].load_state_dict(dict(weights))

    def _check(self, name: str, network: nn.Module, *, hint: str) -> None:
        problem = f"{setting('init')}: the {name} does not fit the settings ({self.origins[name]})"
        check_fit(network, self.weights[name], problem, hint=hint)


@dataclass(frozen=True)
class _Found:
    """One network of a file."""

    weights: Mapping[str, Tensor]
    origin: str
    settings: Mapping[str, Any]
    for_all: bool = False  # of a generator that has not learnt yet which side's pictures to make


def read_initial_weights(inputs: Inputs, config: Config) -> InitialWeights | None:
    """Read the files that ``inputs`` names; None: it names none.

    Args:
        inputs: of the run.
        config: of the run, for the size of pictures, which other programs' files do not say.

    Raises:
        WeightsError: a file that holds no weights that are known.
        InputError: two files for one network.
    """
    found: dict[str, _Found] = {}
    if inputs.init:
        found |= _of_all(Path(inputs.init), config)
    for side, given in zip(SIDES, (inputs.init_painter, inputs.init_photographer), strict=True):
        if given and side in found:
            raise InputError(
                f"{setting('init')} gives the {side} twice: {inputs.init} and {given}",
                hint=f"Give each network once, such as {setting('init', f'{side}={given}')}.",
            )
        if given:
            found[side] = _of_side(Path(given), side, config)
    if not found:
        return None
    return InitialWeights(
        weights={name: each.weights for name, each in found.items()},
        origins={name: each.origin for name, each in found.items()},
        settings={name: each.settings for name, each in found.items()},
    )


def _of_all(path: Path, config: Config) -> dict[str, _Found]:
    """Return all networks of a run, or the painter of a file of one generator.

    What `mifid pretrain` made is for all generators.
    """
    checkpoint = path if is_checkpoint(path) else last_checkpoint(path)
    if checkpoint is not None and not _is_pretrained(path, config):
        return _of_run(checkpoint, config)
    painter = _of_side(path, "painter", config)
    if painter.for_all:
        both = "photos" in METHODS[config.training.method].sides
        return dict.fromkeys(SIDES if both else SIDES[:1], painter)
    if path.is_dir():
        warn(
            f"{path} has no checkpoints, only its best painter: the other networks begin with "
            "random weights"
        )
    return {"painter": painter}


def _of_side(path: Path, side: str, config: Config) -> _Found:
    """Return the weights of one generator; of a run's folder, the best of its painter."""
    checkpoint = path if is_checkpoint(path) else None
    whole = side != "painter" and path.is_dir() and not _is_pretrained(path, config)
    if whole and checkpoint is None:
        checkpoint = last_checkpoint(path)
        if checkpoint is None:
            raise WeightsError(
                f"{path} has no {side}: it has no checkpoints",
                hint="Give the file of a generator, or the folder of a run with its checkpoints.",
            )
    if checkpoint is not None:
        networks = _of_run(checkpoint, config)
        if side not in networks:
            raise WeightsError(
                f"{checkpoint} has no {side}; it has: {', '.join(networks)}",
                hint="Give a run of training.method=cyclegan.",
            )
        return networks[side]
    loaded = load_generator(path, size=config.data.size, side=side, given_as="init", to_paint=False)
    for note in loaded.notes:
        warn(note)
    settings = {
        name: getattr(loaded.config.generator, name.partition(".")[2])
        for name in loaded.known
        if name.partition(".")[2] not in _DRAWN
    }
    if loaded.config.generator.is_unet and loaded.config.data.size != config.data.size:
        settings["generator.depth"] = len(list(loaded.network.get_submodule("down").children()))
    return _Found(
        weights=loaded.network.state_dict(),
        origin=f"{loaded.origin}, SHA-256 {loaded.sha256[:12]}",
        settings=settings,
        for_all=not loaded.config.paints,
    )


def _is_pretrained(path: Path, config: Config) -> bool:
    """Return whether a folder has a run of `mifid pretrain`, and this is another kind of run."""
    file = path / CONFIG
    if not file.is_file():
        return False
    _, own = read_run_file(file)
    return own.training.method != config.training.method and not own.paints


def _of_run(checkpoint: Path, config: Config) -> dict[str, _Found]:
    """Return all networks of a checkpoint, whose run's folder has the settings."""
    file = checkpoint.resolve().parent.parent / CONFIG
    if not file.is_file():
        raise InputError(
            f"{checkpoint} is a checkpoint without its run: there is no {file}",
            hint="Its architecture is in config.toml: give the run's folder, or best.safetensors.",
        )
    _, own = read_run_file(file)
    if own.training.method != config.training.method:
        raise InputError(
            f"{file.parent} is a run of training.method {own.training.method}; this one is of "
            f"{config.training.method}",
            hint=f"Give one generator: {setting('init', f'painter={file.parent}')}.",
        )
    origin = f"{checkpoint}, trained by mifid, SHA-256 {sha256_of_file(checkpoint)[:12]}"
    return {
        name: _Found(weights, origin, _settings_of(own, name))
        for name, weights in networks_of(checkpoint).items()
    }


def _settings_of(config: Config, name: str) -> dict[str, Any]:
    """Return the settings of a network's architecture."""
    section = "generator" if name in SIDES else "discriminator"
    part = getattr(config, section)
    return {
        f"{section}.{field.name}": getattr(part, field.name)
        for field in fields(part)
        if field.name not in _DRAWN
    }
