"""Files of generators: weights and configuration, which painting needs, and scores.

Generators of other programs are read, too (:mod:`mifid.baseline.foreign`). Our own format is
safetensors, which cannot contain code: a file from others is safe to open. Names of tensors are
``raw.<weight>`` and ``ema.<weight>``; the metadata, all of it text:

========  =====================================================================
format    ``mifid-generator``
version   of the format: ``1``
config    the :class:`~mifid.baseline.config.Config`, as JSON
best      ``raw`` or ``ema``: the weights to paint with by default
facts     where the weights come from (step, scores), as JSON; of another program's
          weights, which `mifid painters add` brought into this format, ``origin``
          and ``notes`` in words
========  =====================================================================
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from mifid.baseline.config import Config, Data, as_dict, changed, from_dict
from mifid.baseline.foreign import Recognised, is_torch_file, read_torch_file, recognise
from mifid.baseline.models import GeneratorNetwork, memory_format, outline_generator
from mifid.errors import InputError, WeightsError, first_line, setting
from mifid.files import atomic_write, sha256_of_file

__all__ = [
    "FOREIGN_SIZE",
    "GeneratorFacts",
    "LoadedGenerator",
    "check_fit",
    "facts_of",
    "is_foreign",
    "load_generator",
    "origin_of",
    "save_generator",
]

_FORMAT = "mifid-generator"
_VERSION = 1
_KINDS = {"raw": "raw", "ema": "averaged (EMA)"}
_NAMED = 3  # number of tensors in a message
_BEST = "best.safetensors"
_HINT = (
    f"Expected {_BEST} of a run of `mifid train-baseline`, the run's folder, or a generator of the "
    "CycleGAN repository (latest_net_G_A.pth), of CUT (latest_net_G.pth) or of U-GAT-IT."
)
FOREIGN_SIZE = 256
"""Side of the pictures that another program's generator paints, unless one is given."""


@dataclass(frozen=True)
class LoadedGenerator:
    """A generator that is ready to paint.

    Attributes:
        network: in evaluation mode.
        config: that it was trained with.
        which: ``"raw"`` or ``"ema"``.
        facts: origin of the weights: step and scores.
        sha256: of its file, or another text that identifies these weights.
        origin: its file and network, in words.
        foreign: whether another program trained it.
        says_size: whether its file determines the size of its pictures.
        known: names of the settings that the file determines; the others are our defaults.
        notes: what the file does not say, and what is assumed instead.
    """

    network: GeneratorNetwork
    config: Config
    which: str
    facts: Mapping[str, Any]
    sha256: str
    origin: str = ""
    foreign: bool = False
    says_size: bool = True
    known: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"LoadedGenerator({self.origin!r}, which={self.which!r})"


def save_generator(
    path: str | os.PathLike[str],
    *,
    networks: Mapping[str, nn.Module],
    config: Config,
    best: str,
    facts: Mapping[str, Any],
) -> None:
    """Write generators of one configuration: equal weights and facts make equal files.

    Args:
        path: of the file, which is written whole or not at all.
        networks: ``"raw"``, ``"ema"`` or both. Floating-point weights are written as float32.
        config: that they were built from.
        best: the one to paint with by default.
        facts: in types of JSON, such as the step and its scores.

    Raises:
        OutputError: the file cannot be written.
    """
    tensors = {
        f"{kind}.{name}": _as_written(tensor)
        for kind, network in networks.items()
        for name, tensor in _bare(network).state_dict().items()
    }
    metadata = {
        "format": _FORMAT,
        "version": str(_VERSION),
        "config": json.dumps(as_dict(config)),
        "best": best,
        "facts": json.dumps(dict(facts), sort_keys=True),
    }
    content = memoryview(save(tensors, metadata))
    header, tensor_bytes = _sorted_header(content)
    with atomic_write(path) as file:
        file.write(header)
        file.write(tensor_bytes)


