"""Control: agents act in target environments, after so many steps of learning in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import field_validator

from tlml.spec import VIEWS
from tlml.suites.description import Description
from tlml.suites.protocols.base import Keys, Protocol, Trial
from tlml.suites.schema import Numbers
from tlml.suites.sources import accepted_options

if TYPE_CHECKING:
    from tlml.suites.inside.share import Report
    from tlml.suites.meeting import Meeting
    from tlml.suites.results import Record

VIEW = VIEWS["env"]


class ControlKeys(Keys):
    """What a domain says.

    Args:
        env_steps: Steps in the environments of a target task to compare at; with 0, at which an
            agent acts as the source has left it.
        threshold: The mean return from which a task counts as solved, for the columns that say
            after how many steps it was.
    """

    env_steps: Numbers
    threshold: float | None = None

    @field_validator("env_steps")
    @classmethod
    def _from_zero(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if 0 not in value:
            raise ValueError("must hold 0, what an agent does before it learns anything")
        return tuple(sorted(value))


class ControlProtocol(Protocol[ControlKeys]):
    """A record holds the returns of fixed episodes in all target tasks, after so many steps.

    A method learns in each target task by itself, once, and is measured when it passes each number
    of steps. It starts from its fit and learns as that did, within the phases of its strategy;
    ``as_trained`` learns nothing more.
    """

    name = "control"
    word = "env"
    keys = ControlKeys
    shown = Description(
        axis="env_steps",
        unit="steps in the target environment",
        one="step",
        many="steps",
        paired="target task and evaluation episode",
        columns={
            "length": "length",
            "source_steps": "source steps",
            "steps_to_threshold": "steps to threshold",
            "not_reached": "not reached",
            "fit_seconds": "fit s",
            "adapt_seconds": "adapt s",
        },
        pictures=("scores", "mazes"),
    )

    def trials(self, meeting: Meeting, keys: ControlKeys) -> Iterator[Trial]:
        """Plan a run for each seed, which is measured at all numbers of steps."""
        view = accepted_options(meeting.sources.target(VIEW), meeting.entry.view)
        for seed in meeting.suite.seeds:
            fits = (meeting.fit_cell(seed),) if meeting.fit else ()
            config = {
                **meeting.config(seed, fits),
                "env_steps": list(keys.env_steps),
                "threshold": keys.threshold,
                "view": {"test_episodes": meeting.episodes, **view},
            }
            yield Trial({"env_steps": list(keys.env_steps)}, seed, fits, config)

    def check(self, config: dict[str, Any]) -> None:
        """Act in nothing yet, but make all that acting needs."""
        from tlml.suites.inside.control import check_control

        check_control(config)

    def run(
        self, config: dict[str, Any], checkpoints: Sequence[Path], report: Report
    ) -> list[Record]:
        """Learn in each target task and measure on the way."""
        from tlml.suites.inside.control import run_control

        return run_control(config, list(checkpoints), report)
