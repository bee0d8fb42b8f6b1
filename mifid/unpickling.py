"""Safe reader of pickles and torch files: an interpreter that calls nothing a file names.

A pickle is a program: it may import and call any function, and NumPy's and torch's own constructors
can build arrays over any memory. So nothing of Python's, NumPy's or torch's unpickling is used. The
opcodes are interpreted here. Names stay names, except the few that arrays are pickled with: these
stand for functions of this module, which check and copy all data. The number of steps and the
bytes of arrays are limited, and keys must be text.
"""

from __future__ import annotations

import io
import math
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

import numpy as np
import numpy.typing as npt

from mifid.errors import InputError, first_line
from mifid.formatting import terminal_safe

__all__ = ["array_of", "count_of", "dtype_of", "load", "load_script", "most_bytes"]

Array = npt.NDArray[Any]

_MOST_STEPS = 500_000
_FREE_BYTES = 256 << 20
_MOST_EXPANSION = 100
_MOST_DIMENSIONS = 32
_MOST_NAMES = 200_000
_DTYPE = re.compile(r"[<>|=]?(?:f[248]|[iu][1248]|b1|[US][1-9][0-9]{0,5})")
_DAMAGED = (
    OSError,  # a position before the file's start
    ValueError,
    RuntimeError,  # from zipfile: an unknown compression, an encrypted entry
    EOFError,
    MemoryError,
    OverflowError,
    LookupError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)
_AGAIN = "It may be cut short or damaged; make it again."
_LEGACY_TORCH = 0x1950A86A20F9469CFC6C
"""First value of torch files from before the zip format (torch 1.6, 2020)."""


def load(path: Path, *, values: bool = True) -> Any:
    """Read a pickle, or a file of ``torch.save``, depending on its first bytes.

    Args:
        path: of the file.
        values: False: do not read the numbers of tensors; return zeros of their shape.

    Returns:
        Arrays (native byte order, copied), tensors as arrays (bfloat16 as float32), numbers, text,
        bytes, and lists, tuples and dicts of these. Their depth is not limited: do not recurse.

    Raises:
        InputError: damaged, or other data than these; the message does not name the file.
        OSError: it cannot be opened.
    """
    with path.open("rb") as file:
        try:
            found = _load(file, values=values)
        except _DAMAGED as error:
            raise _damaged(first_line(error)) from error
    if type(found) is int and found == _LEGACY_TORCH:
        raise InputError(
            "it has the format of torch before 1.6 (2020), which is not supported",
            hint="Write it again: torch.save(torch.load(path, weights_only=True), path)",
        )
    return found


def load_script(file: BinaryIO) -> dict[str, Array]:
    """Read the tensors of a module that ``torch.jit.save`` wrote; nothing of its code is read.

    Args:
        file: the archive.

    Returns:
        Dotted name, as in a state dict -> array. Attributes that are no tensors are left out.

    Raises:
        InputError: damaged, or other data than modules, tensors, numbers and text.
    """
    try:
        size = file.seek(0, io.SEEK_END)
        return _tensors_of(_load_torch(file, size, values=True, scripted=True))
    except _DAMAGED as error:
        raise _damaged(first_line(error)) from error


def _tensors_of(module: Any) -> dict[str, Array]:
    """Return the arrays in a dict of dicts by their dotted names, without recursion."""
    if type(module) is not dict:
        raise _damaged("it holds no module")
    found: dict[str, Array] = {}
    left: list[tuple[tuple[str, ...], Any]] = [((), module)]
    for _ in range(_MOST_NAMES):
        if not left:
            return found
        path, value = left.pop()
        if isinstance(value, np.ndarray):
            found[".".join(path)] = value
        elif type(value) is dict and len(path) < _MOST_DIMENSIONS:
            left += [((*path, name), value[name]) for name in reversed(value)]
    raise _damaged("its modules hold each other")


def _load(file: BinaryIO, *, values: bool) -> Any:
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    zipped = file.read(4) == b"PK\x03\x04"
    if zipped:
        return _load_torch(file, size, values=values)
    file.seek(0)
    return _Interpreter(file, size, most_bytes=most_bytes(size)).run()


