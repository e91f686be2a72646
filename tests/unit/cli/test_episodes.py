"""The words of ``tlml episodes``, and what is said of a file."""

from __future__ import annotations

from pathlib import Path

import pytest
from tiny import Letters

from tlml import EpisodeView, TlmlError, write_episodes
from tlml.cli import episodes
from tlml.data import read_episodes


def test_options_of_the_domain_are_told_from_those_of_the_command() -> None:
    words, given = episodes._divide(
        ["--domain", "glyphs", "--domain.size", "16", "--domain.fonts=[a, b]", "tasks.npz"]
    )
    assert words == ["--domain", "glyphs", "tasks.npz"]
    assert given == {"size": 16, "fonts": ["a", "b"]}


def test_mistakes_are_one_line() -> None:
    with pytest.raises(TlmlError, match=r"^episodes export: --domain.size needs a value$"):
        episodes._divide(["--domain.size"])
    with pytest.raises(TlmlError, match="can't be read as YAML"):
        episodes._count("ways", "[1, ")
    with pytest.raises(TlmlError, match="did you mean export"):
        episodes.main(["episodes", "exprot"])


def test_a_count_is_a_number_or_a_range() -> None:
    assert (episodes._count("ways", None), episodes._count("ways", "5")) == (None, 5)
    assert episodes._count("ways", "[1, 5]") == [1, 5]
    assert [episodes._range(value) for value in (5, [1, 5], [3, 3])] == ["5", "1 to 5", "3"]
    assert [episodes._count("shots", text) for text in ("0.1", "all")] == [0.1, "all"]
    assert [episodes._range(value) for value in (0.1, "all")] == ["10%", "all"]


def test_a_file_is_told_in_lines_and_as_data(tmp_path: Path) -> None:
    path = tmp_path / "tasks.npz"
    view = EpisodeView(Letters(), ways=[2, 3], shots=1, queries=2, episodes=8, seed=4)
    write_episodes(path, view)
    file = read_episodes(path)
    found = episodes.summary(file)
    assert (found["episodes"], found["targets"], found["seed"]) == (8, "classes", 4)
    assert found["support"] == [2, 3] and found["shape"] == [2]
    lines = list(episodes.shown(file))
    assert lines[0].startswith(f"{path}: 8 target episodes, written by tlml ")
    assert "  episodes  2 to 3 ways, 1 shots, 2 queries" in lines


def test_help_needs_no_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert episodes.main(["episodes"]) == 0
    assert "tlml episodes export" in capsys.readouterr().out
