"""Writing the test episodes of a view into a file."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from tlml.data.domains import POOL_WAYS, ClassPool
from tlml.data.episode_files import About, EpisodeFile, pack
from tlml.data.tasks import Episode
from tlml.errors import TlmlError, check_positive
from tlml.files import make_folder
from tlml.recorded import describe_object
from tlml.version import tlml_version

if TYPE_CHECKING:
    from tlml.views.episode import EpisodeView


def write_episodes(
    path: str | os.PathLike[str],
    view: EpisodeView,
    number: int | None = None,
    *,
    progress: bool = False,
) -> None:
    """Write the test episodes of a view into a file; `docs/views.md` describes its arrays.

    Args:
        path: The file, ``.npz`` by custom; one that is there is replaced, whole or not at all.
        view: Whose episodes; those that its test draws.
        number: The first so many; as many as its test has where None.
        progress: Whether to show a bar.

    Raises:
        TlmlError: The view can't be drawn from, or the file can't be written.
    """
    check_positive(number=number)
    total = view.test_episodes if number is None else number
    _check_place(Path(path))
    view.setup("test")
    episodes = view.dataset(view.split)
    if isinstance(episodes, EpisodeFile) and total > len(episodes):
        raise TlmlError(f"number: {total}, and {episodes.path} has {len(episodes)} episodes")
    drawn = (episodes[i] for i in range(total))
    turns = [turn for number in range(total) if (turn := view.turn(number)) is not None]
    pack(path, _shown(drawn, total) if progress else drawn, _about(view), turns)


def _shown(episodes: Iterable[Episode], total: int) -> Iterable[Episode]:
    from rich.console import Console
    from rich.progress import track

    return track(episodes, "episodes", total, console=Console(stderr=True), transient=True)


def _check_place(path: Path) -> None:
    if path.is_dir():
        raise TlmlError(f"{path}: is a folder; name a file in it, such as {path / 'tasks.npz'}")
    make_folder(path.parent)


def _about(view: EpisodeView) -> About:
    pool = isinstance(view.domain, ClassPool)
    return About(
        domain=describe_object(view.domain),
        split=view.split,
        seed=view.seed,
        ways=POOL_WAYS if pool and view.ways is None else view.ways,
        shots=view.shots,
        queries=view.queries,
        tlml=tlml_version(),
    )