def load_generator(
    path: str | os.PathLike[str],
    *,
    which: str | None = None,
    device: torch.device | str = "cpu",
    size: int | None = None,
    side: str = "painter",
    given_as: str = "checkpoint",
    to_paint: bool = True,
) -> LoadedGenerator:
    """Read a generator that :func:`save_generator` wrote, or another program's.

    Of other programs, state dicts of the generators in :data:`mifid.baseline.foreign.LAYOUTS` are
    read, from files of ``torch.save`` or safetensors.

    Args:
        path: of the file, or of a run's folder, for its ``best.safetensors``.
        which: ``"raw"`` or ``"ema"``; None: the one that was the best.
        device: for the network.
        size: pixels a side of the pictures of another program's generator, whose file does not say
            it; None: 256, or the only one that it takes. Our own files say theirs.
        side: which generator to take of another program's file that has two, ``"painter"`` or
            ``"photographer"``.
        given_as: argument that the path was given as, for messages.
        to_paint: refuse a generator that has not learnt to paint.

    Raises:
        WeightsError: no such file, not a generator that is known or of a newer version, not
            these weights, weights that do not fit their configuration, or a generator that
            cannot paint.
        InputError: its configuration has settings that this version does not know, or ``which`` is
            another word.
    """
    if which is not None and which not in _KINDS:
        raise InputError(f"which is '{which}'; expected 'raw' or 'ema'")
    file = _file_of(Path(path), given_as)
    if is_foreign(file):
        read = _read_foreign(file, which, size, side=side)
    else:
        read = _read_own(file, which)
    loaded, tensors = read
    if to_paint and not loaded.config.paints:
        raise WeightsError(
            f"{file} holds a generator that has learnt to fill holes in pictures, not to paint",
            hint=f"Begin a training with it: mifid train-baseline with {setting('init', file)}.",
        )
    network = loaded.network.to_empty(device="cpu")
    network.load_state_dict(tensors)
    network = network.to(device).eval().requires_grad_(False)
    layout = memory_format(loaded.config, device, training=False)
    return replace(loaded, network=network.to(memory_format=layout))


@dataclass(frozen=True)
class GeneratorFacts:
    """What a file of :func:`save_generator` says of its generator.

    Attributes:
        config: that it was trained with.
        best: ``"raw"`` or ``"ema"``.
        facts: step and scores.
    """

    config: Config
    best: str
    facts: Mapping[str, Any]


def facts_of(file: Path) -> GeneratorFacts:
    """Return what a file of :func:`save_generator` says, without its weights.

    Raises:
        WeightsError: no such file, or not one of :func:`save_generator`.
        InputError: its configuration has settings that this version does not know.
    """
    if is_foreign(file):
        raise WeightsError(f"{file} was not written by mifid", hint=_HINT)
    with safe_open(file, framework="pt") as opened:
        metadata = opened.metadata()
    _check_version(metadata, file)
    return GeneratorFacts(
        config=from_dict(_parsed(metadata, "config", file), where=str(file)),
        best=metadata.get("best", ""),
        facts=_parsed(metadata, "facts", file),
    )


def _read_own(file: Path, which: str | None) -> tuple[LoadedGenerator, dict[str, Tensor]]:
    """Return a generator of this library, its network an outline, and its weights."""
    metadata, chosen, tensors = _read(file, which)
    config = from_dict(_parsed(metadata, "config", file), where=str(file))
    try:
        network = outline_generator(config.generator, size=config.data.size)
    except (RuntimeError, ValueError, TypeError, OverflowError) as error:
        raise WeightsError(
            f"{file}: its configuration makes no network: {first_line(error)}", hint=_HINT
        ) from error
    check_fit(
        network,
        tensors,
        f"{file}: the weights do not fit their configuration",
        hint="Was it written by another version of mifid, or changed by hand?",
    )
    facts = _parsed(metadata, "facts", file)
    step = f", step {facts['step']:,}" if type(facts.get("step")) is int else ""
    names = {f"generator.{field.name}" for field in fields(config.generator)}
    loaded = LoadedGenerator(
        network=network,
        config=config,
        which=chosen,
        facts=facts,
        sha256=sha256_of_file(file),
        origin=f"{file}, {origin_of(facts)} ({_KINDS.get(chosen, chosen)}{step})",
        known=frozenset(names),
        notes=_words(facts.get("notes")),
    )
    return loaded, tensors


def origin_of(facts: Mapping[str, Any]) -> str:
    """Return which program trained a generator, by its facts."""
    return next(iter(_words([facts.get("origin")])), "trained by mifid")


def _words(found: Any) -> tuple[str, ...]:
    """Return the texts of a list in a file, which may hold anything."""
    listed = found if isinstance(found, list) else []
    return tuple(text for text in listed if isinstance(text, str))


