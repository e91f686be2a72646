"""Writing test episodes: what is checked before anything is drawn."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tiny import Letters, same

from tlml import EpisodeView, TlmlError, write_episodes
from tlml.data import read_episodes


def view(**options: int) -> EpisodeView:
    return EpisodeView(Letters(), ways=2, shots=1, queries=2, episodes=6, **options)


def test_the_first_episodes_of_a_test_are_written(tmp_path: Path) -> None:
    write_episodes(tmp_path / "new" / "tasks.npz", view(), 3)
    found = read_episodes(tmp_path / "new" / "tasks.npz")
    drawn = view().dataset("target")
    assert len(found) == 3
    assert all(same(found[i], drawn[i]) for i in range(3))
    assert torch.is_tensor(found[0].support.x)


def test_a_folder_is_refused_with_a_name_for_the_file(tmp_path: Path) -> None:
    with pytest.raises(TlmlError) as caught:
        write_episodes(tmp_path, view())
    assert str(caught.value) == (
        f"{tmp_path}: is a folder; name a file in it, such as {tmp_path / 'tasks.npz'}"
    )


def test_a_number_is_positive_and_no_more_than_a_file_has(tmp_path: Path) -> None:
    path = tmp_path / "tasks.npz"
    with pytest.raises(TlmlError, match=r"^number: must be greater than 0, is 0$"):
        write_episodes(path, view(), 0)
    write_episodes(path, view(), 2)
    again = EpisodeView(Letters(), file=str(path))
    with pytest.raises(TlmlError) as caught:
        write_episodes(tmp_path / "more.npz", again, 3)
    assert str(caught.value) == f"number: 3, and {path} has 2 episodes"
