"""Pickles and torch files: what is data is read as it was written, and nothing else ever is."""

import collections
import io
import os
import pickle
import struct
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import torch

from mifid.errors import InputError
from mifid.unpickling import load

RANDOM = np.random.RandomState(5)
ARRAYS = [
    RANDOM.rand(3, 4),
    RANDOM.rand(3, 4).astype(np.float32),
    RANDOM.rand(3).astype(np.float16),
    np.asfortranarray(RANDOM.rand(3, 4)),
    RANDOM.rand(3, 4)[:, ::2],
    RANDOM.rand(2, 3, 4).transpose(1, 0, 2),
    np.arange(5, dtype=">i4"),
    np.arange(4, dtype=np.uint64),
    np.array([True, False]),
    np.array(3.5),
    np.zeros((0, 3)),
    np.array(["ab", "№"]),
    np.array([b"x", b"yy"]),
    np.array([], dtype="U3"),
]
TENSORS = [
    torch.rand(3, 4),
    torch.rand(3, 4).T,
    torch.rand(5)[2:],
    torch.rand(3, 4).double(),
    torch.rand(3, 4).half(),
    torch.rand(3, 4).bfloat16(),
    torch.arange(5),
    torch.arange(5, dtype=torch.uint8),
    torch.tensor([True, False]),
    torch.tensor(2.5),
    torch.zeros(0, 3),
    torch.ones(1).expand(4, 5),
    torch.nn.Parameter(torch.rand(2)),
]


class Call:
    """Pickles as a call of any function."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def written(folder, value, protocol=4):
    path = folder / "a.pkl"
    path.write_bytes(value if isinstance(value, bytes) else pickle.dumps(value, protocol))
    return path


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("array", ARRAYS, ids=lambda a: f"{a.dtype.str}{a.shape}")
def test_arrays_are_read_as_they_were_written(array, protocol, tmp_path):
    found = load(written(tmp_path, {"x": array, "again": [array, (array,)]}, protocol))
    assert found["x"].dtype == array.dtype.newbyteorder("=")
    np.testing.assert_array_equal(found["x"], array)
    np.testing.assert_array_equal(found["again"][1][0], array)
    found["x"][...] = found["x"]  # it is writable: a copy, over no other's memory


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_plain_values_are_read_as_they_were_written(protocol, tmp_path):
    value = {
        "numbers": [0, 255, 65536, -5, 2**80, -(2**80), 1.5, float("inf"), True, False, None],
        "text": ["", "№", "x" * 300],
        "bytes": [b"", b"abc", bytes(300)],
        "nested": ({"a": (1, 2, 3, 4)}, [[]], ()),
    }
    assert load(written(tmp_path, value, protocol)) == value
    scalars = collections.OrderedDict(a=np.float64(2.5), b=np.int32(3), c=np.str_("q"))
    assert load(written(tmp_path, scalars, protocol)) == {"a": 2.5, "b": 3, "c": "q"}


@pytest.mark.parametrize("tensor", TENSORS, ids=lambda t: f"{t.dtype}{tuple(t.shape)}")
def test_tensors_are_read_as_they_were_written(tensor, tmp_path):
    torch.save({"x": tensor, "shape": tensor.shape, "array": np.ones(3)}, tmp_path / "a.pt")
    plain = tensor.detach()
    expected = (plain.float() if plain.dtype == torch.bfloat16 else plain).numpy()
    found = load(tmp_path / "a.pt")
    assert found["shape"] == tuple(tensor.shape)
    assert found["x"].dtype == expected.dtype
    np.testing.assert_array_equal(found["x"], expected)
    unread = load(tmp_path / "a.pt", values=False)
    assert (unread["x"].shape, unread["x"].dtype) == (expected.shape, expected.dtype)


def test_a_file_of_a_big_endian_machine(tmp_path):
    torch.save(torch.arange(5), tmp_path / "a.pt")
    with zipfile.ZipFile(tmp_path / "a.pt") as old, zipfile.ZipFile(tmp_path / "b.pt", "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name.endswith("byteorder"):
                data = b"big"
            if name.endswith("data/0"):
                data = np.frombuffer(data, "<i8").astype(">i8").tobytes()
            new.writestr(name, data)
    assert load(tmp_path / "b.pt").tolist() == [0, 1, 2, 3, 4]


def over_memory():
    """NumPy's own constructor: an object array over any bytes, whose pointers are followed."""
    return Call(np.ndarray, (1,), np.dtype("O"), b"AAAAAAAA")


