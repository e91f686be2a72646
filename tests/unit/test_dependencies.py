"""What users have to install: ranges, with lower bounds that a target of the Makefile tries."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_users_get_no_exact_version() -> None:
    extras = PROJECT["optional-dependencies"]
    asked = [*PROJECT["dependencies"], *(entry for extra in extras.values() for entry in extra)]
    assert [entry for entry in asked if "==" in entry or ">=" not in entry] == []


def test_what_is_tried_at_its_oldest_is_a_dependency_of_users() -> None:
    (names,) = re.findall(r"^OLDEST := (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    bounded = {re.split(r"[\[>]", entry)[0] for entry in PROJECT["dependencies"]}
    assert set(names.split()) <= bounded


def test_all_that_users_install_is_pinned_for_the_tests() -> None:
    pins = {line.partition("==")[0] for line in (ROOT / "constraints.txt").read_text().splitlines()}
    needed = {re.split(r"[\[>]", entry)[0] for entry in PROJECT["dependencies"]}
    assert {re.sub(r"[-_.]+", "-", name).lower() for name in needed} <= pins
