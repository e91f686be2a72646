"""What the light commands say of a name and of a plugin, as plain data and as text."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from tlml.errors import TlmlError
from tlml.registry.options import Option, Options, options_of
from tlml.registry.source_options import read_options
from tlml.spec import ALL_KINDS, KINDS, unmet

if TYPE_CHECKING:
    from tlml.registry.combinations import Trio
    from tlml.registry.plugins import Plugin
    from tlml.registry.registry import Registry
    from tlml.spec import Kind, Spec

Entry = dict[str, Any]

_DEEP = 6 * " "
_PLURALS = {"domain": "domains", "learner": "learners", "strategy": "strategies"}


def entry(registry: Registry, kind: Kind, spec: Spec) -> Entry:
    """Return what ``tlml list --json`` says of a name."""
    return {
        "name": spec.name,
        "kind": kind,
        "plugin": registry.plugin_of(kind, spec.name).name,
        "summary": spec.summary,
        "paper": spec.paper,
        "approach": spec.approach,
        "gives": sorted(spec.gives),
        "needs": list(spec.needs),
    }


def listing(entries: Sequence[Entry]) -> str:
    """Return the table of ``tlml list``, grouped by kind and approach."""
    rows = columns([(e["name"], e["plugin"], e["summary"]) for e in entries])
    lines: list[str] = []
    pairs = zip(entries, rows, strict=True)
    for (kind, approach), group in groupby(pairs, lambda p: (p[0]["kind"], p[0]["approach"])):
        lines += ["", f"{kind}: {approach}" if approach else kind]
        lines += [f"  {row}" for _, row in group]
    return "\n".join(lines[1:]) or "nothing of this kind is registered (tlml plugins)"


def description(registry: Registry, kind: Kind, spec: Spec, imports: bool = False) -> Entry:
    """Return what ``tlml info --json`` says of a name.

    Args:
        imports: Import the class for its options, where reading its source doesn't find them.
    """
    options, note = _options(registry, kind, spec, imports)
    trios = registry.trios(kind, spec.name) if kind in KINDS else []
    return {
        **entry(registry, kind, spec),
        "target": spec.target,
        "options": [_option_entry(option) for option in options.known],
        "note": note,
        "settings": _settings(spec),
        "goes_with": _partners(registry, kind, spec),
        "example": _example(kind, spec, options.known, trios[0] if trios else None),
    }


def info_text(about: Entry) -> str:
    """Return the text of ``tlml info``."""
    facts = ("paper", "approach", "settings", "gives", "needs")
    named = [(name, _joined(about[name])) for name in facts if about[name]]
    named += [(_PLURALS[kind], _joined(names)) for kind, names in about["goes_with"].items()]
    lines = [f"{about['name']} ({about['kind']}, plugin {about['plugin']})", about["summary"], ""]
    lines += [f"  {row}" for row in columns(named)]
    options = [Option(o["name"], o["type"], o["default"], o["help"]) for o in about["options"]]
    lines += ["", "options", *(option_lines(options) or ["  none"])]
    lines += [f"  ({about['note']})"] if about["note"] else []
    lines += ["", "example", f"  {about['example']}"] if about["example"] else []
    return "\n".join(lines)


def option_lines(options: Iterable[Option], prefix: str = "") -> list[str]:
    """Return what help says of options whose names follow a prefix."""
    lines: list[str] = []
    for option in options:
        kind = f": {option.type}" if option.type else ""
        default = " (required)" if option.default is None else f" = {option.default}"
        lines.append(f"  {prefix}{option.name}{kind}{default}")
        lines += textwrap.wrap(option.help, 88, initial_indent=_DEEP, subsequent_indent=_DEEP)
    return lines


def plugin_entry(plugin: Plugin) -> Entry:
    """Return what ``tlml plugins --json`` says of a plugin."""
    return {
        "name": plugin.name,
        "kind": "plugin",
        "plugin": plugin.name,
        "distribution": plugin.distribution,
        "version": plugin.version,
        "error": plugin.error,
        "load_ms": plugin.load_ms,
        "heavy": list(plugin.heavy),
        "provides": {kind: plugin.names(kind) for kind in KINDS},
    }


def plugin_table(plugins: Iterable[Plugin]) -> str:
    """Return the table of ``tlml plugins``."""
    rows = [("plugin", "distribution", "load", "brings")]
    for plugin in plugins:
        home = f"{plugin.distribution} {plugin.version}".strip()
        rows.append((plugin.name, home, f"{plugin.load_ms:.0f} ms", _brings(plugin)))
    return "\n".join(columns(rows))


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Pad each column to its widest cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _brings(plugin: Plugin) -> str:
    heavy = f"; slow: it imports {', '.join(plugin.heavy)}" if plugin.heavy else ""
    if plugin.error:
        return f"BROKEN: {plugin.error}{heavy}"
    names = [f"{kind} {name}" for kind in ALL_KINDS for name in plugin.names(kind)]
    return (", ".join(names) or "nothing") + heavy


def _options(registry: Registry, kind: Kind, spec: Spec, imports: bool) -> tuple[Options, str]:
    if imports:
        return options_of(registry.resolve(kind, spec.name)), ""
    if kind == "protocol":
        return Options(()), "its keys stand in the domains of a suite"
    try:
        options = read_options(spec.target)
    except TlmlError as error:
        return Options(()), str(error)
    hint = f"and those that its source doesn't show: tlml info {spec.name} --import"
    return options, hint if options.more else ""


def _partners(registry: Registry, kind: Kind, spec: Spec) -> dict[Kind, list[str]]:
    if kind != "protocol":
        return registry.partners(kind, spec.name)
    domains = registry.specs("domain")
    return {"domain": [domain.name for domain in domains if not unmet(spec, domain.gives)]}


def _option_entry(option: Option) -> Entry:
    return {
        "name": option.name,
        "type": option.type,
        "default": option.default,
        "required": option.default is None,
        "help": option.help,
    }


def _settings(spec: Spec) -> list[str]:
    """Which types of transfer (Pan & Yang) the pairs of a domain allow."""
    if "pair" not in spec.gives:
        return []
    if "triples" in spec.gives:
        return ["inductive (links of the target)"]
    if spec.gives.isdisjoint({"regression", "classification"}):
        return ["unsupervised (no labels)"]
    return ["inductive (target labels)", "transductive (no target labels)"]


def _example(kind: Kind, spec: Spec, options: Sequence[Option], trio: Trio | None) -> str:
    if trio is None:
        return ""
    domain, learner, strategy = trio
    if spec.gives & {"estimates", "maps", "relates"}:
        return f'tlml.learner("{learner}", strategy="{strategy}")'
    if kind == "strategy" and spec.gives.isdisjoint({"differentiable", "weighs", "aligns"}):
        return f'tlml.EpisodeView(tlml.domain("{domain}"), adapt=tlml.strategy("{strategy}"))'
    named = f" --model.strategy {strategy}" if strategy else ""
    needed = [o.name for o in options if kind == "domain" and o.default is None]
    given = "".join(f" --data.domain.{name} {name.upper()}" for name in needed)
    return f"tlml fit --model {learner} --data.domain {domain}{given}{named}"


def _joined(value: str | Sequence[str]) -> str:
    return value if isinstance(value, str) else ", ".join(value) or "none"