HARMFUL = {
    "a command": Call(os.system, "touch mifid-was-here"),
    "an array over memory": over_memory(),
    "the same in a dict": {"features": np.ones((5, 9)), "names": over_memory()},
    "an object array": np.array([{}, None], dtype=object),
    "a structured array": np.zeros(2, dtype="f4,i4"),
    "dates": np.array(["2020-01-01"], dtype="M8[D]"),
    "raw bytes": np.zeros(2, dtype="V8"),
    "complex numbers": np.array([1j]),
    "a masked array": np.ma.array([1.0]),
    "another class": collections.Counter("aa"),
    "another encoding": Call(__import__("_codecs").encode, "x", "rot13"),
    "a set": {1.0, 2.0},
    "a whole number as key": {1: 2},
    "a tuple as key": {(1, 2): 2},
    "a function as a value": {"mu": os.getcwd},
}


@pytest.mark.parametrize("container", ["pickle", "torch"])
@pytest.mark.parametrize("value", HARMFUL.values(), ids=HARMFUL.keys())
def test_what_is_no_data_is_refused(value, container, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = written(tmp_path, value)
    if container == "torch":
        torch.save(value, path)
    with pytest.raises(InputError):
        load(path)
    assert sorted(os.listdir()) == ["a.pkl"]


def array_with(shape=(2,), dtype=("f8", False, True), state=None, data=bytes(16), fortran=False):
    """A pickled array whose parts are any."""
    state = state or (3, "<", None, None, None, -1, -1, 0)
    rebuilt = np._core.multiarray._reconstruct

    class Type:
        def __reduce__(self):
            return np.dtype, dtype, state

    class Made:
        def __reduce__(self):
            return rebuilt, (np.ndarray, (0,), b"b"), (1, shape, Type(), fortran, data)

    return pickle.dumps({"mu": Made()})


@pytest.mark.parametrize(
    "parts",
    [
        {"shape": (3,)},
        {"shape": (-2,)},
        {"shape": (True, 2)},
        {"shape": (2**62, 4)},
        {"shape": (2**40 - 1,) * 30},
        {"shape": [2]},
        {"shape": (1,) * 65},
        {"shape": (2.0,)},
        {"dtype": ("O",)},
        {"dtype": ("f16",)},
        {"dtype": ("V8",)},
        {"dtype": ("M8",)},
        {"dtype": ("f8,f8",)},
        {"dtype": ("(2,)f8",)},
        {"dtype": ("U999999999",)},
        {"dtype": ("U0",), "shape": (10**9,), "data": b""},
        {"dtype": (8,)},
        {"state": (3, "|", ("a", "<f8"), None, None, -1, -1, 0)},
        {"state": (3, "x", None, None, None, -1, -1, 0)},
        {"data": bytes(15)},
        {"data": "ä€"},
        {"data": [1.0, 2.0]},
        {"fortran": 1},
        {"dtype": ("U2",), "shape": (2,), "data": b"\xff" * 16},
    ],
    ids=repr,
)
def test_an_array_is_built_of_fitting_parts_alone(parts, tmp_path):
    assert load(written(tmp_path, array_with()))["mu"].tolist() == [0, 0]
    with pytest.raises(InputError):
        load(written(tmp_path, array_with(**parts)))


TUPLES = b"\x80\x04}K\x01\x85" + b"2\x86" * 40 + b"K\x01s."
LISTS = pickle.dumps(__import__("functools").reduce(lambda a, _: [a, a], range(34), [1.0, 2.0]))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b".",
        b"\x80\x04.",
        b"\x80\x02(.",
        b"\x80\x04K\x01",
        b"\x80\x04R.",
        b"\x80\x04K\x01K\x02b.",
        b"\x80\x04K\x01e.",
        b"\x80\x04h\x07.",
        b"\x80\x04X\xff\xff\xff\xff",
        b"\x80\x04\x8d" + b"\xff" * 8,
        b"\x80\x04\x8b" + struct.pack("<i", -7) + b"K.",
        b"\x80\x05\x97.",
        b"\x80\x04\x82\x01.",
        b"\x80\x02X\x01\0\0\0\xff.",
        b"cposix\nsystem\n(S'true'\ntR.",
        b"\x80\x04Q.",
        TUPLES,
        b"\x80\x04" + b"K\x01" * 1100 + b".",
    ],
    ids=lambda data: repr(data[:20]),
)
def test_damaged_and_endless_pickles_are_refused(data, tmp_path, monkeypatch):
    monkeypatch.setattr("mifid.unpickling._MOST_STEPS", 1000)
    try:
        found = load(written(tmp_path, data))
    except InputError:
        return
    assert found == 0  # the negative length of a number is none


