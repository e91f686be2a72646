"""What the keys of a suite mean."""

from __future__ import annotations

from pathlib import Path

import pytest
from places import ROOT
from suite_files import error_of, load
from suite_stubs import EXAMPLE

from tlml.registry import Registry
from tlml.suites import Suite, SuiteDomain, SuiteFit, SuiteMethod


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_suite_is_read_with_its_defaults(here: Path, registry: Registry) -> None:
    suite = load(EXAMPLE, registry)
    assert (suite.name, suite.seeds, suite.episodes) == ("quick", (0, 1), 100)
    assert suite.domains["waves"].given == {"shots": [5, 10]}
    assert suite.domains["letters14"].given == {"shots": 1}
    assert suite.domains["letters14"].domain == "letters"
    assert suite.fits["pre"].options == {"lr": 0.001}
    assert suite.methods["full"].tune == {"lr": [0.001, 0.1, "log"]}
    assert suite.methods["maml"].head is None
    assert suite.trainer == {}


@pytest.mark.parametrize(
    ("given", "seeds"), [("3", (0, 1, 2)), ("1", (0,)), ("[7, 3]", (7, 3)), ("[0]", (0,))]
)
def test_seeds_are_a_number_or_a_list(
    here: Path, registry: Registry, given: str, seeds: tuple[int, ...]
) -> None:
    assert load(EXAMPLE.replace("seeds: 2", f"seeds: {given}"), registry).seeds == seeds


def test_keys_with_nothing_behind_them_are_empty(here: Path, registry: Registry) -> None:
    text = EXAMPLE.replace("options: {lr: 1e-3}", "options:").replace("seeds: 2", "trainer:")
    suite = load(text.replace("{learner: supervised, options:,", "{learner: supervised,"), registry)
    assert suite.fits["pre"].options == {}
    assert suite.trainer == {}


@pytest.mark.parametrize(
    ("methods", "baseline", "reference"),
    [
        (["full", "scratch"], None, "scratch"),
        (["full", "other"], None, "full"),
        (["full", "scratch"], "full", "full"),
    ],
)
def test_the_baseline_is_scratch_unless_said_otherwise(
    methods: list[str], baseline: str | None, reference: str
) -> None:
    suite = Suite.model_validate(
        {
            "name": "x",
            "domains": {"waves": {"shots": 1}},
            "methods": {name: {"strategy": "full"} for name in methods},
            "baseline": baseline,
        }
    )
    assert suite.reference == reference


def test_a_suite_cannot_be_changed() -> None:
    content = {"name": "x", "domains": {"waves": {"shots": 1}}, "methods": {"a": {"strategy": "b"}}}
    suite = Suite.model_validate(content)
    with pytest.raises(ValueError, match="frozen"):
        suite.episodes = 5  # type: ignore[misc]


def test_every_key_of_a_suite_is_documented() -> None:
    text = (ROOT / "docs" / "suites.md").read_text()
    for model in (Suite, SuiteDomain, SuiteFit, SuiteMethod):
        for key in model.model_fields:
            assert f"`{key}`" in text or f"**{key}**" in text


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("name: quick", "name: con", "bad.yaml:1: name: 'con' cannot be the name of a file"),
        ("waves: {", "aux: {domain: waves, ", "domains: 'aux' cannot be the name of a file"),
        ("letters14: {", "Waves: {", "domains: 'waves' and 'Waves' would be the same file"),
    ],
)
def test_labels_become_names_of_files_on_every_system(
    here: Path, registry: Registry, old: str, new: str, message: str
) -> None:
    assert message in error_of(EXAMPLE.replace(old, new), registry)
