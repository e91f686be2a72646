"""ANIL (Raghu, Raghu, Bengio & Vinyals 2020, arXiv 1909.09157): almost no inner loop."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor, nn

from tlml import Batch, Network, Strategy
from tlml.data import Params
from tlml.meta import InnerProblem
from tlml.networks import call_with, head_name, renamed, statistics
from tlml_maml.head_sgd import HeadSgd
from tlml_maml.maml import Maml

FEATURES = "features of the support"  # beside the head's parameters; no parameter is called so


class AnilProblem(InnerProblem):
    """An inner problem of the head alone, at the features of the support."""

    stackable: ClassVar[bool] = True

    def adapted(self, support: Batch) -> Params:
        """Return the network's parameters, by name, with a head adapted to the support."""
        strategy = self.strategy
        if self.path.tasks is not None or not isinstance(strategy, HeadSgd):
            return super().adapted(support)
        params = self.start()
        features = self._features(params, support.x)
        if features is None:
            return super().adapted(support)
        head = {name: params[name] for name in strategy.names(tuple(params))}
        found = self.adapt({**head, FEATURES: features}, support)
        return {**params, **{name: found[name] for name in head}}

    def scores(self, params: Params, x: Tensor) -> Tensor:
        """Return what the network gives for ``x [n, ...]``, or its head for features at hand."""
        if FEATURES not in params:
            return super().scores(params, x)
        network = self.adapter.network
        head = network.get_submodule(head_name(network))
        own = renamed({key: p for key, p in params.items() if key != FEATURES}, network, head)
        with statistics(network, self.policy):
            found: Tensor = call_with(head, own, params[FEATURES])
        shape = network.output_shape if isinstance(network, Network) else None
        return found if shape is None else found.reshape(len(found), *shape)

    def _features(self, params: Params, x: Tensor) -> Tensor | None:
        """Return what the head is given for ``x``; None where it isn't all that follows."""
        network = self.adapter.network
        seen: list[tuple[Any, Any]] = []
        head = network.get_submodule(head_name(network))
        hook = head.register_forward_hook(lambda _, given, out: seen.append((given, out)))
        try:
            scores = super().scores(params, x)
        finally:
            hook.remove()
        if len(seen) != 1 or len(seen[0][0]) != 1:
            return None
        (features,), found = seen[0]
        last = found is scores or type(network).forward is Network.forward
        return features if last else None


class Anil(Maml):
    """MAML whose inner loop adapts the head only.

    The meta-gradient is exactly that of `maml` with `head_sgd`, also by the body's parameters. The
    support's features are computed once for a task and not once for a step, unless tasks run on
    stacked parameters or something comes after the head; dropout in the body drops once.

    Args:
        network: ``auto`` (by the inputs), a registered network, a class path, or a module.
        strategy: The inner loop, a `head_sgd`.
        **options: Those of `Maml`.

    Raises:
        TlmlError: An option is out of range, or the network has no head or does not fit the view.
    """

    inner_loop: ClassVar[type[Strategy]] = HeadSgd
    problem_type: ClassVar[type[InnerProblem]] = AnilProblem

    def __init__(
        self,
        network: str | nn.Module = "auto",
        strategy: Strategy | str | dict[str, Any] = "head_sgd",
        **options: Any,
    ) -> None:
        super().__init__(network, strategy, **options)