def most_bytes(file_bytes: int) -> int:
    """Return how many bytes of arrays a file of this size may hold; with more it is a bomb."""
    return _FREE_BYTES + _MOST_EXPANSION * file_bytes


def dtype_of(text: object) -> np.dtype[Any]:
    """Return the dtype of a short string such as ``"<f4"``.

    Raises:
        InputError: anything but floats, integers, booleans and text.
    """
    if not isinstance(text, str) or not _DTYPE.fullmatch(text):
        shown = terminal_safe(text[:40]) if isinstance(text, str) else type(text).__name__
        raise InputError(
            f"it holds an array of type {shown}",
            hint="Save arrays of floats, integers or text; Python objects are never read.",
        )
    return np.dtype(text)


def array_of(raw: npt.NDArray[np.uint8], dtype: np.dtype[Any], shape: object, order: str) -> Array:
    """Return bytes as an array in native byte order, after checking their number and values.

    Args:
        raw: (B,) the bytes, which the caller must not use any more.
        dtype: of :func:`dtype_of`.
        shape: B must be its product times the dtype's size.
        order: ``"C"`` or ``"F"``.

    Raises:
        InputError: another number of bytes, or bytes that are not valid text in an array of text.
    """
    expected = count_of(shape) * dtype.itemsize
    if len(raw) != expected:
        raise InputError(f"an array has {len(raw):,} bytes instead of {expected:,}; it is damaged")
    if dtype.kind == "b":
        flat: Array = raw != 0  # in NumPy, bytes other than 0 and 1 are not valid booleans
    else:
        flat = raw.view(dtype)
        flat = flat.astype(dtype.newbyteorder("="), copy=False)
    if dtype.kind == "U" and len(flat) and flat.view(np.uint32).max() > 0x10FFFF:
        raise InputError("an array of text holds invalid characters; it is damaged")
    shaped: Array = flat.reshape(cast(Sequence[int], shape), order=cast(Any, order))
    return shaped


def count_of(shape: object) -> int:
    """Return the number of elements of a shape.

    Raises:
        InputError: an invalid shape: negative, too large, or not whole numbers.
    """
    if (
        not isinstance(shape, tuple)
        or len(shape) > _MOST_DIMENSIONS
        or not all(type(n) is int and 0 <= n < 1 << 40 for n in shape)
        or math.prod(max(n, 1) for n in shape) >= 1 << 48
    ):
        raise InputError("an array has an invalid shape; it is damaged")
    return math.prod(shape)


class _Named(NamedTuple):
    """A name ``module.name`` in a pickle, which is never imported."""

    module: str
    name: str

    def __str__(self) -> str:
        return terminal_safe(f"{self.module}.{self.name}"[:200])


class _Unbuilt:
    """An object whose state follows later: ``finish(state)`` returns the value."""

    def __init__(self, finish: Callable[[Any], Any]) -> None:
        self.finish = finish
        self.places: list[int] = []  # in the memo


class _Module(_Unbuilt):
    """A module of TorchScript: a dict of its attributes. Its class, which is code, is not read."""

    def __init__(self) -> None:
        super().__init__(self._attributes)

    @staticmethod
    def _attributes(state: Any) -> dict[str, Any]:
        if type(state) is not dict:
            raise _damaged("a module's state is invalid")
        return state


class _Storage(NamedTuple):
    """The numbers of tensors, (length,); ``raw`` None: they are not read."""

    dtype: str
    length: int
    raw: npt.NDArray[np.uint8] | None


_Storages = Callable[[str, str, int], _Storage]

_Call = Callable[["_Interpreter", tuple[Any, ...]], Any]

_MARK = object()


