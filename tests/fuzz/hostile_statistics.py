"""Features and statistics in .npy, .npz, pickles and torch files, honest, lying and hostile."""

from __future__ import annotations

import io
import json
import pickle
import struct
import zipfile
from functools import cache
from random import Random

import numpy as np
import torch
from mutations import ODD_NUMBERS, damaged

__all__ = ["npy_file", "npz_file", "pickle_file", "torch_file"]

WIDTH = 9
_NOISE = np.random.RandomState(0).rand(20, WIDTH)
_MOMENTS = {"mu": _NOISE.mean(0), "sigma": np.cov(_NOISE, rowvar=False)}

_KEYS = (
    "features",
    "reps",
    "feats",
    "mu",
    "sigma",
    "m",
    "s",
    "n",
    "ddof",
    "names",
    "provenance",
    "resize",
    "model",
    "raw_mean",
    "raw_cov",
    "num_items",
    "all_features",
    "fid",
    "num_images",
    "mean",
    "cov",
    "size",
    "act",
    "arr_0",
    "samples",
    "real_features_sum",
    "real_features_cov_sum",
    "real_features_num_samples",
    "hparams",
    "mu_s",
    "sigma_s",
    "images",
)

_GLOBALS = (
    "numpy ndarray",
    "numpy dtype",
    "numpy.core.multiarray _reconstruct",
    "numpy._core.multiarray _reconstruct",
    "numpy._core.multiarray scalar",
    "numpy.core.numeric _frombuffer",
    "numpy._core.numeric _frombuffer",
    "numpy memmap",
    "numpy fromfile",
    "numpy load",
    "collections OrderedDict",
    "collections defaultdict",
    "_codecs encode",
    "_codecs decode",
    "codecs decode",
    "dnnlib.util EasyDict",
    "builtins eval",
    "builtins exec",
    "builtins getattr",
    "builtins open",
    "builtins __import__",
    "builtins bytearray",
    "builtins complex",
    "builtins set",
    "os system",
    "posix system",
    "subprocess Popen",
    "torch._utils _rebuild_tensor_v2",
    "torch._utils _rebuild_parameter",
    "torch FloatStorage",
    "torch.storage _load_from_bytes",
    "torch load",
    "copyreg _reconstructor",
    "operator attrgetter",
    "functools partial",
    "numpy.f2py.diagnose run",
    "numpy.dtypes Float64DType",
    "numpy.dtypes ObjectDType",
    "runpy run_path",
    "mifid.statistics.statistics Statistics",
    "numpy ndarray.__reduce__",
)


def _values(random: Random) -> object:
    """Return what a key may hold: mostly an array that fits, else one that does not."""
    chosen = random.randrange(14)
    shape = random.choice(
        [
            (20, WIDTH),
            (WIDTH,),
            (WIDTH, WIDTH),
            (),
            (0,),
            (1, WIDTH),
            (0, WIDTH),
            (2, 2, 2),
            (4, 8, 8, 3),
            (4, 3, 8, 8),
        ]
    )
    noise = np.asarray(np.random.RandomState(random.getrandbits(16)).random_sample(shape))
    match chosen:
        case 0 | 1 | 2 | 3:
            kind = random.choice(
                ["f2", "f4", "f8", ">f8", "i4", "i8", "u1", "b1", "c16", "U3", "S3", "M8[s]", "V4"]
            )
            with np.errstate(all="ignore"):
                if kind == "V4":
                    return np.zeros(shape, kind)
                return (noise * random.choice([1, 255, 1e30, 1e300])).astype(kind)
        case 4:
            return _NOISE.astype(random.choice(["f4", "f8"]))
        case 5:
            return _MOMENTS["mu"]
        case 6:
            return _MOMENTS["sigma"] * random.choice([1, 1, -1, 1e300, 1j])
        case 7:
            return np.array(random.choice([np.nan, np.inf, -1, 0, 2.9, 2**70, 20]))
        case 8:
            return np.array(
                random.choice(
                    [
                        "x",
                        "",
                        "\ud800",
                        "{}",
                        "[1]",
                        json.dumps({"fingerprint": [1]}),
                        json.dumps({"versions": 1, "extractor": 5}),
                        json.dumps({"extractor": "\x1b]0;t\x07", "not_comparable": 3}),
                    ]
                )
            )
        case 9:
            return noise * np.where(noise > 0.9, np.nan, 1)
        case 10:
            return np.array([f"{i}.jpg" for i in range(random.choice([20, 3]))])
        case 11:
            return random.choice(ODD_NUMBERS)
        case 12:
            return [noise.tolist(), noise]
        case _:
            return {"mu": _MOMENTS["mu"], "sigma": _MOMENTS["sigma"]}


