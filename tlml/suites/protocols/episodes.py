"""Episodes: methods adapt to labelled examples of target tasks, the same for all methods."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tlml.suites.cells import TARGET_LABELS, VALIDATION_TASKS
from tlml.suites.description import EPISODES, Value
from tlml.suites.protocols.base import Keys, Protocol, Trial
from tlml.suites.schema import Shots
from tlml.suites.sources import EPISODES as VIEW
from tlml.suites.sources import accepted_options
from tlml.yaml_lines import Problem

if TYPE_CHECKING:
    from tlml.suites.cells import FitCell
    from tlml.suites.inside.share import Report
    from tlml.suites.meeting import Meeting
    from tlml.suites.results import Record
    from tlml.suites.schema import Suite
    from tlml.suites.sources import Sources

EPISODE_SEED = 0  # the key of target episodes, for every method and seed


class EpisodesKeys(Keys):
    """What a domain says.

    Args:
        shots: Labelled target examples (per class where there are classes) to compare at: numbers
            from 0, shares of the examples that there are, or ``all``.
    """

    shots: Shots


class EpisodesProtocol(Protocol[EpisodesKeys]):
    """A record holds the scores of target episodes at a number of shots."""

    name = "episodes"
    word = "episodes"
    keys = EpisodesKeys
    shown = EPISODES
    chooses_fits = True

    def problems(
        self, suite: Suite, keys: Mapping[str, EpisodesKeys], sources: Sources
    ) -> Iterable[Problem]:
        """Check the shots of methods, which are some of the domains'."""
        there = sorted(
            {shots for own in keys.values() for shots in own.shots}, key=self.shown.order
        )
        numbers = f", but at {', '.join(map(str, there))}" if there else ""
        for label, method in suite.methods.items():
            where = ("methods", label, "shots")
            for shots in method.shots or ():
                if shots not in there:
                    yield Problem(where, f"no domain is compared at {shots} shots{numbers}")
            if method.shots is not None and label == suite.reference:
                yield Problem(
                    where, "the others are compared with this method, at all shots: leave it out"
                )

    def refusal(self, meeting: Meeting) -> str:
        """Say why a method cannot be compared, or its fit not be chosen on validation tasks."""
        fit = meeting.own.fit
        if meeting.chooses_fit and fit and meeting.fits.sees_target(meeting.label, fit):
            return (
                f"its fit {fit} sees each target episode, so validation tasks cannot judge it; "
                "take a criterion that needs no target label, such as weighted_source_risk"
            )
        return meeting.misfit()

    def trials(self, meeting: Meeting, keys: EpisodesKeys) -> Iterator[Trial]:
        """Plan a cell for each number of shots and each seed."""
        own = meeting.own.shots
        for shots in (n for n in keys.shots if own is None or n in own):
            for seed in meeting.suite.seeds:
                fits = tuple(_fits(meeting, shots, seed))
                config = _config(meeting, shots, seed, fits)
                yield Trial({"shots": shots}, seed, fits, config)

    def check(self, config: dict[str, Any]) -> None:
        """Adapt nothing yet, but make all that adapting needs."""
        from tlml.suites.inside.adapt import check_adapt

        check_adapt(config)

    def run(
        self, config: dict[str, Any], checkpoints: Sequence[Path], report: Report
    ) -> list[Record]:
        """Adapt to each episode and measure."""
        from tlml.suites.inside.adapt import run_adapt

        return [run_adapt(config, list(checkpoints), report)]


def _config(meeting: Meeting, shots: Value, seed: int, fits: Sequence[FitCell]) -> dict[str, Any]:
    own = meeting.own
    criterion = TARGET_LABELS if meeting.oracle else VALIDATION_TASKS
    view = accepted_options(meeting.sources.target(VIEW), meeting.entry.view)
    # All seeds of training meet the same target episodes.
    set_here = {"shots": shots, "episodes": meeting.episodes, "seed": EPISODE_SEED}
    choices: dict[str, Any] = {}
    if meeting.chooses_fit:
        trained_with = fits[0].config["strategy"]
        choices = {"choices": [fit.tried for fit in fits], "trained_with": trained_with}
    return {
        **meeting.config(seed, fits),
        "tune": dict(own.tune),
        **choices,
        "criterion": criterion if own.tune or choices else None,
        "head": own.head,
        "view": {**view, **set_here},
    }


def _fits(meeting: Meeting, shots: Value, seed: int) -> Iterator[FitCell]:
    """Yield the fit of a method: one for all target episodes unless it sees them.

    Or yield all choices of it, where one is to be kept by how well they adapt.
    """
    fit, name = meeting.fit, meeting.own.fit
    if fit is None or name is None:
        return
    if meeting.chooses_fit:
        yield from meeting.fit_choices(seed)
        return
    by_labels = meeting.fits.by_labels(meeting.label, name)
    criterion = TARGET_LABELS if meeting.oracle and by_labels else None
    sees = meeting.fits.sees_target(meeting.label, name, labelled=bool(shots))
    if not sees and criterion != TARGET_LABELS:
        yield meeting.fit_cell(seed)
        return
    for episode in range(meeting.episodes):
        view: dict[str, Any] = {"episode": episode, "episode_seed": EPISODE_SEED}
        if fit.labels:
            view["shots"] = shots
        yield meeting.fit_cell(seed, view, episode, criterion)