class _Interpreter:
    """Interpreter of one pickle of protocol 2 to 5.

    Args:
        stream: positioned at the start of the pickle.
        size: bytes that are left in the stream.
        most_bytes: limit for the arrays and text that are created.
        storages: returns the storage of (dtype, key, count); None: there are none.
        scripted: whether there may be modules of TorchScript.
    """

    def __init__(
        self,
        stream: BinaryIO,
        size: int,
        *,
        most_bytes: int,
        storages: _Storages | None = None,
        scripted: bool = False,
    ) -> None:
        self._stream = stream
        self._left = size
        self._budget = most_bytes
        self._storages = storages
        self._calls = _CALLS if not scripted else {**_CALLS, **_SCRIPT_CALLS}
        self._scripted = scripted
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def run(self) -> Any:
        """Return the value.

        Raises:
            InputError: damaged, or more than data.
        """
        for _ in range(_MOST_STEPS):
            code = self.take(1)
            if code == b".":
                return self.pop()
            step = _STEPS.get(code)
            if step is None:
                raise _unknown_step(code)
            step(self)
        raise InputError(
            f"the pickle takes more than {_MOST_STEPS:,} steps",
            hint="Save arrays rather than lists of numbers.",
        )

    # Reading

    def take(self, count: int) -> bytes:
        if count > self._left:
            raise _damaged("it is cut short")
        self._left -= count
        data = self._stream.read(count)
        if len(data) != count:
            raise _damaged("it is cut short")
        return data

    def skip(self, count: int) -> None:
        self.take(count)

    def number(self, form: str) -> int:
        return int(struct.unpack(form, self.take(struct.calcsize(form)))[0])

    def line(self) -> str:
        line = self._stream.readline(min(self._left, 1000))
        self._left -= len(line)
        if not line.endswith(b"\n"):
            raise _damaged("a name has no end")
        return _text(line[:-1])

    # The stack

    def push(self, value: Any) -> None:
        self._stack.append(value)

    def pop(self) -> Any:
        if not self._stack or self._stack[-1] is _MARK:
            raise _damaged("a value is missing")
        return self._stack.pop()

    def top(self) -> Any:
        if not self._stack or self._stack[-1] is _MARK:
            raise _damaged("a value is missing")
        return self._stack[-1]

    def drop(self) -> None:
        if not self._stack:
            raise _damaged("a value is missing")
        self._stack.pop()  # a mark, too

    def to_mark(self) -> list[Any]:
        found: list[Any] = []
        while self._stack:
            value = self._stack.pop()
            if value is _MARK:
                return found[::-1]
            found.append(value)
        raise _damaged("a mark is missing")

    def drop_from_mark(self) -> None:
        self.to_mark()

    def take_tuple(self, count: int) -> None:
        items = [self.pop() for _ in range(count)]
        self.push(tuple(items[::-1]))

    # Containers

    def append(self, items: list[Any]) -> None:
        target = self.top()
        if type(target) is not list:
            raise _damaged("it appends to something that is not a list")
        target.extend(items)

    def set(self, items: list[Any]) -> None:
        target = self.top()
        if type(target) is not dict or len(items) % 2:
            raise _damaged("it sets keys of something that is not a dict")
        for key, value in zip(items[::2], items[1::2], strict=True):
            # Only text: hashing nested tuples, or numbers with colliding hashes, can take forever.
            if type(key) is not str:
                raise InputError(
                    f"the pickle has a {_kind(key)} as a key",
                    hint="Expected a dict with text as keys, such as 'mu' and 'sigma'.",
                )
            target[key] = value

    # The memo

    def remember(self, place: int) -> None:
        value = self.top()
        self._memo[place] = value
        if isinstance(value, _Unbuilt):
            value.places.append(place)

    def memoize(self) -> None:
        self.remember(len(self._memo))

    def recall(self, place: int) -> None:
        if place not in self._memo:
            raise _damaged("it refers to a missing value")
        self.push(self._memo[place])

    # Names and calls

    def name(self, module: object, name: object) -> None:
        if not (isinstance(module, str) and isinstance(name, str)):
            raise _damaged("a name is not text")
        named = _Named(module, name)
        if self._called(named) is None and named not in _INERT and named not in _STORAGES:
            raise _code(named)
        self.push(named)

    def _called(self, named: _Named) -> _Call | None:
        """Return what stands for a function or class; None: it is not supported."""
        if self._scripted and named.module.partition(".")[0] == "__torch__":
            return _module_call
        return self._calls.get(named)

    def call(self) -> None:
        arguments, function = self.pop(), self.pop()
        called = self._called(function) if type(function) is _Named else None
        if called is None or type(arguments) is not tuple:
            raise _code(function) if type(function) is _Named else _damaged("it calls a value")
        self.push(called(self, arguments))

    def build(self) -> None:
        state, target = self.pop(), self.top()
        if type(target) is dict:
            return  # attributes of a dict, such as torch's _metadata: no data
        if not isinstance(target, _Unbuilt):
            raise _damaged("it sets the state of an object that has none")
        value = target.finish(state)
        self._stack[-1] = value
        while target.places:
            place = target.places.pop()
            if self._memo.get(place) is target:
                self._memo[place] = value

    def storage(self) -> None:
        named = self.pop()
        if (
            self._storages is None
            or type(named) is not tuple
            or len(named) != 5
            or not _is_one_of(named[0], "storage")
            or type(named[1]) is not _Named
            or named[1] not in _STORAGES
            or type(named[2]) is not str
            or type(named[4]) is not int
        ):
            raise _damaged("it refers to missing numbers of a tensor")
        self.push(self._storages(_STORAGES[named[1]], named[2], named[4]))

    # Parts of pickled arrays

    def spend(self, count: int) -> None:
        """Count bytes that are created from the file."""
        self._budget -= count
        if self._budget < 0:
            raise InputError(
                "it unpacks to many times its size",
                hint="It looks like a decompression bomb; make the file again.",
            )

    def bytes_of(self, value: Any) -> npt.NDArray[np.uint8]:
        """Return a copy of bytes; text is how Python 2 wrote them."""
        if type(value) is str:
            try:
                value = value.encode("latin-1")
            except UnicodeEncodeError:
                raise _damaged("an array's bytes are invalid") from None
        if type(value) not in (bytes, bytearray):
            raise InputError(
                "it holds an array of Python objects",
                hint="Save numbers: np.array(..., dtype='float64').",
            )
        self.spend(len(value))
        return np.frombuffer(value, np.uint8).copy() if value else np.empty(0, np.uint8)


