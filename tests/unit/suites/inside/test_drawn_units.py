"""What a record says of its episodes' tasks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tiny import Letters, Tables

from tlml import EpisodeView, write_episodes
from tlml.suites.inside.drawn_units import paired

RECORDS: list[dict[str, Any]] = [{"episode": number} for number in range(4)]


def view(domain: Any, **more: Any) -> EpisodeView:
    return EpisodeView(domain, shots=1, queries=2, episodes=4, **more)


def test_tasks_are_told_where_they_are_met_in_turn() -> None:
    found = paired(view(Tables(number=6)), RECORDS)
    assert list(found) == ["tasks"] and len(set(found["tasks"])) == 4
    found = paired(view(Tables(number=1)), RECORDS)
    assert found == {"tasks": ["target 0"] * 4, "parts": [0, 1, 2, 3]}
    assert paired(view(Letters(), ways=2), RECORDS) == {}


def test_the_number_of_an_episode_counts_not_its_place() -> None:
    own = view(Tables(number=6))
    assert paired(own, RECORDS[2:])["tasks"] == paired(own, RECORDS)["tasks"][2:]


def test_draws_are_told_where_all_episodes_have_them() -> None:
    drawn = [{**record, "blocks": 6, "resampled": [0.5]} for record in RECORDS]
    found = paired(view(Letters(), ways=2), drawn)
    assert found == {"blocks": [6] * 4, "resampled": [[0.5]] * 4}
    assert paired(view(Letters(), ways=2), [*drawn[1:], RECORDS[0]]) == {}


def test_files_of_episodes_keep_their_tasks(tmp_path: Path) -> None:
    for name, domain in (("few", Tables(number=2)), ("many", Tables(number=6))):
        own = view(domain)
        write_episodes(tmp_path / name, own)
        assert paired(view(domain, file=tmp_path / name), RECORDS) == paired(own, RECORDS)
    write_episodes(tmp_path / "pool", view(Letters(), ways=2))
    assert paired(view(Letters(), file=tmp_path / "pool"), RECORDS) == {}
