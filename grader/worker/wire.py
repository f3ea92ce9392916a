"""What travels between grader and worker: frames of JSON and raw array bytes, nothing executable.

A frame is `header length (4 bytes, big endian) | header (JSON) | blobs`. The header is
`{"body": ..., "blobs": [sizes in bytes]}`. In the body, None, bool, int, float and str stand for
themselves; everything else is an object with one tag: list, tuple, dict, bytes, tensor, other,
raised. `read` checks every size before it allocates, and raises `ProtocolError` for anything else.
"""

from __future__ import annotations

import json
import math
import struct
import sys
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    import numpy as np
    import torch

MAX_HEADER = 4 << 20  # bytes
MAX_BLOBS = 64 << 20  # bytes in one frame, for frames that come from a worker
MAX_DEPTH = 32
MAX_TEXT = 2_000  # characters of a repr or of an exception's message

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


class ProtocolError(Exception):
    """What arrived is not a frame of this protocol."""


@dataclass(frozen=True)
class TensorData:
    """A tensor as plain data: `data` holds the elements in row-major order, little endian."""

    dtype: str
    shape: tuple[int, ...]
    data: bytes | bytearray | memoryview
    device: str = "cpu"
    requires_grad: bool = False

    def torch(self) -> torch.Tensor:
        """Return it as a torch tensor on the CPU."""
        import torch

        dtype = getattr(torch, self.dtype)
        if not math.prod(self.shape):
            return torch.zeros(self.shape, dtype=dtype)
        return torch.frombuffer(bytearray(self.data), dtype=dtype).reshape(self.shape)

    def numpy(self) -> np.ndarray[Any, Any]:
        """Return it as a NumPy array (bfloat16 as float32)."""
        if self.dtype == "bfloat16":
            return self.torch().float().numpy()
        import numpy as np

        return np.frombuffer(self.data, dtype=self.dtype).reshape(self.shape)

    def tolist(self) -> Any:
        """Return it as nested lists of Python numbers."""
        return self.numpy().tolist()


@dataclass(frozen=True)
class Other:
    """A value of a type that the wire does not carry."""

    type: str
    text: str


@dataclass(frozen=True)
class Frame:
    """One line of a traceback, in the student's own files."""

    file: str
    line: int
    function: str
    source: str


@dataclass(frozen=True)
class Raised:
    """An exception that student code raised, described."""

    kind: str  # exception, exit, memory, missing_module, missing_name
    type: str
    message: str
    call: str
    frames: tuple[Frame, ...] = field(default=())


def describe(value: object) -> Other:
    """Describe a foreign value by its type and a bounded repr; never raises."""
    try:
        text = repr(value)[:MAX_TEXT]
    except BaseException as error:  # a student's __repr__ may do anything
        text = f"<repr raised {type(error).__name__}>"
    return Other(type(value).__name__, text)


