"""The installed version of tlml."""

from __future__ import annotations

from importlib import metadata


def tlml_version() -> str:
    """Return the version of the distribution, ``0+unknown`` where tlml isn't installed."""
    try:
        return metadata.version("tlml")
    except metadata.PackageNotFoundError:
        return "0+unknown"
