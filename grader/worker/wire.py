"""The protocol between grader and worker: frames of JSON and raw array bytes, nothing executable.

A frame is `length of the JSON (4 bytes, big endian) | JSON (ASCII) | bytes of the arrays`. In the
JSON, None, bool, int (64 bits), float and str represent themselves. Everything else is an object
with one tag: list, tuple, dict, bytes, tensor, other, raised. The bytes of arrays follow in the
order in which the arrays occur. `read` checks every size before it allocates, and raises
`ProtocolError` for anything else.
"""

from __future__ import annotations

import json
import math
import re
import struct
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    import numpy as np
    import torch

MAX_HEADER = 4 << 20  # bytes of JSON
MAX_BLOBS = 64 << 20  # bytes of arrays in one frame, for frames that come from a worker
MAX_ITEMS = 200_000  # values in one frame
MAX_DEPTH = 32
MAX_DIMS = 8
MAX_EMPTY = 1 << 20  # product of the nonzero sizes of an empty tensor
MAX_TEXT = 2_000  # characters of a repr or of an exception's message
MAX_NAME = 200  # characters of the name of a type, a file or a function
MAX_FRAMES = 8  # last lines of a traceback
ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")

ITEM_SIZES = {
    "bool": 1,
    "uint8": 1,
    "int8": 1,
    "int16": 2,
    "int32": 4,
    "int64": 8,
    "float16": 2,
    "bfloat16": 2,
    "float32": 4,
    "float64": 8,
}
# Kinds of Raised. A placeholder is that of a stub, left in a function that has code of its own.
KINDS = ("exception", "exit", "memory", "missing_module", "missing_name", "placeholder")


class ProtocolError(Exception):
    """The received data is not a valid frame."""


class TooLargeError(ProtocolError):
    """The data to send exceeds the size limit of a frame."""


@dataclass(frozen=True)
class TensorData:
    """A tensor as plain data; `data` has the elements in row-major order, little endian."""

    dtype: str
    shape: tuple[int, ...]
    data: bytes | bytearray | memoryview
    device: str = "cpu"
    requires_grad: bool = False

    def torch(self) -> torch.Tensor:
        """Convert to a torch tensor on the CPU."""
        import torch

        dtype = getattr(torch, self.dtype)
        if not math.prod(self.shape):
            return torch.zeros(self.shape, dtype=dtype)
        return torch.frombuffer(bytearray(self.data), dtype=dtype).reshape(self.shape)

    def numpy(self) -> np.ndarray[Any, Any]:
        """Convert to a NumPy array (bfloat16 as float32)."""
        if self.dtype == "bfloat16":
            return self.torch().float().numpy()
        import numpy as np

        return np.frombuffer(self.data, dtype=self.dtype).reshape(self.shape)

    def tolist(self) -> Any:
        """Convert to nested lists of Python numbers."""
        return self.numpy().tolist()


@dataclass(frozen=True)
class Opaque:
    """A description of a value whose type the wire cannot carry."""

    type: str
    text: str


@dataclass(frozen=True)
class Frame:
    """A line of a traceback in the student's own files."""

    file: str
    line: int
    function: str
    source: str


@dataclass(frozen=True)
class Raised:
    """A description of an exception that student code raised; `kind` is one of `KINDS`."""

    kind: str
    type: str
    message: str
    call: str
    frames: tuple[Frame, ...] = field(default=())
    trace: str = ""  # the shapes on the way to an exception about shapes
    clue: str = ""  # a sentence about the variables in the line, see `clues`


def text(function: Callable[[Any], str], value: object) -> str:
    """Return the start of `str(value)` or `repr(value)`; never raises."""
    try:
        return str.__getitem__(function(value), slice(MAX_TEXT))
    except BaseException as error:  # a student's __repr__ may do anything
        return f"<{function.__name__} raised {type_name(error)}>"


def type_name(value: object) -> str:
    """Return the name of a value's type, without calling its metaclass."""
    name: str = vars(type)["__name__"].__get__(type(value))
    return str.__getitem__(name, slice(MAX_NAME))


def describe(value: object) -> Opaque:
    """Describe any value by its type and a truncated repr; never raises.

    The repr has no addresses, so it is the same in every run.
    """
    return Opaque(type_name(value), ADDRESS.sub("", text(repr, value)))


def _describe_array(value: object, found: TensorData) -> Opaque:
    """Describe a tensor or array; by its form if a repr would take minutes: of many dimensions."""
    if len(found.shape) <= MAX_DIMS:
        return describe(value)
    name = type_name(value)
    return Opaque(name, f"a {found.dtype} {name.lower()} of shape {found.shape}"[:MAX_TEXT])


