"""Reading pickles of arrays without executing them: all but plain data and numpy is refused."""

from __future__ import annotations

import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np

from tlml.errors import TlmlError

_ARRAYS = ("numpy.core.multiarray", "numpy._core.multiarray")
_NUMERIC = ("numpy.core.numeric", "numpy._core.numeric")
_KINDS = "biufcSU"  # numbers and text, no objects
_PLAIN = (bytearray, bytes, complex, dict, frozenset, int, list, set, slice, str, tuple)


def load_pickle(path: Path) -> Any:
    """Return the numbers, texts, containers and numpy arrays of a pickle (Python 2's, too).

    Raises:
        TlmlError: The file asks for anything else, is damaged, or can't be read.
    """
    try:
        with path.open("rb") as file:
            return _DataOnly(file, path).load()
    except TlmlError:
        raise
    except OSError as error:
        raise TlmlError(f"{path}: can't be read: {error.strerror}") from error
    except Exception as error:  # a damaged pickle raises what the bytes happen to lead to
        raise TlmlError(f"{path}: is damaged or no pickle ({error}); get it again") from error


class _DataOnly(pickle.Unpickler):
    """An unpickler whose only callables make arrays and built-in containers."""

    def __init__(self, file: Any, path: Path) -> None:
        # Python 2 wrote arrays as text, which latin1 turns back into the same bytes.
        super().__init__(file, encoding="latin1")
        self._path, self._allowed = path, _allowed()

    def find_class(self, module: str, name: str) -> Any:
        """Return one of the few callables that make data."""
        try:
            return self._allowed[module, name]
        except KeyError:
            raise TlmlError(
                f"{self._path}: this pickle asks for {module}.{name}, and only numpy arrays and "
                "plain containers are read, since anything else can run code; write it anew as "
                "arrays, or use the image files"
            ) from None


class _Type:
    """A numpy type of numbers or text; numpy's own trusts the flags that a pickle gives it."""

    def __init__(self, code: str, *_: object) -> None:
        self.dtype = np.dtype(code)
        if self.dtype.kind not in _KINDS:
            raise pickle.UnpicklingError(f"arrays of type {code} hold no numbers")

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        """Take the byte order of a pickled type, and no more."""
        self.dtype = self.dtype.newbyteorder(state[1])


class _Array(np.ndarray[Any, Any]):
    """An array whose pickled state may name a `_Type` only."""

    def __setstate__(self, state: Any, /) -> None:
        """Take shape, type and data."""
        version, shape, kind, fortran, raw = state
        whole: Any = (version, shape, _type(kind), bool(fortran), _latin1(raw))
        super().__setstate__(whole)


def _reconstruct(*_: object) -> _Array:
    return _Array((0,), np.uint8)


def _scalar(kind: object, raw: bytes | str) -> Any:
    return np.frombuffer(_latin1(raw), _type(kind))[0]


def _from_buffer(raw: Any, kind: object, shape: tuple[int, ...], order: str) -> Any:
    return np.frombuffer(raw, _type(kind)).reshape(shape, order="F" if order == "F" else "C")


def _type(kind: object) -> np.dtype[Any]:
    if not isinstance(kind, _Type):
        raise pickle.UnpicklingError("an array without a type")
    return kind.dtype


def _latin1(raw: bytes | str) -> bytes:
    return raw.encode("latin1") if isinstance(raw, str) else raw


def _allowed() -> dict[tuple[str, str], Any]:
    found: dict[tuple[str, str], Any] = {
        ("numpy", "ndarray"): _Array,
        ("numpy", "dtype"): _Type,
        ("collections", "OrderedDict"): OrderedDict,
        ("_codecs", "encode"): _encode,
    }
    for module in _ARRAYS:
        found[module, "_reconstruct"], found[module, "scalar"] = _reconstruct, _scalar
    for module in _NUMERIC:
        found[module, "_frombuffer"] = _from_buffer
    for module in ("builtins", "__builtin__"):
        found.update({(module, made.__name__): made for made in _PLAIN})
    return found


def _encode(text: str, encoding: str = "latin1") -> bytes:
    """Make bytes as protocol 2 writes them."""
    if encoding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError(f"bytes are encoded as {encoding}")
    return text.encode("latin1")
