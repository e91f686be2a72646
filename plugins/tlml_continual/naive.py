"""Learning what comes and nothing else: the floor that every other method is held against."""

from __future__ import annotations

from tlml_continual.base.stream_learner import StreamLearner


class Naive(StreamLearner):
    """Step down the loss of each batch, as if there were no stream.

    Its rate decides between learning and forgetting, so tune it as any other method's: a small one
    forgets less.
    """
