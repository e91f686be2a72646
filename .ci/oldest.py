"""Print ``name==version`` for the lower bounds that pyproject.toml gives to the named packages."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path


def oldest(dependencies: list[str], names: list[str]) -> list[str]:
    """Return the oldest version allowed of each name; a name without a lower bound is an error."""
    found = (re.match(r"([\w.-]+)(?:\[.*\])?>=([\w.]+)", entry) for entry in dependencies)
    bounds = {match[1]: match[2] for match in found if match}
    return [f"{name}=={bounds[name]}" for name in names]


if __name__ == "__main__":
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    print("\n".join(oldest(project["dependencies"], sys.argv[1:])))