def _read_foreign(
    file: Path, which: str | None, size: int | None, *, side: str
) -> tuple[LoadedGenerator, dict[str, Tensor]]:
    """Return another program's generator, its network an outline, and its weights."""
    found = _recognised(file, side)
    size = size or found.size or FOREIGN_SIZE
    if found.size not in (None, size):
        raise WeightsError(
            f"{file} is {found.title}, which paints pictures of {found.size} x {found.size} alone, "
            f"not of {size} x {size}",
            hint=f"Give {setting('size', found.size)}, in training data.size={found.size}.",
        )
    data = Data(size=size, fit="stretch")
    config = changed(Config(data=data), found.settings, where=str(file))
    try:
        network = outline_generator(config.generator, size=size)
    except InputError as error:
        raise WeightsError(
            f"{file} is {found.title}, which cannot paint pictures of {size} x {size}: "
            f"{error.message}",
            hint="A U-Net of n halvings needs pictures whose side is a multiple of 2 to the power "
            f"of n: give it as {setting('size')}, in training as data.size.",
        ) from error
    check_fit(
        network,
        found.weights,
        f"{file} looks like {found.title}, but its weights do not fit",
        hint="Was the network changed? Paint with the program that trained it.",
        sources=found.sources,
    )
    if which == "ema":
        raise _without(which, {"raw"}, file)
    loaded = LoadedGenerator(
        network=network,
        config=config,
        which="raw",
        facts={},
        sha256=sha256_of_file(file),
        origin=f"{file}, {found.title} ({_summary(config)})",
        foreign=True,
        says_size=found.size is not None,
        known=frozenset(found.settings),
        notes=tuple(f"{file}: {note}" for note in found.notes),
    )
    return loaded, dict(found.weights)


def _summary(config: Config) -> str:
    """Return the architecture of a recognised network in a few words."""
    generator = config.generator
    size = f"{generator.blocks} blocks"
    if generator.network == "unet":
        size = f"{generator.depth} halvings"
    return f"{size}, width {generator.width}, norm {generator.norm}"


def _recognised(file: Path, side: str) -> Recognised:
    """Return what another program's file holds, of two generators the one of ``side``.

    Raises:
        WeightsError: it cannot be read safely, or holds no generator that is known.
    """
    try:
        if is_torch_file(file):
            return recognise(read_torch_file(file), side=side)
        with safe_open(file, framework="pt") as opened:
            names = opened.keys()
            return recognise({name: opened.get_tensor(name) for name in names})
    except (SafetensorError, OSError) as error:
        raise _unreadable(file, error) from error
    except WeightsError as error:
        raise WeightsError(f"{file}: {error.message}", hint=error.hint) from error


def is_foreign(file: Path) -> bool:
    """Return whether a file is not one of :func:`save_generator`.

    Raises:
        WeightsError: it is a checkpoint, or cannot be read.
    """
    if re.fullmatch(r"step-\d+\.rank\d+\.pt", file.name):
        raise _of_a_run(file)
    if is_torch_file(file):
        return True
    try:
        with safe_open(file, framework="pt") as opened:
            return (opened.metadata() or {}).get("format") != _FORMAT
    except (SafetensorError, OSError) as error:
        raise _unreadable(file, error) from error


def _file_of(path: Path, given_as: str) -> Path:
    """Return the file of a generator, which may be given by its run's folder."""
    if path.is_file():
        return path
    if not path.is_dir():
        raise WeightsError(f"{setting(given_as)}: no such file: {path}", hint=_HINT)
    if (path / _BEST).is_file():
        return path / _BEST
    if (path / "config.toml").is_file():
        raise WeightsError(
            f"{path} has a run without {_BEST}",
            hint="It is written with the first snapshot that is scored; go on with the run.",
        )
    raise WeightsError(f"{path} is a folder without {_BEST}", hint=_HINT)


def _bare(network: nn.Module) -> nn.Module:
    """Return the network that averaging and compiling have wrapped, for its names of weights."""
    while True:
        if isinstance(network, AveragedModel):
            network = network.module
        elif isinstance(inner := getattr(network, "_orig_mod", None), nn.Module):
            network = inner  # of torch.compile(network)
        else:
            return network


def _as_written(tensor: Tensor) -> Tensor:
    values = tensor.detach().cpu()
    values = values.float() if values.is_floating_point() else values
    # A copy, since safetensors refuses tensors that share memory.
    return values.clone(memory_format=torch.contiguous_format)