def _mapping(random: Random) -> dict[str, object]:
    found: dict[str, object] = {}
    if random.random() < 0.5:
        found |= _MOMENTS
    if random.random() < 0.3:
        found["features"] = _NOISE
    if random.random() < 0.2:
        found |= {"raw_mean": _NOISE.sum(0), "raw_cov": _NOISE.T @ _NOISE, "num_items": 20}
    for key in random.sample(_KEYS, random.randint(0, 4)):
        found[key] = _values(random)
    return found


def npy_file(random: Random) -> bytes:
    """Write a header that may say anything before data that may be too short."""
    if random.random() < 0.4:
        buffer = io.BytesIO()
        value = _values(random)
        np.save(
            buffer,
            np.asarray(value if not isinstance(value, list | dict) else 1, dtype=None),
            allow_pickle=True,
        )
        return damaged(buffer.getvalue(), random) if random.random() < 0.7 else buffer.getvalue()
    shape = random.choice(
        [
            (20, WIDTH),
            (2**64, 9),
            (True, 9),
            (-1, 9),
            (2**31, 2**31, 8),
            (),
            (0, 9),
            (20.5,),
            "x",
            (4, 8, 8, 3),
            [1, 2],
            (2**40, 0),
        ]
    )
    descr = random.choice(
        [
            "<f4",
            "<f8",
            "|u1",
            "O",
            "|O",
            "<M8[s]",
            "V1000000000",
            "<U1000000000",
            [("a", "<f4")],
            5,
            "<f4" * 20,
            "c16",
        ]
    )
    header = {
        "descr": descr,
        "fortran_order": random.choice([False, True, 1, None]),
        "shape": shape,
    }
    if random.random() < 0.1:
        header.pop(random.choice(list(header)))
    text = repr(header).encode()
    if random.random() < 0.1:
        text = random.choice(
            [b"(" * 3000, b"{" * 90, b"__import__('os').system('true')", text[:-1]]
        )
    text = text.ljust(117) + b"\n"
    version = random.choice([b"\1\0", b"\1\0", b"\2\0", b"\3\0", b"\x09\0"])
    size = struct.pack("<H" if version[0] == 1 else "<I", len(text))
    return (
        b"\x93NUMPY" + version + size + text + _NOISE.tobytes()[: random.choice([0, 7, 720, 1440])]
    )


def npz_file(random: Random) -> bytes:
    """Write members that are arrays, headers that lie, or no arrays."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", random.choice([0, 8])) as archive:
        for key, value in _mapping(random).items():
            member = io.BytesIO()
            if random.random() < 0.1:
                data = npy_file(random)
            else:
                np.save(
                    member,
                    np.asarray(value if not isinstance(value, list | dict) else 3),
                    allow_pickle=True,
                )
                data = member.getvalue()
            archive.writestr(f"{key}{random.choice(['.npy'] * 9 + [''])}", data)
    data = buffer.getvalue()
    return damaged(data, random) if random.random() < 0.4 else data


def pickle_file(random: Random) -> bytes:
    """Pickle honestly, mutate bytes, or write a program of opcodes."""
    chosen = random.random()
    if chosen < 0.25:
        return pickle.dumps(_mapping(random), random.choice([0, 1, 2, 3, 4, 5]))
    if chosen < 0.6:
        return damaged(pickle.dumps(_mapping(random), random.choice([2, 3, 4, 5])), random)
    return _program(random)


def _program(random: Random) -> bytes:
    """Put opcodes together so that many of the stack's demands are met."""
    made = [b"\x80" + bytes([random.choice([2, 4, 5])])]
    for _ in range(random.randint(1, 30)):
        made.append(_opcode(random))
    made.append(random.choice([b".", b"s.", b"u.", b"R.", b"b.", b""]))
    if random.random() < 0.3:  # a dict of what the program leaves
        made.insert(1, b"}" + _string("features"))
        made[-1] = b"s."
    return b"".join(made)