def test_shared_lists_are_not_walked(tmp_path):
    assert type(load(written(tmp_path, LISTS))) is list


def test_one_array_many_times_is_a_bomb(tmp_path):
    """A call a step, each of which copies the same megabyte."""
    start = pickle.dumps(bytes(1 << 20), 2)[2:-1]
    encoded = b"\x80\x02" + start + b"q\x01c_codecs\nencode\nq\x02" + b"0" * 2 + b"]("
    data = encoded + b"h\x02X\x04\0\0\0aaaaX\x06\0\0\0latin1\x86R" * 3 + b"e."
    assert load(written(tmp_path, data)) == [b"aaaa"] * 3
    torch.save(torch.zeros(1).expand(1 << 20, 1 << 20), tmp_path / "a.pt")
    with pytest.raises(InputError, match="many times its size"):
        load(tmp_path / "a.pt")


def test_a_zip_that_unpacks_to_many_times_its_size_is_a_bomb(tmp_path, monkeypatch):
    monkeypatch.setattr("mifid.unpickling._FREE_BYTES", 1 << 20)
    torch.save({"x": torch.zeros(3)}, tmp_path / "a.pt")
    with (
        zipfile.ZipFile(tmp_path / "a.pt", "a", zipfile.ZIP_DEFLATED) as archive,
        archive.open("archive/data/9", "w") as member,
    ):
        for _ in range(4):
            member.write(bytes(1 << 20))
    with pytest.raises(InputError, match="many times its size"):
        load(tmp_path / "a.pt")


def parts_of(tensor):
    buffer = io.BytesIO()
    torch.save(tensor, buffer)
    with zipfile.ZipFile(buffer) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"K\x04\x85", b"K\x05\x85"),  # a size beyond the storage
        (b"K\x01\x85", b"K\x02\x85"),  # a stride beyond it
        (b"X\x01\0\0\0", b"X\x01\0\0\x7f"),
        (b"DoubleStorage", b"Storage"),
        (b"DoubleStorage", b"FloatStorage"),
        (b"storage", b"storagf"),
        (b"_rebuild_tensor_v2", b"_rebuild_tensor_v3"),
    ],
)
def test_a_tensor_is_built_of_its_own_storage_alone(old, new, tmp_path):
    parts = parts_of(torch.arange(4.0, dtype=torch.float64))
    (name,) = [name for name in parts if name.endswith("data.pkl")]
    assert old in parts[name]
    parts[name] = parts[name].replace(old, new)
    with zipfile.ZipFile(tmp_path / "a.pt", "w") as archive:
        for member, data in parts.items():
            archive.writestr(member, data)
    with pytest.raises(InputError):
        load(tmp_path / "a.pt")


