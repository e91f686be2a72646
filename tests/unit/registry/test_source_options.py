from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from distributions import Site, site_on_path

from tlml.errors import TlmlError
from tlml.registry import Registry
from tlml.registry.options import Option, options_of
from tlml.registry.source_options import find_module, read_options
from tlml.spec import KINDS

WATER = '''
    from __future__ import annotations

    class Water:
        """Water.

        Args:
            depth: How deep it is,
                in metres.
            salt: How much salt.
        """

        def __init__(self, depth: float, *, salt: float | None = None) -> None: ...
'''

SEA = (
    Option("waves", "int", "3", "How many."),
    Option("depth", "float", None, "How deep it is, in metres."),
    Option("salt", "float | None", "None", "How much salt."),
)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with site_on_path(tmp_path) as site:
        site.write("wet/__init__.py", "raise RuntimeError('imported')")
        site.write("wet/water.py", WATER)
        yield site


def sea(imports: str, base: str) -> str:
    return f'''
    {imports}

    class Sea({base}):
        """The sea.

        Args:
            waves: How many.
        """

        def __init__(self, waves: int = 3, **options):
            super().__init__(**options)
'''


def test_options_are_read_and_nothing_is_imported(site: Site) -> None:
    options = read_options("wet.water:Water")
    assert options.known == SEA[1:]
    assert not options.more
    assert "wet" not in sys.modules


@pytest.mark.parametrize(
    ("imports", "base"),
    [
        ("from wet.water import Water", "Water"),
        ("from wet.water import Water as Wet", "Wet"),
        ("from .water import Water", "Water"),
        ("from . import water", "water.Water"),
        ("from wet import water as w", "w.Water"),
        ("import wet.water", "wet.water.Water"),
        ("import wet.water as w", "w.Water"),
        ("from wet.again import Water", "Water"),
        ("from wet.again import Later", "Later"),
        ("from wet.water import Water; from typing import Generic", "Water, Generic[int]"),
        ("from wet.water import Water; from torch import nn", "nn.Module, Water"),
        ("from wet.water import Water", "Water[int]"),
        ("from wet.water import Water", "object, Water"),
    ],
)
def test_bases_are_followed_where_the_source_names_them(
    site: Site, imports: str, base: str
) -> None:
    again = """
    from typing import TYPE_CHECKING
    from .water import Water
    if TYPE_CHECKING:
        from wet.water import Water as Later
    """
    site.write("wet/again.py", again)
    site.write("wet/sea.py", sea(imports, base))
    options = read_options("wet.sea:Sea")
    assert options.known == SEA
    assert not options.more


def test_bases_are_not_asked_where_nothing_is_passed_on(site: Site) -> None:
    source = sea("from wet.water import Water", "Water").replace(", **options", "")
    site.write("wet/sea.py", source)
    assert read_options("wet.sea:Sea").known == SEA[:1]


def test_a_base_of_several_is_asked_after_all_of_them(site: Site) -> None:
    source = """
    class Base:
        def __init__(self, depth: int = 1): ...

    class Mixed(Base):
        def __init__(self, *args, waves: int = 2, **options): ...

    class Wide(Base):
        def __init__(self, width: int = 3, **options): ...

    class Sea(Mixed, Wide):
        pass
    """
    site.write("wet/mixed.py", source)
    site.write("wet/__init__.py", "")
    found = read_options("wet.mixed:Sea")
    assert {option.name for option in found.known} == {"waves", "width", "depth"}
    assert not found.more
    sea = importlib.import_module("wet.mixed").Sea
    assert {option.name for option in options_of(sea).known} == {"waves", "width", "depth"}


def test_relative_imports_climb(site: Site) -> None:
    site.write("wet/sub/__init__.py", sea("from ..water import Water", "Water"))
    site.write("wet/sub/sea.py", sea("from ..water import Water", "Water"))
    assert read_options("wet.sub:Sea").known == SEA
    assert read_options("wet.sub.sea:Sea").known == SEA


