"""The lazy names: the public ones of ``tlml``, and the registered ones of ``tlml.names``."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from distributions import Site, declare, plugin_module, site_on_path

import tlml
from tlml.errors import TlmlError
from tlml.registry import default_registry
from tlml.spec import KINDS, Spec

HEAVY = "{'torch', 'pytorch_lightning', 'gymnasium', 'numpy', 'yaml', 'pydantic', 'rich', 'wandb'}"


def run_python(code: str, folder: Path | None = None) -> None:
    lines = f"import sys\n{code}\nassert not {HEAVY} & set(sys.modules), {HEAVY} & set(sys.modules)"
    path = [str(folder)] if folder else []
    command = f"import sys; sys.path[:0] = {path!r}\n{lines}"
    subprocess.run([sys.executable, "-W", "error", "-c", command], check=True, timeout=120)


@pytest.mark.parametrize(
    "code",
    [
        "import tlml; dir(tlml)",
        "from tlml import Spec, TlmlError, hookimpl, __version__, domain, learner, strategy",
        "import tlml.names.domain, tlml.names.learner as l, tlml.names.strategy; dir(l)",
        "import tlml.registry; tlml.registry.Registry()",
    ],
)
def test_light_names_load_nothing_heavy(code: str) -> None:
    run_python(code)


def test_each_public_name_is_that_of_its_home() -> None:
    homes = type_checking_imports()
    assert set(homes) | {"__version__"} == set(tlml.__all__)
    for name, home in homes.items():
        assert getattr(tlml, name) is getattr(importlib.import_module(home), name)


def type_checking_imports() -> dict[str, str]:
    """What type checkers see as the homes of the public names."""
    tree = ast.parse(Path(str(tlml.__file__)).read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    imports = [node for node in block.body if isinstance(node, ast.ImportFrom)]
    return {alias.name: str(node.module) for node in imports for alias in node.names}


def test_no_submodule_takes_the_place_of_a_public_name() -> None:
    submodules = {module.name for module in pkgutil.iter_modules(tlml.__path__)}
    assert len(submodules) > 10
    assert not submodules & set(tlml.__all__)


def test_public_names_are_listed() -> None:
    assert set(tlml.__all__) <= set(dir(tlml))
    assert len(tlml.__all__) == len(set(tlml.__all__))


def test_a_misspelt_public_name_has_a_near_one() -> None:
    with pytest.raises(AttributeError) as caught:
        tlml.EpisodView  # type: ignore[attr-defined]  # noqa: B018
    text = "module 'tlml' has no attribute 'EpisodView'; did you mean EpisodeView?"
    assert str(caught.value) == text
    with pytest.raises(AttributeError, match=r"^module 'tlml' has no attribute '_View'$"):
        tlml._View  # type: ignore[attr-defined]  # noqa: B018


def test_the_version_is_that_of_the_distribution(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.metadata.version", lambda name: f"{name} 7")
    assert tlml.__version__ == "tlml 7"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    default_registry.cache_clear()
    with site_on_path(tmp_path) as site:
        yield site
    default_registry.cache_clear()


@pytest.mark.parametrize("kind", KINDS)
def test_a_registered_name_is_an_attribute(site: Site, kind: str) -> None:
    site.install("sea", declare(kind, "waves", target="sea_waves:Waves"))
    site.write("sea_waves.py", "class Waves: pass")
    module = importlib.import_module(f"tlml.names.{kind}")
    assert "waves" in dir(module)
    assert "sea_waves" not in sys.modules
    assert module.waves is sys.modules["sea_waves"].Waves


def test_looking_for_a_light_class_loads_nothing_heavy(site: Site) -> None:
    site.install("sea", declare("learner", "waves", target="sea_waves:Waves"))
    site.write("sea_waves.py", "class Waves: pass")
    code = "from tlml.names.learner import waves; assert waves.__name__ == 'Waves'"
    run_python(code, site.folder)


def test_an_unknown_registered_name_is_an_attribute_error_with_a_near_one(site: Site) -> None:
    site.install("sea", declare("strategy", "waves"))
    names = importlib.import_module("tlml.names.strategy")
    with pytest.raises(AttributeError) as caught:
        names.wave  # noqa: B018
    assert str(caught.value) == "no strategy is called 'wave'; did you mean waves?"
    with pytest.raises(ImportError, match="cannot import name 'wave'"):
        from tlml.names.strategy import wave  # noqa: F401


def test_dunder_names_do_not_ask_the_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    names = importlib.import_module("tlml.names.strategy")
    monkeypatch.setattr("tlml.names.default_registry", lambda: pytest.fail("asked"))
    with pytest.raises(AttributeError, match=r"'tlml\.names\.strategy' has no attribute '_x'"):
        names._x  # noqa: B018
    assert not hasattr(names, "__wrapped__")


def test_a_registered_class_that_cannot_be_imported_names_its_plugin(site: Site) -> None:
    names = importlib.import_module("tlml.names.domain")
    waves = Spec("waves", "nowhere:Nothing", "made up")
    default_registry().register(plugin_module(tlml_domains=[waves]), "script")
    with pytest.raises(TlmlError, match=r"^domain waves \(plugin script, target nowhere:Nothing\)"):
        names.waves  # noqa: B018