def tensor_data(value: Any) -> TensorData:
    """Take the data of a torch tensor or a NumPy array."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        plain = value.detach().to("cpu").contiguous()
        name = str(plain.dtype).removeprefix("torch.")
        raw = plain.reshape(-1).view(torch.uint8).numpy().data if plain.numel() else b""
        return TensorData(name, tuple(plain.shape), raw, value.device.type, value.requires_grad)
    return TensorData(value.dtype.name, tuple(value.shape), value.tobytes())


def _is_array(value: object) -> bool:
    for module, name in (("torch", "Tensor"), ("numpy", "ndarray")):
        if module in sys.modules and isinstance(value, getattr(sys.modules[module], name)):
            return True
    return False


def _encode(value: object, blobs: list[Any], depth: int = 0) -> Any:
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, float):  # numpy.float64 is one
        return float(value)
    if depth == MAX_DEPTH:
        return {"other": asdict(describe(value))}
    if type(value) in (list, tuple):
        return {type(value).__name__: [_encode(item, blobs, depth + 1) for item in value]}  # type: ignore[attr-defined]
    if type(value) is dict:
        return {
            "dict": [
                [key if type(key) in (bool, int, float, str) else str(describe(key)),
                 _encode(item, blobs, depth + 1)]
                for key, item in value.items()
            ]
        }
    if isinstance(value, bytes):
        blobs.append(value)
        return {"bytes": len(blobs) - 1}
    if isinstance(value, Other | Raised):
        return {type(value).__name__.lower(): asdict(value)}
    if _is_array(value):
        try:
            value = tensor_data(value)
        except Exception:  # a sparse, meta or lying tensor
            return {"other": asdict(describe(value))}
    if isinstance(value, TensorData) and value.dtype in ITEM_SIZES:
        blobs.append(value.data)
        shape = list(value.shape)
        return {"tensor": [len(blobs) - 1, value.dtype, shape, value.device, value.requires_grad]}
    return {"other": asdict(describe(value))}


def write(stream: BinaryIO, body: object) -> None:
    """Send one frame."""
    blobs: list[Any] = []
    encoded = _encode(body, blobs)
    header = json.dumps({"body": encoded, "blobs": [len(blob) for blob in blobs]}).encode()
    stream.write(struct.pack("!I", len(header)))
    stream.write(header)
    for blob in blobs:
        stream.write(blob)
    stream.flush()


def _read_exactly(stream: BinaryIO, size: int) -> bytearray:
    data = bytearray(size)
    view = memoryview(data)
    while view:
        count = stream.readinto(view)  # type: ignore[attr-defined]
        if not count:
            raise EOFError
        view = view[count:]
    return data


def read(stream: BinaryIO, max_blobs: int | None = MAX_BLOBS) -> Any:
    """Receive one frame's body.

    Raises:
        EOFError: the stream ended.
        ProtocolError: the frame breaks the rules of this module.
    """
    (size,) = struct.unpack("!I", _read_exactly(stream, 4))
    if size > MAX_HEADER:
        raise ProtocolError(f"header of {size} bytes")
    try:
        header = json.loads(_read_exactly(stream, size))
        encoded, sizes = header["body"], header["blobs"]
        if not all(type(count) is int and count >= 0 for count in sizes):
            raise ProtocolError("blob sizes are not numbers")
        if max_blobs is not None and sum(sizes) > max_blobs:
            raise ProtocolError(f"{sum(sizes)} bytes of arrays")
        blobs = [_read_exactly(stream, count) for count in sizes]
        return _decode(encoded, blobs)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError) as error:
        raise ProtocolError(f"not a frame: {type(error).__name__}") from None


def _decode(value: Any, blobs: list[bytearray], depth: int = 0) -> Any:
    if depth > MAX_DEPTH + 1:
        raise ProtocolError("nested too deeply")
    if type(value) is not dict:
        if value is None or type(value) in (bool, int, float, str):
            return value
        raise ProtocolError("a bare JSON list")
    ((tag, content),) = value.items()
    if tag == "list":
        return [_decode(item, blobs, depth + 1) for item in content]
    if tag == "tuple":
        return tuple(_decode(item, blobs, depth + 1) for item in content)
    if tag == "dict":
        return {key: _decode(item, blobs, depth + 1) for key, item in content}
    if tag == "bytes":
        return bytes(blobs[content])
    if tag == "tensor":
        return _decode_tensor(*content, blobs)
    if tag == "other":
        return Other(str(content["type"])[:MAX_TEXT], str(content["text"])[:MAX_TEXT])
    if tag == "raised":
        return _decode_raised(content)
    raise ProtocolError("unknown tag")


def _decode_tensor(
    index: int, dtype: str, shape: list[int], device: str, grad: bool, blobs: list[bytearray]
) -> TensorData:
    data = blobs[index]
    if not all(type(size) is int and 0 <= size < 1 << 40 for size in shape) or len(shape) > 8:
        raise ProtocolError("a shape that is none")
    if math.prod(shape) * ITEM_SIZES[dtype] != len(data):
        raise ProtocolError("a tensor whose bytes do not fit its shape")
    return TensorData(dtype, tuple(shape), data, str(device)[:20], grad is True)


def _decode_raised(content: dict[str, Any]) -> Raised:
    texts = [str(content[name])[:MAX_TEXT] for name in ("kind", "type", "message", "call")]
    frames = tuple(
        Frame(str(f["file"])[:200], int(f["line"]), str(f["function"])[:200], str(f["source"])[:200])
        for f in content["frames"][-8:]
    )
    return Raised(*texts, frames=frames)
