"""Recipes that plugins bring."""

from __future__ import annotations

from pathlib import Path

import pytest

from tlml import TlmlError
from tlml.cli.checks import check_complete, check_names
from tlml.cli.slots import read_words
from tlml.registry import Registry, recipes
from tlml.registry.recipes import recipe
from tlml.yaml_lines import load_located


def test_they_are_found_in_the_packages_of_plugins() -> None:
    known = recipes.recipes()
    assert list(known) == sorted(known)
    assert known["ppo_cartpole"].parent.parent.name == "tlml_rl"
    assert recipe("ppo_cartpole") == known["ppo_cartpole"]


def test_a_package_brings_them_by_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "brings_one" / "recipes").mkdir(parents=True)
    (tmp_path / "brings_one" / "__init__.py").write_text("raise ImportError\n")
    (tmp_path / "brings_one" / "recipes" / "mine.yaml").write_text("model: maml\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(recipes, "plugin_packages", lambda: {"brings_one", "is_not_there"})
    assert [*recipes.recipes()] == ["mine"]


def test_a_wrong_name_is_told_what_was_meant() -> None:
    with pytest.raises(TlmlError) as caught:
        recipe("ppo_cartpol")
    assert str(caught.value) == "no recipe is called 'ppo_cartpol'; did you mean ppo_cartpole?"


@pytest.mark.parametrize("name", recipes.recipes())
def test_each_names_what_there_is_and_says_where_it_is_from(name: str) -> None:
    line = read_words("fit", ["--recipe", name])
    check_names(line, Registry())
    check_complete(line, Registry())
    file = recipe(name)
    said = load_located(file).data
    assert set(said) <= {"model", "data", "trainer"} and said["model"]["max_env_steps"]
    assert file.read_text("utf-8").startswith("# ")
