"""Is a protocol of suites as its Spec says, and quick to read?"""

from __future__ import annotations

import sys
from typing import Any

from tlml.registry.plugins import HEAVY
from tlml.spec import Spec
from tlml.suites.protocols.table import usable
from tlml.testing.alone import run_alone
from tlml.testing.failure import as_it_is, require

# What checking a suite loads anyway.
_PAID = frozenset({"pydantic"})
_PROBE = """
import json, sys
from importlib import import_module
import_module(sys.argv[1])
print(json.dumps(sorted(sys.modules.keys() & set(sys.argv[2:]))))
"""


def check_protocol(protocol: type[Any], spec: Spec | None = None) -> None:
    """Check what a protocol says of itself, and that planning may import its module.

    Args:
        spec: What a plugin declares about it; where None, what it says itself.

    Raises:
        CheckFailed: The first thing that is wrong, in one line.
    """
    if spec is None:
        target = f"{protocol.__module__}:{protocol.__name__}"
        name, word = getattr(protocol, "name", ""), getattr(protocol, "word", "")
        spec = Spec(name or "unnamed", target, "checked", needs=(word,) if word else ())
    with as_it_is(f"protocol {spec.name}: "):
        usable(spec, protocol)
    _check_weight(spec.name, protocol.__module__)


def _check_weight(name: str, module: str) -> None:
    """Import its module alone, as planning does."""
    if sys.modules[module].__spec__ is None:
        return  # made by hand, not imported
    heavy = run_alone(f"protocol {name}", _PROBE, module, *sorted(HEAVY - _PAID))
    require(
        not heavy,
        f"protocol {name}: importing {module} imports {', '.join(heavy)}, and it is imported "
        "whenever a suite is read; import them in check() and run()",
    )