def _sorted_header(content: memoryview) -> tuple[bytes, memoryview]:
    """Split a safetensors file into its header, with sorted metadata, and the tensors.

    safetensors writes the metadata in an order that varies, so that equal generators would have
    different hashes. The header is a length (8 bytes, little-endian) and so many bytes of
    JSON, padded with spaces to a multiple of 8.
    """
    length = int.from_bytes(content[:8], "little")
    fields = json.loads(bytes(content[8 : 8 + length]))
    fields["__metadata__"] = dict(sorted(fields["__metadata__"].items()))
    text = json.dumps(fields, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text, content[8 + length :]


def _read(file: Path, which: str | None) -> tuple[dict[str, str], str, dict[str, Tensor]]:
    """Return the metadata, the chosen weights, and their tensors by the network's own names."""
    try:
        with safe_open(file, framework="pt") as opened:
            metadata = opened.metadata() or {}
            _check_version(metadata, file)
            chosen = which or metadata.get("best", "")
            names = [name.partition(".") for name in opened.keys()]  # noqa: SIM118 - not a mapping
            own = [name for kind, _, name in names if kind == chosen]
            if not own:
                raise _without(chosen, {kind for kind, _, _ in names}, file)
            return metadata, chosen, {name: opened.get_tensor(f"{chosen}.{name}") for name in own}
    except (SafetensorError, OSError) as error:
        raise _unreadable(file, error) from error


def _check_version(metadata: Mapping[str, str], file: Path) -> None:
    version = metadata.get("version")
    if version != str(_VERSION):
        raise WeightsError(
            f"{file} is a generator in format {version}; this mifid reads format {_VERSION}",
            hint="Update mifid: pip install --upgrade mifid",
        )


def _parsed(metadata: Mapping[str, str], key: str, file: Path) -> dict[str, Any]:
    try:
        parsed = json.loads(metadata[key])
    except (KeyError, ValueError, RecursionError) as error:
        raise WeightsError(f"{file}: its {key} is missing or damaged", hint=_HINT) from error
    if not isinstance(parsed, dict):
        raise WeightsError(
            f"{file}: its {key} is {metadata[key][:40]}; expected a JSON object", hint=_HINT
        )
    return parsed


def check_fit(
    network: nn.Module,
    tensors: Mapping[str, Tensor],
    problem: str,
    *,
    hint: str,
    sources: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Refuse tensors that are not exactly the weights of a network.

    Args:
        network: its outline is enough.
        tensors: by the network's names.
        problem: beginning of the message.
        hint: of the error.
        sources: name of a weight -> its name in the file; one that is missing is the same.
    """
    own = network.state_dict()
    problems = [f"{name} is missing" for name in own if name not in tensors]
    problems += [f"{name} is not expected" for name in tensors if name not in own]
    problems += [
        f"{sources.get(name, name)} has shape {tuple(tensors[name].shape)} instead of "
        f"{tuple(tensor.shape)}"
        for name, tensor in own.items()
        if name in tensors and tensors[name].shape != tensor.shape
    ]
    problems += [
        f"{sources.get(name, name)} is {str(tensors[name].dtype).removeprefix('torch.')} instead "
        f"of {str(tensor.dtype).removeprefix('torch.')}"
        for name, tensor in own.items()
        if name in tensors and tensors[name].dtype != tensor.dtype
    ]
    if problems:
        more = f" and {len(problems) - _NAMED:,} more" if len(problems) > _NAMED else ""
        raise WeightsError(f"{problem}: {'; '.join(problems[:_NAMED])}{more}", hint=hint)


def _without(which: str, kinds: set[str], file: Path) -> WeightsError:
    wanted = _KINDS.get(which, f"'{which}'")
    held = [text for kind, text in _KINDS.items() if kind in kinds]
    return WeightsError(
        f"{file} has no {wanted} weights; it has: {', '.join(held) or 'none'}",
        hint=f"Leave out {setting('which')} to paint with its best weights. A run with "
        f"{setting('checkpoint.keep_raw', 'true')} keeps both.",
    )


def _unreadable(file: Path, error: Exception) -> WeightsError:
    return WeightsError(
        f"{file} cannot be read as safetensors: {first_line(error)}",
        hint=f"It is cut short, damaged, or no file of weights. {_HINT}",
    )


def _of_a_run(file: Path) -> WeightsError:
    best = file.resolve().parent.parent / _BEST
    there = f": {best}" if best.is_file() else " of its run"
    return WeightsError(
        f"{file} is a checkpoint, from which a run goes on; it is not for painting",
        hint=f"Paint with {_BEST}{there}.",
    )
