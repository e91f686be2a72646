"""Elastic weight consolidation (Kirkpatrick et al. 2017, arXiv 1612.00796), online.

The online form is that of Schwarz et al. 2018 (arXiv 1805.06370): one anchor and one
running sum of Fisher matrices, whatever the number of tasks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, get_args

import torch
from gymnasium.spaces import Discrete
from pytorch_lightning.utilities import rank_zero_info
from torch import Tensor, nn
from torch.func import grad, vmap

from tlml import Batch, Strategy, StreamView, TlmlError
from tlml.data import Params, Step
from tlml.errors import check_choice, check_not_negative
from tlml.networks import call_with, evaluating
from tlml.views import ViewSpaces
from tlml_continual.base.anchored import AnchoredLearner
from tlml_continual.base.flat import vector_of

Fisher = Literal["empirical", "batch", "exact", "sampled"]
ExampleLoss = Callable[[Params, Tensor, Tensor], Tensor]
_NUMBERS = 2**24  # of gradients of single examples that are in memory together


class Ewc(AnchoredLearner):
    """Pull parameters to where they were, the more the more the Fisher information says.

    The loss is L(θ) + λ/2 Σᵢ Fᵢ (θᵢ − θ*ᵢ)² (Kirkpatrick et al., equation 3). At the end of a task
    θ* becomes θ, and F becomes γ F plus the diagonal of the task's Fisher matrix, which is a mean
    over its examples n (Schwarz et al.). Implementations differ in which:

    - ``empirical``: (∇ log p(yₙ|xₙ))², with the targets yₙ as they are;
    - ``exact``: Σ_c p(c|xₙ) (∇ log p(c|xₙ))², the Fisher matrix itself; a backward pass for each
      class;
    - ``sampled``: as ``empirical``, of classes drawn from p(·|xₙ);
    - ``batch``: squares of the mean gradient of a batch, the mean over batches. It is what many
      programs compute, and smaller, as gradients of single examples cancel in it.

    A step of rate lr diverges where lr · λ · Fᵢ is above 2 for any i: large λ need small rates.
    Where classes come one after the other (a pool without ``scenario="task"``) it forgets as
    much as ``naive``: nothing in its loss keeps old classes from never being predicted.

    Args:
        network: ``auto`` (by the inputs), a registered network, a class path, or a module.
        strategy: What adapts to a task after the stream, unless a test names another.
        strength: Weight λ of the distance.
        decay: What γ remains of the earlier tasks' Fisher matrices at the end of a task.
        fisher: Which Fisher matrix: ``empirical``, ``exact``, ``sampled`` or ``batch``.
        **options: Those of `StreamLearner`.

    Raises:
        TlmlError: An option is out of range, or the network does not fit the view.
    """

    def __init__(
        self,
        network: str | nn.Module = "auto",
        strategy: Strategy | str | dict[str, Any] | None = "full",
        *,
        strength: float = 10.0,
        decay: float = 1.0,
        fisher: Fisher = "empirical",
        **options: Any,
    ) -> None:
        check_not_negative(decay=decay)
        check_choice("fisher", fisher, get_args(Fisher))
        self.decay, self.fisher = decay, fisher
        self._by_vmap = True
        super().__init__(network, strategy, strength=strength, **options)

    def prepare(self, spaces: ViewSpaces) -> None:
        """Make room for both vectors.

        Raises:
            TlmlError: The Fisher matrix is of classes, and the targets are values.
        """
        super().prepare(spaces)
        if self.fisher in ("exact", "sampled") and not (
            isinstance(spaces.y, Discrete) and self.criterion in (None, "cross_entropy")
        ):
            raise TlmlError(
                f"fisher: '{self.fisher}' is of the classes' probabilities, and the loss here has "
                "none (its targets are values); take 'empirical', or 'batch'"
            )

    def glance_loss(self, step: Step) -> Tensor:
        """Return the loss on the batch and the weighted distance (equation 3)."""
        return super().glance_loss(step) + self.strength / 2 * self.distance()

    def consolidate(self, task: int) -> None:
        """Add the Fisher matrix of a task, and take the parameters as the next anchor."""
        view = self.current_view()
        assert isinstance(view, StreamView)
        data = view.learned_from(task)
        every = torch.arange(len(data))
        given = Batch(data.x[every], data.y[every])
        found = self.fisher_of(given, task, view.batch_size)
        self.importance.mul_(self.decay).add_(found)
        self.anchor.copy_(vector_of(self.built()).detach())

    def fisher_of(self, data: Batch, task: int = 0, batch_size: int = 10) -> Tensor:
        """Return the diagonal of the Fisher matrix of a task ``[P]``, of the kind `fisher`.

        Args:
            data: The examples of the task.
            task: Its place in the stream.
            batch_size: Examples in a batch, where batches are squared.
        """
        size = batch_size if self.fisher == "batch" else max(1, _NUMBERS // len(self.importance))
        chunks = [
            Batch(self._like(x.to(self.device)), y.to(self.device))
            for x, y in zip(torch.split(data.x, size), torch.split(data.y, size), strict=True)
        ]
        with evaluating(self.built()):
            total = sum(self._squares(chunk, task) for chunk in chunks)
        assert isinstance(total, Tensor), f"task {task} has no examples"
        return total / (len(chunks) if self.fisher == "batch" else len(data.x))

    def _squares(self, batch: Batch, task: int) -> Tensor:
        """Return the squared gradients of some examples, summed over them ``[P]``."""
        if self.fisher == "batch":
            return self._slopes(Batch(batch.x[None], batch.y[None]), task)[0].square()
        if self.fisher == "empirical":
            return self._slopes(batch, task).square().sum(0)
        shares = self._shares(batch, task)
        if self.fisher == "sampled":
            drawn = torch.multinomial(shares, 1).squeeze(1)
            return self._slopes(Batch(batch.x, drawn), task).square().sum(0)
        total = torch.zeros_like(self.importance)
        for label, share in enumerate(shares.T):
            if bool(share.any()):  # else it is of another task, or nothing would be added
                given = Batch(batch.x, torch.full_like(batch.y, label))
                total += (share[:, None] * self._slopes(given, task).square()).sum(0)
        return total

    def _shares(self, batch: Batch, task: int) -> Tensor:
        """Return the probabilities of the classes ``[n, classes]``."""
        with torch.no_grad():
            scores = self.scores_of(batch.x)
            view = self.current_view()
            if isinstance(view, StreamView):
                scores = view.masked(scores, task)
            return scores.softmax(1)

    def _slopes(self, batch: Batch, task: int) -> Tensor:
        """Return the gradient of the loss of each item of a batch ``[n, P]``.

        An item is an example, or a batch with a dimension more.
        """
        network, several = self.built(), self.fisher == "batch"
        params = {name: p.detach() for name, p in network.named_parameters()}

        def loss(values: Params, x: Tensor, y: Tensor) -> Tensor:
            x, y = (x, y) if several else (x[None], y[None])
            return self.loss_of(call_with(network, values, x), y, task)

        found = self._each(grad(loss), params, batch)
        return torch.cat([slopes.flatten(1) for slopes in found.values()], dim=1)

    def _each(
        self, slope: Callable[..., dict[str, Tensor]], params: Params, batch: Batch
    ) -> dict[str, Tensor]:
        """Return the gradients of all items, together where the network bears it."""
        if self._by_vmap:
            try:
                together: dict[str, Tensor] = vmap(slope, (None, 0, 0))(params, *batch)
                return together
            except RuntimeError as error:
                self._by_vmap = False
                reason = str(error).strip().splitlines()[0]
                rank_zero_info(f"ewc: gradients are taken one example after the other ({reason})")
        single = [slope(params, x, y) for x, y in zip(*batch, strict=True)]
        return {name: torch.stack([one[name] for one in single]) for name in params}
