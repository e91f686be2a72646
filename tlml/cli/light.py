"""The light commands: what is registered, and what goes together. They import no torch."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Sequence

from tlml.cli.describe import description, entry, info_text, listing, plugin_entry, plugin_table
from tlml.cli.parser import Parser
from tlml.errors import TlmlError, unknown
from tlml.registry.combinations import ALONE
from tlml.registry.registry import Registry
from tlml.spec import ALL_KINDS, KINDS, Kind


def main(argv: Sequence[str]) -> int:
    """Run the light command whose name `argv` starts with."""
    commands = {
        "list": list_names,
        "info": show_info,
        "plugins": show_plugins,
        "check": check_trio,
    }
    return commands[argv[0]](argv[1:])


def list_names(argv: Sequence[str]) -> int:
    """Run ``tlml list``: all names by kind and approach."""
    parser = Parser("list", "Show what is registered, by kind and approach.")
    parser.add_argument("--kind", metavar="KIND", help=f"only one of {', '.join(ALL_KINDS)}")
    parser.add_argument("--json", action="store_true", help="print a list of objects")
    options = parser.parse(argv)
    # Programs that read the list were promised three kinds; who names the fourth gets it.
    kinds = KINDS if options.json and options.kind is None else _kinds(options.kind)
    registry = Registry()
    entries = [entry(registry, kind, spec) for kind in kinds for spec in registry.specs(kind)]
    entries.sort(key=lambda e: (ALL_KINDS.index(e["kind"]), e["approach"], e["name"]))
    print(_json(entries) if options.json else listing(entries))
    _mention_broken(registry)
    return 0


def show_info(argv: Sequence[str]) -> int:
    """Run ``tlml info NAME``: all that is known of a name without importing it."""
    parser = Parser("info", "Show one name: options, paper, what it needs and goes with.")
    parser.add_argument("name", metavar="NAME", help="a registered name, see tlml list")
    parser.add_argument("--kind", metavar="KIND", help=f"only as one of {', '.join(ALL_KINDS)}")
    parser.add_argument("--json", action="store_true", help="print a list of objects")
    parser.add_argument(
        "--import", action="store_true", dest="imports", help="read the options off the class"
    )
    options = parser.parse(argv)
    registry = Registry()
    found = [
        description(registry, kind, registry.spec(kind, options.name), options.imports)
        for kind in _holders(registry, options.name, _kinds(options.kind))
    ]
    print(_json(found) if options.json else "\n\n".join(map(info_text, found)))
    return 0


def show_plugins(argv: Sequence[str]) -> int:
    """Run ``tlml plugins``: where the names come from; 1 where a plugin is broken."""
    parser = Parser("plugins", "Show plugins, their cost and their errors (exit 1 if any).")
    parser.add_argument("--json", action="store_true", help="print a list of objects")
    options = parser.parse(argv)
    plugins = Registry().plugins
    print(_json([*map(plugin_entry, plugins)]) if options.json else plugin_table(plugins))
    return 1 if any(plugin.error for plugin in plugins) else 0


def check_trio(argv: Sequence[str]) -> int:
    """Run ``tlml check``: whether names go together; 2 where they don't."""
    parser = Parser("check", "Say whether a domain, a learner and a strategy go together.")
    parser.add_argument("domain", metavar="DOMAIN", help="the name of a domain")
    parser.add_argument("learner", metavar="LEARNER", help="the name of a learner")
    parser.add_argument(
        "strategy", metavar="STRATEGY", nargs="?", default=ALONE,
        help="the name of a strategy; left out for a learner that has none, such as protonet",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print an object")
    options = parser.parse(argv)
    verdict = Registry().judge(options.domain, options.learner, options.strategy)
    if options.json:
        print(_json({"works": not verdict.lacks, **dataclasses.asdict(verdict)}))
    elif not verdict.lacks:
        print(verdict.text())
    if verdict.lacks:
        raise TlmlError(verdict.text())
    return 0


def _kinds(kind: str | None) -> tuple[Kind, ...]:
    found = tuple(known for known in ALL_KINDS if kind in (None, known))
    if not found:
        raise unknown("kind", str(kind), ALL_KINDS)
    return found


def _holders(registry: Registry, name: str, kinds: tuple[Kind, ...]) -> list[Kind]:
    names = {kind: [spec.name for spec in registry.specs(kind)] for kind in kinds}
    found = [kind for kind in kinds if name in names[kind]]
    if not found:
        kind = kinds[0] if len(kinds) == 1 else "domain, learner, strategy or protocol"
        raise unknown(kind, name, [n for known in names.values() for n in known])
    return found


def _mention_broken(registry: Registry) -> None:
    broken = [plugin.name for plugin in registry.plugins if plugin.error]
    if broken:
        print(f"tlml: left out as broken: {', '.join(broken)} (tlml plugins)", file=sys.stderr)


def _json(value: object) -> str:
    return json.dumps(value, indent=2)
