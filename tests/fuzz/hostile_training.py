"""Files of training runs and of scores: generators, checkpoints, weights, settings, results."""

from __future__ import annotations

import io
import json
import re
import struct
import tempfile
import warnings
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import torch
from hostile_statistics import rewritten
from mutations import ODD_NAMES, ODD_NUMBERS, damaged
from original_networks import UGATIT, ResNet, UNet

__all__ = [
    "checkpoint_file",
    "foreign_generator_file",
    "generator_file",
    "history_file",
    "metrics_file",
    "score_file",
    "selection_file",
    "settings_file",
    "weights_file",
]

_ODD_VALUES: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    1e308,
    -1e308,
    2**70,
    "",
    "x",
    "\ud800",
    "\x1b]0;t\x07",
    "=1+1",
    [],
    {},
    [1],
    {"a": 1},
    [[]] * 3,
    "nan",
    0.5,
    "../x",
    "a" * 10_000,
)


def changed(value: Any, random: Random) -> Any:
    """Replace, remove or add something somewhere in a tree of dicts and lists."""
    if isinstance(value, dict) and value and random.random() < 0.9:
        key = random.choice(list(value))
        match random.randrange(8):
            case 0:
                return {k: v for k, v in value.items() if k != key}
            case 1:
                return {**value, random.choice([*ODD_NAMES, key + "x"]): random.choice(_ODD_VALUES)}
            case _:
                return {**value, key: changed(value[key], random)}
    if isinstance(value, list) and value and random.random() < 0.7:
        at = random.randrange(len(value))
        return [*value[:at], changed(value[at], random), *value[at + 1 :]]
    if random.random() < 0.3:
        return random.choice(ODD_NUMBERS)
    return random.choice(_ODD_VALUES)


@cache
def _generator() -> bytes:
    from mifid.baseline.config.schema import Config, Data, Generator
    from mifid.baseline.generation.weights_file import save_generator
    from mifid.baseline.models import build_generator

    config = Config(data=Data(size=16), generator=Generator(network="resnet", width=4, blocks=1))
    network = build_generator(config.generator, size=16, seed=0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "best.safetensors")
        save_generator(
            path, networks={"raw": network}, config=config, best="raw", facts={"step": 7}
        )
        return path.read_bytes()


def generator_file(random: Random) -> bytes:
    """Change the JSON header of a safetensors file, or any bytes."""
    data = _generator()
    if random.random() < 0.4:
        return damaged(data, random)
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + length])
    if random.random() < 0.6:
        config = json.loads(header["__metadata__"]["config"])
        for _ in range(random.randint(1, 2)):
            config = changed(config, random)
        text = json.dumps(config) if random.random() < 0.9 else "[" * 50_000
        header["__metadata__"]["config"] = text
    else:
        header = changed(header, random)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data[8 + length :]


@cache
def _foreign(network: type) -> dict[str, torch.Tensor]:
    norm = {} if network is UGATIT else {"norm": "batch"}
    return dict(network(width=4, **norm).state_dict())


def foreign_generator_file(random: Random) -> bytes:
    """Change names, shapes and values of another program's state dict, or any bytes of its file."""
    weights: dict[str, Any] = dict(_foreign(random.choice([ResNet, UNet, UGATIT])))
    for _ in range(random.randint(0, 3)):
        name = random.choice(list(weights))
        weight = weights.pop(name)
        match random.randrange(6):
            case 0:
                weights[random.choice([*ODD_NAMES, name + "x", name[:-3]])] = weight
            case 1:
                weights[name] = torch.zeros([random.randint(0, 5)] * random.randint(0, 6))
            case 2:
                weights[name] = weight.to(random.choice([torch.int8, torch.cfloat, torch.bool]))
            case 3:
                weights[name] = random.choice([*_ODD_VALUES, torch.zeros(1).expand(1 << 45)])
            case 4:
                weights[re.sub(r"\d+", str(random.randint(0, 40)), name, count=1)] = weight
    file = io.BytesIO()
    torch.save(weights, file, _use_new_zipfile_serialization=random.random() < 0.7)
    whole = file.getvalue()
    return damaged(whole, random) if random.random() < 0.3 else whole


@cache
def _checkpoint() -> bytes:
    from mifid.baseline.distributed import start_processes
    from mifid.baseline.run.checkpoint import Checkpoints

    state = {
        "method": {
            "networks": {"painter": {"a": torch.rand(3, 4)}},
            "adam": {"state": {0: {"exp_avg": torch.rand(3, 4)}}},
        },
        "random": {"cpu": torch.get_rng_state()},
        "names": ["a", "b"],
        "numbers": (1, 2.5, None),
    }
    with tempfile.TemporaryDirectory() as folder, start_processes() as processes:
        path = Checkpoints(Path(folder), processes).save(1, state)
        return path.read_bytes()


def checkpoint_file(random: Random) -> bytes:
    """Damage a checkpoint, with or without right checksums."""
    return (
        damaged(_checkpoint(), random)
        if random.random() < 0.5
        else rewritten(_checkpoint(), random)
    )


@cache
def _weights() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "w.pth")
        torch.save(torch.nn.Linear(3, 2).state_dict(), path)
        return path.read_bytes()


@cache
def _script() -> bytes:
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that torch.jit is old
        path = Path(folder, "w.pt")
        torch.jit.script(torch.nn.Sequential(torch.nn.Linear(3, 2))).save(path)
        return path.read_bytes()


