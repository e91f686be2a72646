"""Does one cell, whoever asks and however often: claims it, attempts it, publishes it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tlml.errors import TlmlError
from tlml.suites.execution.attempts import begin, begin_anew, publish, tidy
from tlml.suites.execution.claims import Claim, take
from tlml.suites.execution.failures import of_the_machine, reason_for, write_failure
from tlml.suites.execution.places import Place
from tlml.suites.execution.published import is_done, set_damaged_aside
from tlml.suites.executors.base import Outcome
from tlml.suites.progress import reporter


def do_cell(cell: dict[str, Any], out: str, steal: str | None = None) -> Outcome:
    """Do a cell in this process, unless it is done or another is at work on it.

    Args:
        cell: As the plan has it, plain data.
        out: The suite's folder.
        steal: The identity of a claim whose owner was silent for too long.
    """
    place = Place(Path(out), cell["id"])
    try:
        claim = take(place, steal)
    except TlmlError as error:
        return Outcome("failed", str(error))
    if claim is None:
        return Outcome("busy")
    with claim.beating():
        # Whoever finds one once nobody is at work knows that it is of this attempt.
        place.failed.unlink(missing_ok=True)
        if is_done(place.published):
            tidy(place)
            return Outcome("done")
        before = [Place(place.out, id) for id in cell["fits" if "fits" in cell else "after"]]
        return _Attempt(cell, place, claim, before).outcome()


class _Attempt:
    """One try of a cell that is claimed.

    Args:
        cell: As the plan has it.
        place: Where it is.
        claim: Ours.
        before: The cells that it starts from.
    """

    def __init__(
        self, cell: dict[str, Any], place: Place, claim: Claim, before: Sequence[Place]
    ) -> None:
        self.cell, self.place, self.claim, self.before = cell, place, claim, before

    def outcome(self) -> Outcome:
        """Make the cell and publish it."""
        if damaged := set_damaged_aside(self.before):
            return Outcome("damaged", ids=tuple(damaged))
        try:
            ours = publish(self.place, self.claim, self._made())
        except Exception as error:  # one cell's failure is written down and stops no other cell
            return self._failed(error)
        if not ours:
            return self._lost()
        tidy(self.place)
        return Outcome("done")

    def _made(self) -> dict[str, Any]:
        state = self.cell.get("fingerprint", "")
        folder, resumed = begin(self.place, self.claim.token, state)
        try:
            return self._run(folder)
        except Exception as error:
            # What it went on from may be the cause, unless it is the disk's or another's doing.
            if not resumed or of_the_machine(error) or not self.claim.is_ours():
                raise
            return self._run(begin_anew(folder, state))

    def _run(self, folder: Path) -> dict[str, Any]:
        import torch

        from tlml.suites.run_cell import run_cell

        torch.set_num_threads(1)
        checkpoints = [place.checkpoint for place in self.before]
        return run_cell(self.cell, folder, checkpoints, reporter(self.place.note))

    def _failed(self, error: Exception) -> Outcome:
        if not self.claim.is_ours() or is_done(self.place.published):
            return self._lost()
        if damaged := set_damaged_aside(self.before):
            return Outcome("damaged", ids=tuple(damaged))
        reason = reason_for(error)
        write_failure(self.place.failed, reason, error)
        tidy(self.place, keep=True)
        return Outcome("failed", reason)

    def _lost(self) -> Outcome:
        """Leave what is another's now as it is; what is published needs no attempts any more."""
        if is_done(self.place.published):
            tidy(self.place)
        return Outcome("lost")
