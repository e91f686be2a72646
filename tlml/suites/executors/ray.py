"""Cells on a Ray cluster, by joblib."""

from __future__ import annotations

from tlml.errors import TlmlError


def use_ray() -> None:
    """Make joblib know Ray."""
    try:
        from ray.util.joblib import register_ray
    except ImportError as error:
        raise TlmlError("backend: ray is not installed; pip install 'tlml[ray]'") from error
    register_ray()