def weights_file(random: Random) -> bytes:
    """Damage a file of network weights: a state dict, or an archive of TorchScript."""
    if random.random() < 0.1:
        return random.choice([b"\x80\x02.", b"", b"notes", _generator()])
    whole = random.choice([_weights, _script])()
    return damaged(whole, random) if random.random() < 0.5 else rewritten(whole, random)


@cache
def _settings() -> bytes:
    from mifid.baseline.config.file import write_run_file
    from mifid.baseline.config.schema import Config, Inputs

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "config.toml")
        write_run_file(path, Inputs(photos="photos", monets="monets"), Config(), version="0")
        lines = path.read_text().splitlines()
    return "\n".join(line for line in lines if not line.startswith("#")).encode()


def settings_file(random: Random) -> bytes:
    """Change values, keys and tables of config.toml."""
    lines = _settings().decode().splitlines()
    for _ in range(random.randint(1, 4)):
        at = random.randrange(len(lines))
        key, equals, _ = lines[at].partition("=")
        value = random.choice(
            [
                *map(str, ODD_NUMBERS),
                "nan",
                "inf",
                "-inf",
                '"x"',
                '""',
                "[]",
                "[1, 2]",
                "{a = 1}",
                "true",
                "1979-05-27",
                '"\\u0000"',
                '"\\ud800"',
                "[" * 3000,
                "1e400",
                '"run.payload:f"',
                "'''",
            ]
        )
        lines[at] = random.choice(
            [
                f"{key}{equals}{value}",
                f"{key}x{equals}{value}",
                lines[at] * 2,
                "",
                f"[{key}]",
                f"[[{key}]]",
            ]
        )
    data = "\n".join(lines).encode(errors="surrogatepass")
    return damaged(data, random) if random.random() < 0.3 else data


_SCORE = {
    "fid": 40.0,
    "memorization_distance": 0.2,
    "memorization_distance_thresholded": 1.0,
    "epsilon": 0.1,
    "mifid": 40.0,
    "mifid_reason": None,
    "n_generated": 7038,
    "n_reference": 300,
    "comparable_with_kaggle": True,
    "not_comparable_reason": None,
    "metrics": {
        "kid": {
            "values": {"kid": 0.1, "kid_std": 0.01},
            "settings": {"seed": 2020},
            "omitted": None,
        }
    },
    "uncertainty": {
        "intervals": {"fid": {"low": 39.0, "high": 41.0, "level": 95}},
        "method": "bootstrap",
    },
    "protocol": {
        "version": "0.1.0",
        "extractor": "inception",
        "weights_sha256": "6" * 64,
        "resize": "r",
        "decoder": "d",
        "ddof": 1,
        "dtype": "float32",
        "device": "cpu",
        "backend": "openvino",
        "batch_size": 32,
        "versions": {"torch": "2.9.0"},
    },
    "inputs": {
        "generated": {"source": "zip a.zip", "n": 7038, "sha256": "a" * 64, "cached": False},
        "reference": {"source": "folder monet", "n": 300, "sha256": "b" * 64, "cached": True},
    },
    "skipped": {
        "generated": {"entries": {"hidden": 3}, "bad": [{"name": "x", "reason": "y"}]},
        "reference": {"entries": {}, "bad": []},
    },
    "seconds": {"total": 12.0},
    "warnings": ["few pictures"],
}


def score_file(random: Random) -> bytes:
    """Change the JSON of a score."""
    score: Any = _SCORE
    for _ in range(random.randint(1, 4)):
        score = changed(score, random)
    data = json.dumps(score).encode()
    return damaged(data, random) if random.random() < 0.3 else data


def metrics_file(random: Random) -> bytes:
    """Change lines of metrics.jsonl."""
    lines = [
        {"kind": "train", "step": step, "seconds": 1.5, "rate": 2e-4, "cycle_painting": 3.0}
        for step in range(4)
    ]
    lines.append(
        {"kind": "score", "step": 4, "fid": 3.5, "mifid": 4.5, "weights": "raw", "best": True}
    )
    changed_lines = [changed(line, random) if random.random() < 0.4 else line for line in lines]
    data = b"".join(json.dumps(line).encode() + b"\n" for line in changed_lines)
    return damaged(data, random) if random.random() < 0.4 else data


def history_file(random: Random) -> bytes:
    """Change a history of scores as CSV."""
    from mifid.report.history import HISTORY_COLUMNS

    lines = [
        ",".join(HISTORY_COLUMNS),
        ",".join(["1"] * len(HISTORY_COLUMNS)),
        ",".join(['"a,b"'] * len(HISTORY_COLUMNS)),
    ]
    if random.random() < 0.5:
        lines[random.randrange(3)] = random.choice(
            ["", '"', ",", "=1+1", "\0", "x" * 200_000, "\r"]
        )
    data = random.choice(["\n", "\r\n", "\r"]).join(lines).encode()
    return damaged(data, random) if random.random() < 0.7 else data


def selection_file(random: Random) -> bytes:
    """Write a list of pictures' names that may be anything."""
    names = random.choices(["0.jpg", "1", "2.jpg", "# no", *ODD_NAMES], k=random.randint(0, 6))
    data = "\n".join(names).encode(errors="surrogatepass")
    return damaged(data, random) if random.random() < 0.5 else data
