"""Every module of the core has a file of tests of its own, in the folder of its room."""

from __future__ import annotations

from pathlib import Path

from places import ROOT, TESTS

# What gathers or starts what other modules hold.
WITHOUT = {"__init__", "__main__"}


def own_tests(module: Path) -> Path:
    """Return where the tests of a module are: ``unit/<room>/test_<module>.py``."""
    inside = module.relative_to(ROOT / "tlml")
    return TESTS / "unit" / inside.with_name(f"test_{inside.name}")


def test_every_module_has_tests_of_its_own() -> None:
    modules = [path for path in (ROOT / "tlml").rglob("*.py") if path.stem not in WITHOUT]
    named = [path for path in modules if path.parent != ROOT / "tlml" / "names"]
    assert len(named) > 100
    missing = [own_tests(path) for path in named if not own_tests(path).is_file()]
    assert [str(path.relative_to(ROOT)) for path in missing] == []


def test_tests_of_modules_start_no_process() -> None:
    """A process, a compiler or a wheel belongs to ``slow/``."""
    files = (TESTS / "unit").rglob("test_*.py")
    assert [path.name for path in files if "\nimport subprocess" in path.read_text()] == []