def _dtype_call(_: _Interpreter, arguments: tuple[Any, ...]) -> _Unbuilt:
    """Read ``numpy.dtype("f8", False, True)``, whose state holds the byte order."""
    dtype = dtype_of(arguments[0] if 1 <= len(arguments) <= 3 else None)

    def finish(state: Any) -> np.dtype[Any]:
        plain = type(state) is tuple and len(state) in (8, 9)
        if (
            not plain
            or any(part is not None for part in state[2:5])
            or not _is_one_of(state[1], "<", ">", "|", "=")
        ):
            raise _damaged("an array has an unknown type")
        return dtype if state[1] == "|" else dtype.newbyteorder(state[1])

    return _Unbuilt(finish)


def _reconstruct_call(machine: _Interpreter, arguments: tuple[Any, ...]) -> _Unbuilt:
    """Read an array, whose state holds its version, shape, dtype, Fortran order and bytes."""
    if not arguments or type(arguments[0]) is not _Named or arguments[0] not in _INERT:
        raise _damaged("an array of a class that is not supported")

    def finish(state: Any) -> Array:
        if type(state) is not tuple or len(state) != 5 or type(state[3]) is not bool:
            raise _damaged("an array's state is invalid")
        _, shape, dtype, fortran, data = state
        return array_of(machine.bytes_of(data), _built_dtype(dtype), shape, "F" if fortran else "C")

    return _Unbuilt(finish)


def _frombuffer_call(machine: _Interpreter, arguments: tuple[Any, ...]) -> Array:
    """Read protocol 5's ``_frombuffer(bytes, dtype, shape, order[, axes])``."""
    if len(arguments) not in (4, 5) or not _is_one_of(arguments[3], "C", "F", "K", "A"):
        raise _damaged("an array's arguments are invalid")
    data, dtype, shape, order = arguments[:4]
    array = array_of(
        machine.bytes_of(data), _built_dtype(dtype), shape, "F" if order == "F" else "C"
    )
    axes = arguments[4] if len(arguments) == 5 else None
    if axes is None:
        return array
    if (
        type(axes) is not tuple
        or any(type(n) is not int for n in axes)
        or sorted(axes) != list(range(array.ndim))
    ):
        raise _damaged("an array's axes are invalid")
    return array.transpose(axes)


def _scalar_call(machine: _Interpreter, arguments: tuple[Any, ...]) -> Any:
    if len(arguments) != 2:
        raise _damaged("a number's arguments are invalid")
    dtype, data = arguments
    return array_of(machine.bytes_of(data), _built_dtype(dtype), (), "C").item()


