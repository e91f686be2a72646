"""How much memory is free, and how much something takes."""

from __future__ import annotations

import os
from pathlib import Path

_MEMINFO = Path("/proc/meminfo")


def free_memory() -> int | None:
    """Return how many bytes of memory are free; None where the system does not tell."""
    try:
        lines = _MEMINFO.read_text(encoding="utf-8").splitlines()
        told = dict(line.split(":", 1) for line in lines)["MemAvailable"]  # caches give way
        return int(told.split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        names = getattr(os, "sysconf_names", {})
        if "SC_AVPHYS_PAGES" not in names:
            return None
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def size_of(size: float) -> str:
    """Return bytes for people to read.

    >>> size_of(2_900_000)
    '2.9 MB'
    """
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            break
        size /= 1000
    return f"{size:,.3g} {unit}"