def tensor_data(value: Any) -> TensorData:
    """Extract the data of a torch tensor or NumPy array, without calling methods of subclasses.

    Raises:
        TypeError: the value is neither. Other exceptions: it has no plain data (sparse, meta).
    """
    torch, numpy = sys.modules.get("torch"), sys.modules.get("numpy")
    if torch is not None and issubclass(type(value), torch.Tensor):
        base = torch.Tensor
        with torch._C.DisableTorchFunctionSubclass():
            plain = base.contiguous(base.cpu(base.detach(value)))
            device, grad = base.device.__get__(value).type, base.requires_grad.__get__(value)
            raw = plain.reshape(-1).view(torch.uint8).numpy().data if plain.numel() else b""
        return TensorData(
            str(plain.dtype).removeprefix("torch."), (*plain.shape,), raw, device, grad
        )
    if numpy is not None and issubclass(type(value), numpy.ndarray):
        array = numpy.asarray(value)
        little = array.astype(array.dtype.newbyteorder("<"), copy=False)
        raw = numpy.ascontiguousarray(little).reshape(-1).view(numpy.uint8).data
        return TensorData(array.dtype.name, array.shape, raw)
    raise TypeError("not an array")


def snapshot(value: object) -> TensorData | Opaque:
    """Copy a tensor or array as it is now, or describe it; what happens to it later has no effect.

    A subclass may compute its numbers when it is asked for them, which is now, too.
    """
    try:
        found = tensor_data(value)
    except BaseException:  # not an array, or unreadable
        return describe(value)
    if found.dtype not in ITEM_SIZES or not _is_shape(found.shape):
        return _describe_array(value, found)
    return replace(found, data=bytes(found.data))


class _Encoder:
    """Converts a body to JSON and collects the bytes of its arrays.

    Types are compared with `is`, so nothing that a student's class defines is called, except the
    `repr` of values that cannot be encoded.
    """

    def __init__(self) -> None:
        self.arrays: list[memoryview] = []
        self.items = 0

    def encode(self, value: Any, depth: int = 0) -> Any:
        self.items += 1
        if self.items > MAX_ITEMS:
            raise TooLargeError(f"the result holds more than {MAX_ITEMS} values")
        kind = type(value)
        if value is None or kind is bool or kind is str or kind is float:
            return value
        if kind is int and _fits(value):
            return value
        if issubclass(kind, float):  # numpy.float64 is one
            return float.__float__(value)
        if depth < MAX_DEPTH:
            if kind is list or kind is tuple:
                return {kind.__name__: [self.encode(item, depth + 1) for item in value]}
            if kind is dict:
                pairs = value.items()
                return {"dict": [[_key(key), self.encode(item, depth + 1)] for key, item in pairs]}
        if kind is bytes:
            return {"bytes": self._array(value)}
        if kind is Opaque or kind is Raised:
            return {kind.__name__.lower(): asdict(value)}
        try:
            found = value if kind is TensorData else tensor_data(value)
        except BaseException:  # not an array, or unreadable
            return {"opaque": asdict(describe(value))}
        if found.dtype not in ITEM_SIZES or not _is_shape(found.shape):
            return {"opaque": asdict(_describe_array(value, found))}
        self._array(found.data)
        return {"tensor": [found.dtype, [*found.shape], found.device, found.requires_grad]}

    def _array(self, data: bytes | bytearray | memoryview) -> int:
        view = memoryview(data)
        self.arrays.append(view.cast("B") if view.nbytes else memoryview(b""))
        return view.nbytes


def _is_shape(sizes: Sequence[int]) -> bool:
    """Return whether a shape is acceptable: few dimensions, and no huge sizes."""
    return len(sizes) <= MAX_DIMS and (
        0 not in sizes or math.prod(size or 1 for size in sizes) <= MAX_EMPTY
    )


def _fits(number: int) -> bool:
    return -(1 << 63) <= number < 1 << 64


def _key(key: Any) -> bool | int | float | str | None:
    kind = type(key)
    if key is None or kind is bool or kind is str or kind is float or (kind is int and _fits(key)):
        return key  # type: ignore[no-any-return]
    return describe(key).text


def encode(body: object, max_blobs: int | None = None) -> list[bytes | memoryview]:
    """Encode a frame, as the parts that `send` takes.

    Raises:
        TooLargeError: the frame exceeds the size limit.
    """
    encoder = _Encoder()
    header = json.dumps(encoder.encode(body)).encode("ascii")
    size = sum(len(array) for array in encoder.arrays)
    if len(header) > MAX_HEADER:
        raise TooLargeError(
            f"the result is {len(header)} bytes long without its arrays; "
            f"at most {MAX_HEADER} are allowed"
        )
    if max_blobs is not None and size > max_blobs:
        raise TooLargeError(
            f"the result holds {size} bytes of arrays; at most {max_blobs} are allowed"
        )
    return [struct.pack("!I", len(header)) + header, *encoder.arrays]


