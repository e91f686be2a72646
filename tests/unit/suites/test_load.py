"""Suite files: what they mean, and how their errors read."""

from __future__ import annotations

from pathlib import Path

import pytest
from code_blocks import blocks
from places import ROOT
from suite_files import error_of, load
from suite_stubs import EXAMPLE

from tlml.errors import TlmlError
from tlml.registry import Registry
from tlml.registry.options import Option, Options
from tlml.suites import load_suite, plan, shipped_suites
from tlml.suites.sources import Sources


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("text", "found"), [("", "is empty"), ("- a", "is ['a']"), ("suite", "is 'suite'")]
)
def test_a_suite_is_a_mapping(here: Path, registry: Registry, text: str, found: str) -> None:
    message = f"bad.yaml:1: must be a mapping with name, domains and methods, {found}"
    assert error_of(text, registry) == message


def test_nothing_to_compare_is_an_error(here: Path, registry: Registry) -> None:
    text = "name: x\ndomains: {waves: {shots: 1}}\nmethods: {}\n"
    assert error_of(text, registry) == "bad.yaml:3: methods: must not be empty"
    text = "name: x\ndomains: {}\nmethods: {a: {strategy: full}}\n"
    assert error_of(text, registry) == "bad.yaml:2: domains: must not be empty"


def test_a_suite_comes_with_tlml_by_its_name(here: Path) -> None:
    assert "quickstart" in shipped_suites()
    # Not even a file of that name in the way changes what the name means.
    Path("quickstart").write_text("nonsense")
    assert load_suite("quickstart").name == "quickstart"


def test_an_unknown_name_gets_the_nearest_suite(here: Path) -> None:
    with pytest.raises(TlmlError) as caught:
        load_suite("quikstart")
    assert str(caught.value) == (
        "no suite is called 'quikstart'; did you mean quickstart? (or give the path of a YAML file)"
    )


@pytest.mark.parametrize("path", ["none.yaml", "none.yml", "folder/none"])
def test_a_path_that_is_not_there_is_named(here: Path, path: str) -> None:
    with pytest.raises(TlmlError) as caught:
        load_suite(path)
    assert str(caught.value) == f"{path}: cannot be read (No such file or directory)"


def test_a_file_without_a_suffix_is_a_path_too(here: Path, registry: Registry) -> None:
    Path("mine").write_text(EXAMPLE)
    assert load_suite("mine", registry) == load(EXAMPLE, registry)


PATHS = """\
name: there
seeds: 1
domains:
  letters: {shots: 1, options: {root: data/letters}}
  waves: {shots: [1, 5], view: {file: data/tasks.npz}, options: {root: letters}}
fits: {pre: {learner: supervised}}
methods: {full: {fit: pre, strategy: full}, scratch: {strategy: scratch}}
"""


@pytest.fixture
def rooted(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """Return a registry whose domains take a folder."""

    whole = Sources.target
    known = Options((Option("root", "str", "''"), Option("file", "str", "''")), more=True)
    monkeypatch.setattr(
        Sources, "target",
        lambda self, target: known if "stubs:" in target else whole(self, target),
    )  # fmt: skip
    return registry


def suite_in(folder: Path, text: str = PATHS) -> Path:
    for path in ("data/letters", "letters"):
        (folder / path).mkdir(parents=True, exist_ok=True)
    (folder / "data" / "tasks.npz").touch()
    (folder / "there.yaml").write_text(text)
    return folder / "there.yaml"


def test_paths_count_from_the_folder_of_the_suite_and_ids_move_with_it(
    here: Path, rooted: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = plan(load_suite(suite_in(here / "a"), rooted), rooted)
    seen = {
        (cell.config["domain_options"]["root"], cell.config.get("view", {}).get("file"))
        for cell in made.adapts
    }
    folder = here / "a"
    assert seen == {
        (str(folder / "data" / "letters"), None),
        (str(folder / "letters"), str(folder / "data" / "tasks.npz")),
    }
    ids = [cell.id for cell in made.distinct()]
    moved = plan(load_suite(suite_in(here / "b"), rooted), rooted)
    assert [cell.id for cell in moved.distinct()] == ids
    monkeypatch.chdir(folder)
    again = plan(load_suite("there.yaml", rooted), rooted)
    assert again == made
    other = plan(
        load_suite(suite_in(here / "c", PATHS.replace("{root: l", "{root: ./l")), rooted), rooted
    )
    assert [cell.id for cell in other.distinct()] != ids
    absolute = PATHS.replace("data/letters", str(folder / "data" / "letters"))
    assert [
        c.id for c in plan(load_suite(suite_in(folder, absolute), rooted), rooted).distinct()
    ] != ids


def test_a_path_that_is_not_there_is_told_with_its_line(here: Path, rooted: Registry) -> None:
    path = suite_in(here / "a", PATHS.replace("data/tasks", "data/task"))
    with pytest.raises(TlmlError) as caught:
        load_suite(path, rooted)
    assert str(caught.value) == (
        f"{path}:5: domains.waves.view.file: 'data/task.npz' is not there: there is no "
        f"{here / 'a' / 'data' / 'task.npz'} (paths count from the folder of the suite)"
    )
    path = suite_in(here / "a", PATHS.replace("{root: letters}", "{root: new, download: true}"))
    assert load_suite(path, rooted).domains["waves"].options["root"] == str(here / "a" / "new")


def test_the_suites_that_the_documentation_shows_are_right(here: Path) -> None:
    shown, registry = blocks(ROOT / "docs" / "suites.md"), Registry()
    suites = [block.text for block in shown if block.language == "yaml"]
    assert len(suites) > 2
    for text in suites:
        Path("shown.yaml").write_text(text)
        refused = plan(load_suite("shown.yaml", registry), registry).refused
        assert {(one.name, one.protocol) for one in refused} == (
            {("maml", "stream")} if "stream:" in text and "learner: maml" in text else set()
        )


def test_a_method_without_a_fit_may_name_its_untrained_learner(
    here: Path, registry: Registry
) -> None:
    named = "methods: {a: {learner: maml, strategy: sgd}}"
    text = f"name: x\ndomains: {{letters: {{shots: 1}}}}\n{named}\n"
    assert load(text, registry).methods["a"].learner == "maml"
    made = plan(load(text, registry), registry)
    assert {cell.config["learner"] for cell in made.adapts} == {"maml"}
