"""What light commands say of a name, as data and as text."""

from __future__ import annotations

import pytest

from tlml.cli.describe import (
    columns,
    description,
    entry,
    info_text,
    listing,
    option_lines,
    plugin_entry,
    plugin_table,
)
from tlml.registry import Registry, default_registry
from tlml.registry.options import Option


@pytest.fixture
def registry() -> Registry:
    return default_registry()


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    assert columns([("a", "bbb", "c"), ("dd", "e", "")]) == ["a   bbb  c", "dd  e"]


def test_an_entry_is_plain_data(registry: Registry) -> None:
    found = entry(registry, "learner", registry.spec("learner", "maml"))
    assert (found["name"], found["kind"], found["plugin"]) == ("maml", "learner", "maml")
    assert found["gives"] == sorted(found["gives"]) and isinstance(found["needs"], list)


def test_a_list_is_grouped_by_kind_and_approach(registry: Registry) -> None:
    specs = [("domain", "sinusoid"), ("learner", "maml"), ("learner", "anil")]
    text = listing([entry(registry, k, registry.spec(k, n)) for k, n in specs])  # type: ignore[arg-type]
    heads = [line for line in text.splitlines() if line and not line.startswith(" ")]
    assert heads == ["domain", "learner: meta-learning"]
    assert listing([]) == "nothing of this kind is registered (tlml plugins)"


def test_a_name_is_described_with_options_and_an_example(registry: Registry) -> None:
    about = description(registry, "learner", registry.spec("learner", "maml"))
    assert "lr" in {option["name"] for option in about["options"]}
    assert about["example"].startswith("tlml fit --model maml --data.domain ")
    lines = info_text(about).splitlines()
    assert lines[0] == "maml (learner, plugin maml)"
    assert "options" in lines and lines[-1] == f"  {about['example']}"


def test_options_are_shown_with_type_default_and_help() -> None:
    required = Option("height", "float", None, "How high it is.")
    plain = Option("more", "", "3")
    assert option_lines([required, plain], "--data.") == [
        "  --data.height: float (required)", "      How high it is.", "  --data.more = 3",
    ]  # fmt: skip


def test_plugins_say_what_they_bring(registry: Registry) -> None:
    (maml,) = (plugin for plugin in registry.plugins if plugin.name == "maml")
    found = plugin_entry(maml)
    assert "maml" in found["provides"]["learner"] and found["error"] == ""
    head, row = plugin_table([maml]).splitlines()
    assert head.split() == ["plugin", "distribution", "load", "brings"]
    assert row.startswith("maml ") and "learner maml" in row