def test_a_class_without_a_constructor_has_that_of_its_base(site: Site) -> None:
    site.write(
        "bay.py",
        """
        from wet.water import Water

        class Bay(Water):
            '''A bay.

            Args:
                depth: Of the bay.
            '''
        """,
    )
    assert read_options("bay:Bay").known == (
        Option("depth", "float", None, "Of the bay."),
        SEA[2],
    )


def test_a_dataclass_has_its_fields_as_options(site: Site) -> None:
    site.write(
        "lake.py",
        """
        from dataclasses import dataclass
        from typing import ClassVar

        @dataclass(frozen=True)
        class Lake:
            depth: float
            fish: int = 3
            kind: ClassVar[str] = "lake"
        """,
    )
    options = read_options("lake:Lake")
    assert options.known == (Option("depth", "float"), Option("fish", "int", "3"))
    assert not options.more


def test_defaults_are_as_the_source_writes_them(site: Site) -> None:
    site.write(
        "pond.py",
        "import math\nclass Pond:\n"
        "    def __init__(self, a, /, b=(0.0, math.pi), *, c: 'int', d: str = \"x\"): ...",
    )
    assert read_options("pond:Pond").known == (
        Option("a"),
        Option("b", "", "(0.0, math.pi)"),
        Option("c", "'int'"),
        Option("d", "str", "'x'"),
    )


@pytest.mark.parametrize(
    "source",
    [
        sea("from not_installed import Water", "Water"),
        sea("", "Water"),
        sea("from wet.water import Missing", "Missing"),
        sea("import wet", "wet.make()"),
        "class Sea:\n    def __init__(self, waves: int = 3, **options): ...",
    ],
)
def test_options_that_the_source_does_not_show_are_more(site: Site, source: str) -> None:
    site.write("sea.py", source)
    options = read_options("sea:Sea")
    assert [option.name for option in options.known] == ["waves"]
    assert options.more


def test_a_loop_of_imports_ends(site: Site) -> None:
    site.write("a.py", "from b import Sea")
    site.write("b.py", "from a import Sea")
    site.write("c.py", "class Sea(Sea): pass")
    assert read_options("c:Sea").more
    with pytest.raises(TlmlError, match="a:Sea: the source of this class was not found"):
        read_options("a:Sea")


@pytest.mark.parametrize("target", ["nosea:Sea", "wet.water:Sea", "wet.nosea:Sea", "math:Sea"])
def test_a_class_without_source_is_an_error(site: Site, target: str) -> None:
    with pytest.raises(TlmlError) as caught:
        read_options(target)
    text = f"{target}: the source of this class was not found (try tlml info --import)"
    assert str(caught.value) == text


def test_source_that_does_not_parse_is_an_error(site: Site) -> None:
    site.write("sea.py", "\ndef f(:")
    with pytest.raises(TlmlError, match=r"sea\.py:2: invalid syntax$"):
        read_options("sea:Sea")


def test_finding_a_module_imports_no_parent(site: Site) -> None:
    found = find_module("wet.water")
    assert found is not None
    assert found.origin == str(site.folder / "wet/water.py")
    assert "wet" not in sys.modules
    assert find_module("wet.water.deeper") is None
    assert find_module("") is None


def test_a_loaded_parent_says_where_its_submodules_are(site: Site, tmp_path: Path) -> None:
    site.write("moved/__init__.py", "__path__ = [__path__[0] + '/inside']")
    site.write("moved/inside/water.py", WATER)
    assert find_module("moved.water") is None
    importlib.import_module("moved")
    assert read_options("moved.water:Water").known == SEA[1:]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_read_of_ours_is_what_their_constructors_take(kind: str) -> None:
    registry = Registry()
    for spec in registry.specs(kind):  # type: ignore[arg-type]
        read = read_options(spec.target)
        imported = options_of(registry.resolve(kind, spec.name))  # type: ignore[arg-type]
        assert [(o.name, o.type, o.help) for o in read.known] == [
            (o.name, o.type, o.help) for o in imported.known
        ]
        for one, other in zip(read.known, imported.known, strict=True):
            assert (one.default is None) == (other.default is None)
        assert read.more == imported.more