def _opcode(random: Random) -> bytes:
    match random.randrange(22):
        case 0 | 1 | 2:
            module, name = random.choice(_GLOBALS).split()
            if random.random() < 0.5:
                return f"c{module}\n{name}\n".encode()
            return _string(module) + _string(name) + b"\x93"
        case 3 | 4:
            return random.choice(
                [b")R", b"R", b"\x85R", b"\x86R", b"\x87R", b"tR", b"\x81", b"\x92", b"b", b"}b"]
            )
        case 5:
            return b"K" + random.randbytes(1)
        case 6:
            return b"J" + struct.pack(
                "<i", max(-(2**31), min(random.choice(ODD_NUMBERS), 2**31 - 1))
            )
        case 7:
            return _string(
                random.choice(
                    [*_KEYS, "O", "f8", "V8", "M8", "<f4", "latin1", "rot13", "O8", "c16"]
                )
            )
        case 8:
            data = random.choice([b"A" * 8, bytes(8), bytes(72), _NOISE.tobytes()])
            return b"C" + bytes([len(data) % 256]) + data[: len(data) % 256]
        case 9:
            return b"B" + struct.pack("<I", random.choice([8, 2**31, 2**32 - 1])) + b"A" * 8
        case 10:
            return random.choice(
                [b"]", b"}", b")", b"\x8f", b"(", b"N", b"\x88", b"\x89", b"I01\n"]
            )
        case 11:
            return random.choice(
                [
                    b"a",
                    b"e",
                    b"s",
                    b"u",
                    b"t",
                    b"l",
                    b"d",
                    b"\x90",
                    b"\x91",
                    b"\x85",
                    b"\x86",
                    b"\x87",
                ]
            )
        case 12:
            return b"2\x86" * random.choice([1, 5, 40])
        case 13:
            return b"]" + b"2\x86" * random.choice([1, 30]) + b"a"
        case 14:
            return b"q" + random.randbytes(1) + b"h" + random.randbytes(1)
        case 15:
            return b"\x94" + b"h\0"
        case 16:
            return random.choice(
                [
                    b"P1\n",
                    b"Q",
                    b"\x82\1",
                    b"\x97",
                    b"\x98",
                    b"\x8d" + bytes(8),
                    b"\x8e" + b"\xff" * 8,
                ]
            )
        case 17:
            return b"G" + struct.pack(">d", random.choice([0.0, 1e308, float("nan"), float("inf")]))
        case 18:
            return b"\x8b" + struct.pack("<i", random.choice([4, 2**31 - 1, -1])) + bytes(4)
        case 19:
            return b"(" * random.choice([1, 1000]) + b"t"
        case 20:
            return b"K\1\x85" + _string("f8") + b"C\x08AAAAAAAA\x87R"
        case _:
            return random.randbytes(1)


def _string(text: str) -> bytes:
    data = text.encode()
    return b"X" + struct.pack("<I", len(data)) + data


@cache
def _torch_base(number: int) -> bytes:
    noise = torch.from_numpy(_NOISE.copy())
    held = (
        {key: torch.from_numpy(np.asarray(value)) for key, value in _MOMENTS.items()},
        noise.float(),
        {"mu": _MOMENTS["mu"], "sigma": _MOMENTS["sigma"]},
        {"features": noise.t().contiguous().t(), "n": 20},
        {
            "real_features_sum": noise.sum(0),
            "real_features_cov_sum": noise.t() @ noise,
            "real_features_num_samples": torch.tensor(20),
        },
        (noise.mean(0), noise.t().cov()),
        {"samples": torch.zeros(4, 3, 8, 8, dtype=torch.uint8)},
        {"mu": noise.mean(0).bfloat16(), "sigma": noise.t().cov().half()},
        torch.nn.Linear(3, 2).state_dict(),
    )[number]
    buffer = io.BytesIO()
    torch.save(held, buffer, _use_new_zipfile_serialization=number != 1)
    return buffer.getvalue()


def torch_file(random: Random) -> bytes:
    """Write torch's zip with another pickle or storages of another length, or damage its bytes."""
    data = _torch_base(random.randrange(9))
    chosen = random.random()
    if chosen < 0.1:
        return data
    if chosen < 0.5 or not data.startswith(b"PK"):
        return damaged(data, random)
    return rewritten(data, random)


def rewritten(data: bytes, random: Random) -> bytes:
    """Return a torch file with right checksums around members that are damaged."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(buffer, "w") as new:
        for info in old.infolist():
            content = old.read(info)
            if info.filename.endswith("data.pkl") and random.random() < 0.7:
                content = damaged(content, random) if random.random() < 0.7 else _program(random)
            elif random.random() < 0.2:
                content = random.choice(
                    [content[:-1], content + b"\0", b"", damaged(content or b"0", random)]
                )
            if random.random() > 0.05:
                new.writestr(info.filename, content)
    return buffer.getvalue()