def _encode_call(machine: _Interpreter, arguments: tuple[Any, ...]) -> bytes:
    """Read bytes, which protocol 2 writes as text and its encoding."""
    if len(arguments) != 2 or not _is_one_of(arguments[1], "latin1", "latin-1"):
        raise _damaged("bytes have an encoding that is not supported")
    if type(arguments[0]) is not str:
        raise _damaged("an array's bytes are invalid")
    return machine.bytes_of(arguments[0]).tobytes()


def _bytes_call(_: _Interpreter, arguments: tuple[Any, ...]) -> bytes:
    if arguments:
        raise _damaged("the arguments of bytes are invalid")
    return b""


def _dict_call(_: _Interpreter, arguments: tuple[Any, ...]) -> dict[str, Any]:
    if arguments:
        raise _damaged("a dict's arguments are invalid")
    return {}


def _size_call(_: _Interpreter, arguments: tuple[Any, ...]) -> tuple[int, ...]:
    """Read ``torch.Size((2, 3))``."""
    if len(arguments) != 1:
        raise _damaged("a tensor's size is invalid")
    count_of(arguments[0])
    return cast("tuple[int, ...]", arguments[0])


def _tensor_call(machine: _Interpreter, arguments: tuple[Any, ...]) -> Array:
    """Read ``_rebuild_tensor_v2(storage, offset, size, stride, ...)``; ignore the rest."""
    if not 4 <= len(arguments) <= 7 or type(arguments[0]) is not _Storage:
        raise _damaged("a tensor's arguments are invalid")
    storage, offset, size, stride = arguments[:4]
    count = count_of(size)
    if (
        type(stride) is not tuple
        or len(stride) != len(size)
        or type(offset) is not int
        or offset < 0
        or not all(type(step) is int and 0 <= step < 1 << 40 for step in stride)
    ):
        raise _damaged("a tensor's arguments are invalid")
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if count and last >= storage.length:
        raise _damaged("a tensor reaches beyond its numbers")
    shown, stored = {"bf16": ("<f4", "<u2"), "|b1": ("|b1", "|u1")}.get(
        storage.dtype, (storage.dtype, storage.dtype)
    )
    machine.spend(count * np.dtype(shown).itemsize)
    if storage.raw is None or count == 0:
        empty: Array = np.broadcast_to(np.zeros((), np.dtype(shown).newbyteorder("=")), size)
        return empty
    flat = array_of(storage.raw, np.dtype(stored), (storage.length,), "C")
    steps = tuple(step * flat.itemsize for step in stride)
    view: Array = np.ndarray(size, flat.dtype, flat.data, offset * flat.itemsize, steps)
    if storage.dtype == "bf16":  # the upper half of a float32
        return cast(Array, (view.astype(np.uint32) << 16).view(np.float32))
    return view != 0 if storage.dtype == "|b1" else view.copy()


def _parameter_call(_: _Interpreter, arguments: tuple[Any, ...]) -> Array:
    if not arguments or not isinstance(arguments[0], np.ndarray):
        raise _damaged("a parameter is not a tensor")
    return arguments[0]


def _module_call(_: _Interpreter, arguments: tuple[Any, ...]) -> _Module:
    if arguments:
        raise _damaged("the arguments of a module are invalid")
    return _Module()


def _list_call(_: _Interpreter, arguments: tuple[Any, ...]) -> list[Any]:
    """Read a list of numbers or tensors, as TorchScript writes those of one type."""
    if len(arguments) != 1 or type(arguments[0]) is not list:
        raise _damaged("a list's arguments are invalid")
    return arguments[0]


_SCRIPT_CALLS = {
    _Named("torch.jit._pickle", f"build_{kind}list"): _list_call
    for kind in ("int", "double", "bool", "tensor")
}

