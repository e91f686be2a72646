"""Downloads through torchvision, which is an extra and may be missing."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from tlml.errors import TlmlError


class NoTorchvisionError(TlmlError):
    """torchvision is not installed."""


def download(data_set: str, root: Path, **options: Any) -> None:
    """Download one of torchvision's data sets into a folder, where it isn't there yet.

    Raises:
        NoTorchvisionError: torchvision is missing.
        TlmlError: It does not load, or the download failed.
    """
    try:
        module = import_module("torchvision.datasets")
    except ImportError as error:
        raise NoTorchvisionError(_unusable(data_set, f"which is not there ({error})")) from error
    except Exception as error:  # beside another build of torch it fails with a RuntimeError
        raise TlmlError(_unusable(data_set, f"which does not load ({error})")) from error
    try:
        root.mkdir(parents=True, exist_ok=True)
        getattr(module, data_set)(root=str(root), download=True, **options)
    except (OSError, RuntimeError) as error:
        raise TlmlError(f"{data_set}: the download into {root} failed: {error}") from error


def _unusable(data_set: str, why: str) -> str:
    return (
        f"{data_set}: download=True needs torchvision, {why}; install tlml[vision] with the build "
        "that belongs to your torch, or put the files there yourself"
    )