def test_torchs_file_of_before_2020_says_how_to_convert_it(tmp_path):
    torch.save(torch.rand(2), tmp_path / "a.pt", _use_new_zipfile_serialization=False)
    with pytest.raises(InputError, match=r"before .*2020") as caught:
        load(tmp_path / "a.pt")
    assert "torch.save(torch.load(" in caught.value.hint


def test_every_flipped_bit_of_a_tensor_is_noticed(tmp_path):
    tensor = torch.arange(6, dtype=torch.float64)
    torch.save(tensor, tmp_path / "a.pt")
    good = (tmp_path / "a.pt").read_bytes()
    for position in range(0, len(good), 13):
        for bit in (0, 6):
            damaged = bytearray(good)
            damaged[position] ^= 1 << bit
            (tmp_path / "b.pt").write_bytes(damaged)
            try:
                found = load(tmp_path / "b.pt")
            except InputError:
                continue
            np.testing.assert_array_equal(found, tensor.numpy())


MUTATIONS = r"""
import random, sys, zipfile
from pathlib import Path
from mifid.errors import InputError
from mifid.unpickling import load

folder, count, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
starts = [path.read_bytes() for path in sorted(folder.glob("*.pkl"))]
with zipfile.ZipFile(folder / "a.pt") as archive:
    parts = {name: archive.read(name) for name in archive.namelist()}
(program,) = [name for name in parts if name.endswith("data.pkl")]
dice = random.Random(seed)
outcomes = {"read": 0, "refused": 0}
for _ in range(count):
    zipped = dice.random() < 0.3
    data = bytearray(parts[program] if zipped else dice.choice(starts))
    for _ in range(dice.choice((1, 1, 2, 4, 9))):
        at, to, kind = dice.randrange(len(data)), dice.randrange(len(data)), dice.randrange(6)
        if kind == 0:
            data[at] = dice.randrange(256)
        elif kind == 1:
            data[at] ^= 1 << dice.randrange(8)
        elif kind == 2 and len(data) > 20:
            del data[at : at + dice.randrange(1, 9)]
        elif kind == 3:
            data[at:at] = data[at : at + dice.randrange(1, 60)]
        elif kind == 4:
            data[at:at] = bytes([dice.choice(b"()]}NRbtuse0123hjq\x81\x85\x86\x87\x93\x94")])
        else:
            data[at : at + 8] = data[to : to + 8]
    if zipped:
        with zipfile.ZipFile(folder / "x", "w") as archive:
            for member, content in parts.items():
                archive.writestr(member, bytes(data) if member == program else content)
    else:
        (folder / "x").write_bytes(data)
    try:
        load(folder / "x")
        outcomes["read"] += 1
    except InputError:
        outcomes["refused"] += 1
print(*outcomes.values())
"""


def test_changed_files_are_read_or_refused_and_never_end_the_process(tmp_path):
    """In another process, which a segmentation fault would end."""
    values = {
        "mu": np.arange(6.0),
        "sigma": np.eye(6, dtype=np.float32),
        "names": np.array(["a", "b"]),
        "all_features": [np.ones((2, 6)), np.float64(3)],
        "others": [3, 2**70, b"xyz", None],
    }
    for protocol in range(2, 6):
        (tmp_path / f"{protocol}.pkl").write_bytes(pickle.dumps(values, protocol))
    tensors = {"mu": torch.arange(6.0), "array": np.ones(3), "t": torch.ones(2, 3).T.bfloat16()}
    torch.save(tensors, tmp_path / "a.pt")
    command = [sys.executable, "-X", "faulthandler", "-c", MUTATIONS, str(tmp_path), "1000", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    read, refused = map(int, done.stdout.split())
    assert read > 50
    assert refused > 50