_CALLS: dict[_Named, _Call] = {
    _Named("numpy", "dtype"): _dtype_call,
    _Named("collections", "OrderedDict"): _dict_call,
    _Named("dnnlib.util", "EasyDict"): _dict_call,  # NVIDIA's dict with attributes
    _Named("_codecs", "encode"): _encode_call,
    _Named("__builtin__", "bytes"): _bytes_call,
    _Named("torch", "Size"): _size_call,
    _Named("torch._utils", "_rebuild_tensor"): _tensor_call,
    _Named("torch._utils", "_rebuild_tensor_v2"): _tensor_call,
    _Named("torch._utils", "_rebuild_parameter"): _parameter_call,
}
for _core in ("numpy.core", "numpy._core"):  # before and since NumPy 2
    _CALLS[_Named(f"{_core}.multiarray", "_reconstruct")] = _reconstruct_call
    _CALLS[_Named(f"{_core}.multiarray", "scalar")] = _scalar_call
    _CALLS[_Named(f"{_core}.numeric", "_frombuffer")] = _frombuffer_call

_INERT = {_Named("numpy", "ndarray")}

_STORAGES = {
    _Named("torch", f"{kind}Storage"): dtype
    for kind, dtype in {
        "Double": "<f8",
        "Float": "<f4",
        "Half": "<f2",
        "BFloat16": "bf16",
        "Long": "<i8",
        "Int": "<i4",
        "Short": "<i2",
        "Char": "|i1",
        "Byte": "|u1",
        "Bool": "|b1",
    }.items()
}


def _long(machine: _Interpreter, count: int) -> None:
    machine.push(int.from_bytes(machine.take(max(0, count)), "little", signed=True))


def _new_object(machine: _Interpreter) -> None:
    """Read a dict of another class: the class, and its constructor's arguments, which are none.

    Or a module of TorchScript.
    """
    machine.call()
    if type(machine.top()) is not dict and not isinstance(machine.top(), _Module):
        raise _damaged("an object of a class that is not supported")


def _pairs(items: list[Any]) -> dict[str, Any]:
    machine = _Interpreter(io.BytesIO(), 0, most_bytes=0)
    machine.push({})
    machine.set(items)
    return cast("dict[str, Any]", machine.pop())


_STEPS: dict[bytes, Callable[[_Interpreter], None]] = {
    # The stack
    b"(": lambda m: m.push(_MARK),
    b"0": lambda m: m.drop(),
    b"1": lambda m: m.drop_from_mark(),
    b"2": lambda m: m.push(m.top()),
    # Protocol and frames
    b"\x80": lambda m: m.skip(1),
    b"\x95": lambda m: m.skip(8),
    # Numbers
    b"N": lambda m: m.push(None),
    b"\x88": lambda m: m.push(True),
    b"\x89": lambda m: m.push(False),
    b"J": lambda m: m.push(m.number("<i")),
    b"K": lambda m: m.push(m.number("<B")),
    b"M": lambda m: m.push(m.number("<H")),
    b"\x8a": lambda m: _long(m, m.number("<B")),
    b"\x8b": lambda m: _long(m, m.number("<i")),
    b"G": lambda m: m.push(struct.unpack(">d", m.take(8))[0]),
    # Text and bytes
    b"U": lambda m: m.push(m.take(m.number("<B")).decode("latin-1")),
    b"T": lambda m: m.push(m.take(max(0, m.number("<i"))).decode("latin-1")),
    b"X": lambda m: m.push(_text(m.take(m.number("<I")))),
    b"\x8c": lambda m: m.push(_text(m.take(m.number("<B")))),
    b"\x8d": lambda m: m.push(_text(m.take(m.number("<Q")))),
    b"C": lambda m: m.push(m.take(m.number("<B"))),
    b"B": lambda m: m.push(m.take(m.number("<I"))),
    b"\x8e": lambda m: m.push(m.take(m.number("<Q"))),
    b"\x96": lambda m: m.push(m.take(m.number("<Q"))),  # never changed, so bytes do
    # Containers
    b"]": lambda m: m.push([]),
    b"l": lambda m: m.push(m.to_mark()),
    b"a": lambda m: m.append([m.pop()]),
    b"e": lambda m: m.append(m.to_mark()),
    b")": lambda m: m.push(()),
    b"\x85": lambda m: m.take_tuple(1),
    b"\x86": lambda m: m.take_tuple(2),
    b"\x87": lambda m: m.take_tuple(3),
    b"t": lambda m: m.push(tuple(m.to_mark())),
    b"}": lambda m: m.push({}),
    b"d": lambda m: m.push(_pairs(m.to_mark())),
    b"s": lambda m: m.set([m.pop(), m.pop()][::-1]),
    b"u": lambda m: m.set(m.to_mark()),
    # The memo
    b"q": lambda m: m.remember(m.number("<B")),
    b"r": lambda m: m.remember(m.number("<I")),
    b"\x94": lambda m: m.memoize(),
    b"h": lambda m: m.recall(m.number("<B")),
    b"j": lambda m: m.recall(m.number("<I")),
    # Names and calls
    b"c": lambda m: m.name(m.line(), m.line()),
    b"\x93": lambda m: m.name(*[m.pop(), m.pop()][::-1]),
    b"R": lambda m: m.call(),
    b"\x81": _new_object,
    b"b": lambda m: m.build(),
    b"Q": lambda m: m.storage(),
}
"""Opcode -> action: protocols 2 to 5, without sets, extensions and out-of-band buffers."""


