"""Writes docs/names.md: every name that tlml brings, from what is registered.

python docs/list_names.py
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tlml.registry import Registry
from tlml.registry.installed import OURS
from tlml.spec import ALL_KINDS, Kind, Spec

DOCS = Path(__file__).parent
PAGE = DOCS / "names.md"
_HEAD = """# All names

Written by `make names` from what is registered. `tlml list` prints it with the plugins that you
have installed beside ours, and `tlml info NAME` shows a name's options.
"""
_TITLES: dict[Kind, str] = {
    "domain": "Domains: families of tasks",
    "learner": "Learners: what learns across the source tasks",
    "strategy": "Strategies: how it is carried to a target task",
    "protocol": "Protocols: what a suite compares over",
}


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


def page() -> str:
    """Return the page's text."""
    return "\n".join([_HEAD, *(line for kind in ALL_KINDS for line in _section(kind))])


def _section(kind: Kind) -> Iterator[str]:
    yield f"## {_TITLES[kind]}\n"
    specs = _specs(kind)
    approaches = sorted({spec.approach for _, spec in specs})
    for approach in approaches:
        if len(approaches) > 1:
            yield f"### {approach or 'general'}\n"
        yield "| name | what it is | plugin | source |\n|---|---|---|---|"
        for plugin, spec in specs:
            if spec.approach == approach:
                yield f"| {_linked(spec.name)} | {spec.summary} | {plugin} | {spec.paper} |"
        yield ""


def _specs(kind: Kind) -> list[tuple[str, Spec]]:
    """Return the names of our own plugins, sorted."""
    found = [
        (plugin.name, spec)
        for plugin in Registry().plugins
        if plugin.distribution in (OURS, "")
        for own, spec in plugin.declared
        if own == kind
    ]
    return sorted(found, key=lambda one: one[1].name)


def _linked(name: str) -> str:
    own = DOCS / "domains" / f"{name}.md"
    return f"[`{name}`](domains/{name}.md)" if own.is_file() else f"`{name}`"


if __name__ == "__main__":
    main()