def send(stream: BinaryIO, parts: list[bytes | memoryview]) -> None:
    """Write the parts of frames to a stream, which may be unbuffered."""
    for part in parts:
        rest = memoryview(part)
        while rest:
            rest = rest[stream.write(rest) :]
    stream.flush()


def write(stream: BinaryIO, body: object) -> None:
    """Encode and send a frame."""
    send(stream, encode(body))


def read(stream: BinaryIO, max_blobs: int | None = MAX_BLOBS) -> Any:
    """Receive a frame and decode its body.

    Raises:
        EOFError: the stream has ended.
        ProtocolError: the frame is invalid.
    """
    (size,) = struct.unpack("!I", _read_exactly(stream, 4))
    if size > MAX_HEADER:
        raise ProtocolError(f"a frame of {size} bytes without its arrays")
    try:
        body = json.loads(_read_exactly(stream, size).decode("ascii"))
        return _Decoder(stream, max_blobs).decode(body)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise ProtocolError(f"not a frame: {type(error).__name__}") from None


def _read_exactly(stream: BinaryIO, size: int) -> bytearray:
    data = bytearray(size)
    rest = memoryview(data)
    while rest:
        count = stream.readinto(rest)  # type: ignore[attr-defined]
        if not count:
            raise EOFError
        rest = rest[count:]
    return data


class _Decoder:
    """Converts JSON to a body, and reads the bytes of its arrays in order."""

    def __init__(self, stream: BinaryIO, room: int | None) -> None:
        self.stream, self.room = stream, room

    def decode(self, value: Any, depth: int = 0) -> Any:
        if depth > MAX_DEPTH:
            raise ProtocolError("nested too deeply")
        if type(value) is not dict:
            return _scalar(value)
        ((tag, content),) = value.items()
        if tag == "list":
            return [self.decode(item, depth + 1) for item in _a(list, content)]
        if tag == "tuple":
            return tuple(self.decode(item, depth + 1) for item in _a(list, content))
        if tag == "dict":
            return {_scalar(key): self.decode(item, depth + 1) for key, item in _a(list, content)}
        if tag == "bytes":
            return bytes(self._array(_a(int, content)))
        if tag == "tensor":
            return self._tensor(*_a(list, content))
        if tag == "opaque":
            return Opaque(_text(content["type"], MAX_NAME), _text(content["text"]))
        if tag == "raised":
            return _raised(content)
        raise ProtocolError("unknown tag")

    def _array(self, size: int) -> bytearray:
        if self.room is not None:
            self.room -= size
            if self.room < 0:
                raise ProtocolError("more bytes of arrays than are allowed")
        return _read_exactly(self.stream, size)

    def _tensor(self, dtype: str, shape: list[int], device: str, grad: bool) -> TensorData:
        if any(_a(int, size) < 0 for size in _a(list, shape)) or not _is_shape(shape):
            raise ProtocolError("an invalid shape")
        data = self._array(math.prod(shape) * ITEM_SIZES[dtype])
        if dtype == "bool" and data.strip(b"\0\1"):
            raise ProtocolError("a bool that is neither true nor false")
        return TensorData(dtype, tuple(shape), data, _text(device, MAX_NAME), _a(bool, grad))


def _a(kind: type, value: Any) -> Any:
    if type(value) is not kind:
        raise ProtocolError(f"expected {kind.__name__}")
    return value


def _scalar(value: Any) -> Any:
    if type(value) is int and not _fits(value):  # long ints can be chosen to collide as keys
        raise ProtocolError("an int of more than 64 bits")
    if type(value) in (list, dict):
        raise ProtocolError(f"a bare {type(value).__name__}")
    return value


def _text(value: Any, limit: int = MAX_TEXT) -> str:
    """Return safe text: bounded, without control characters and lone surrogates."""
    shown: str = _a(str, value)[:limit].replace("\t", " ")
    return "".join(char if char.isprintable() or char == "\n" else "?" for char in shown)


def _raised(content: dict[str, Any]) -> Raised:
    if content["kind"] not in KINDS:
        raise ProtocolError("an unknown kind of exception")
    frames = tuple(
        Frame(
            _text(frame["file"], MAX_NAME),
            _scalar(_a(int, frame["line"])),
            _text(frame["function"], MAX_NAME),
            _text(frame["source"], MAX_NAME),
        )
        for frame in _a(list, content["frames"])[-MAX_FRAMES:]
    )
    name, message, call = _text(content["type"], MAX_NAME), content["message"], content["call"]
    trace, clue = _text(content["trace"]), _text(content["clue"])
    return Raised(content["kind"], name, _text(message), _text(call), frames, trace, clue)
