"""Planning with known transitions: no step is taken in any environment."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from numpy.typing import NDArray

from tlml.errors import check_positive
from tlml_rl.tables.known_model import KnownModel, Worth, model_of
from tlml_rl.tables.values import Values, check_gamma


class Planning(Values):
    """An agent that improves its table by sweeps over all states, until nothing changes.

    A batch of a fit is a sweep; a subclass writes `sweep`. Steps in environments are not counted:
    there are none.

    Args:
        gamma: What the value of what follows is discounted by.
        tolerance: A fit ends with the sweep that changes no value by more.
        **options: Those of a learner.

    Raises:
        TlmlError: An option is out of range.
    """

    max_env_steps = 1  # of which none is taken
    _model: KnownModel | None = None

    def __init__(self, *, gamma: float, tolerance: float, **options: Any) -> None:
        check_gamma(gamma)
        check_positive(tolerance=tolerance)
        self.gamma, self.tolerance = gamma, tolerance
        super().__init__(**options)
        self.automatic_optimization = False

    @abstractmethod
    def sweep(self, model: KnownModel, table: Worth) -> Worth:
        """Return better values ``[states, actions]`` than those of the table."""

    def explorer(self, steps: int) -> Callable[[NDArray[Any]], NDArray[Any]]:
        """Return how it would act: as it knows best."""
        return self.decide

    def begin_anew(self, max_env_steps: int) -> None:
        """Go on in another world; the table is what it begins with."""

    def on_train_start(self) -> None:
        """Read the transitions."""
        super().on_train_start()
        view = self.current_view()
        self._model = model_of(view, type(self).__name__)  # type: ignore[arg-type]

    def training_step(self, batch: Any, batch_idx: int) -> None:
        """Sweep over all states once."""
        assert self._model is not None
        before = self.q.numpy()
        after = torch.from_numpy(self.sweep(self._model, before))
        change = float((after - self.q).abs().max())
        self.q.copy_(after)
        self.log_progress({"change": change})
        self.count_batch()
        if change <= self.tolerance:
            self.trainer.should_stop = True