def _load_torch(file: BinaryIO, size: int, *, values: bool, scripted: bool = False) -> Any:
    """Read a zip of ``torch.save`` or, if ``scripted``, of ``torch.jit.save``.

    It holds ``data.pkl``, whose tensors refer to ``data/<key>``.
    """
    with zipfile.ZipFile(file) as archive:
        members = {info.filename: info for info in archive.infolist()}
        programs = [name for name in members if name.rpartition("/")[2] == "data.pkl"]
        if len(members) != len(archive.infolist()) or len(programs) != 1:
            raise InputError(
                "it is a zip, but not a file of torch.save",
                hint="Write it with torch.save, or rename it with the ending of its kind.",
            )
        if sum(info.file_size for info in members.values()) > most_bytes(size):
            raise InputError(
                "it unpacks to many times its size",
                hint="It looks like a decompression bomb; make the file again.",
            )
        if values and (damaged := archive.testzip()):
            raise InputError(
                f"its part '{terminal_safe(damaged)}' is damaged (CRC-32)", hint=_AGAIN
            )
        folder = programs[0].removesuffix("data.pkl")
        order = folder + "byteorder"
        if order in members and members[order].file_size < 10:
            big = archive.read(order) == b"big"
        else:
            big = False  # files from before torch 2.1 are little-endian
        kept: dict[str, npt.NDArray[np.uint8]] = {}

        def storage(dtype: str, key: str, count: int) -> _Storage:
            info = members.get(f"{folder}data/{key}")
            itemsize = 2 if dtype == "bf16" else np.dtype(dtype).itemsize
            if info is None or count < 0 or info.file_size != count * itemsize:
                raise _damaged("the numbers of a tensor are missing")
            if values and key not in kept:
                raw = np.frombuffer(archive.read(info), np.uint8).copy()
                kept[key] = raw.reshape(-1, itemsize)[:, ::-1].reshape(-1) if big else raw
            return _Storage(dtype, count, kept.get(key))

        program = archive.read(programs[0])
        return _Interpreter(
            io.BytesIO(program),
            len(program),
            most_bytes=most_bytes(size),
            storages=storage,
            scripted=scripted,
        ).run()


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        raise _damaged("text that is not valid UTF-8") from None


def _built_dtype(value: Any) -> np.dtype[Any]:
    if not isinstance(value, np.dtype):
        raise _damaged("an array has no type")
    return value


def _is_one_of(value: object, *texts: str) -> bool:
    return type(value) is str and value in texts  # arrays compare element by element


def _kind(value: Any) -> str:
    return "name" if isinstance(value, _Named | _Unbuilt | _Storage) else type(value).__name__


def _unknown_step(code: bytes) -> InputError:
    if code in b"ISVLFgpPio":
        return InputError(
            "it is not a pickle, or one of protocol 0 or 1, which are not supported",
            hint="Write it with pickle.dump(..., protocol=4).",
        )
    return _damaged(f"it has the opcode {code!r}")


def _code(named: _Named) -> InputError:
    return InputError(
        f"the pickle asks for {named}",
        hint="Save only arrays, lists and dicts: other objects are not read, as they can run code.",
    )


def _damaged(why: str) -> InputError:
    return InputError(
        f"it cannot be read as a pickle or torch file: {why}",
        hint=_AGAIN,
    )
