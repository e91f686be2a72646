"""Write constraints.txt from pip's report (on standard input), keeping the comments at its top."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path


def pins(report: dict) -> list[str]:
    """Return ``name==version`` of all that pip would install, without tlml or ``+cpu``."""
    found = [item["metadata"] for item in report["install"]]
    names = {re.sub(r"[-_.]+", "-", m["name"]).lower(): m["version"].split("+")[0] for m in found}
    return [f"{name}=={names[name]}" for name in sorted(names) if name != "tlml"]


if __name__ == "__main__":
    path = Path("constraints.txt")
    header = [line for line in path.read_text().splitlines() if line.startswith("#")]
    path.write_text("\n".join(header + pins(json.load(sys.stdin))) + "\n")
