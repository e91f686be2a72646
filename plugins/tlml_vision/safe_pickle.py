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


def _allowed() -> dict[tuple[str, str], Any]:
    found: dict[tuple[str, str], Any] = {
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
        ("collections", "OrderedDict"): OrderedDict,
        ("_codecs", "encode"): _encode,
    }
    # What numpy itself names as the makers of arrays, scalars and out-of-band buffers.
    rebuild, scalar = np.empty(0).__reduce__()[0], np.int64(0).__reduce__()[0]
    buffer = np.empty(0).__reduce_ex__(5)[0]
    for module in _ARRAYS:
        found[module, "_reconstruct"], found[module, "scalar"] = rebuild, scalar
    for module in _NUMERIC:
        found[module, "_frombuffer"] = buffer
    for module in ("builtins", "__builtin__"):
        found.update({(module, made.__name__): made for made in _PLAIN})
    return found


def _encode(text: str, encoding: str = "latin1") -> bytes:
    """Make bytes as protocol 2 writes them."""
    if encoding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError(f"bytes are encoded as {encoding}")
    return text.encode("latin1")
