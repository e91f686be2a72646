"""Learning all tasks at once: what could be reached if nothing had to be retained."""

from __future__ import annotations

from typing import Any

from tlml import Domain, StreamView, TlmlError, View
from tlml_continual.base.stream_learner import StreamLearner


class Joint(StreamLearner):
    """Step down the loss of batches of all tasks, shuffled into one: the upper bound."""

    def view(self, domain: Domain[Any], **options: Any) -> View:
        """Return the stream of a domain with all its tasks shuffled into one."""
        return super().view(domain, **{"joint": True, **options})

    def costs(self) -> dict[str, float]:
        """Return that all examples are there at once."""
        view = self.current_view()
        kept = view.number_of_examples if isinstance(view, StreamView) else 0
        return {**super().costs(), "memory_examples": kept}

    def check(self, view: View) -> None:
        """Raise where tasks come one after the other.

        Raises:
            TlmlError: They do.
        """
        super().check(view)
        if isinstance(view, StreamView) and not view.joint:
            raise TlmlError(
                "joint: it learns from all tasks at once, and here they come one after the other; "
                "take StreamView(joint=True), or the learner naive"
            )
