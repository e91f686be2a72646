"""Loss terms of a strategy in anybody's training step, on features of its own forward pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from pytorch_lightning import LightningModule
from torch import Tensor, nn
from torch.func import functional_call

from tlml.errors import TlmlError, did_you_mean
from tlml.networks.network import flat
from tlml.normalisation import statistics
from tlml.phasing import own_parameters
from tlml.strategies import Context, Strategy, overrides
from tlml.task import Pair, Params
from tlml.terms import evaluating

NAME = "adapt"  # what the module is called by: loss = loss + self.adapt(batch)


class Call(NamedTuple):
    """One call of the submodule whose output is the features."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    features: Tensor


class StepTerms:
    """What ``self.adapt(batch)`` returns in a training step: the sum of a strategy's terms.

    Args:
        strategy: Whose terms.
        module: Who trains.
        network: Path of the submodule that adapts; the whole where empty.
        features: Path of the submodule whose output is the features ``[n, ...]``, which are
            flattened; None where terms don't look at them.
        progress: Returns the share of training done.

    Raises:
        TlmlError: The terms look at features, and no submodule is named that gives them; or at
            something else that is not known here.
    """

    def __init__(
        self,
        strategy: Strategy,
        module: LightningModule,
        network: str,
        features: str | None,
        progress: Callable[[], float],
    ) -> None:
        self.strategy, self.progress = strategy, progress
        self.network, self._prefix = submodule(module, network, "network"), network
        self.path, self.calls, self.asked = features, list[Call](), False
        self._collecting = False
        self.active = overrides(strategy, "terms")
        if self.active:
            _check_sees(strategy, features)
        if features is not None:
            self._source = submodule(module, features, "features")
            self._handle = self._source.register_forward_hook(self._keep, with_kwargs=True)
        self._module = module
        self._install()

    def __call__(self, batch: Any) -> Tensor:
        """Return the sum of the terms on the features of this training step; 0 of none.

        Args:
            batch: A `Pair`, or a dict with ``source`` and ``target``, each inputs or a tuple that
                begins with them: their features were computed in this order, in one pass or in
                several. Of anything else all features are the target's.

        Raises:
            TlmlError: The features don't fit the batch, or were not computed yet.
        """
        self.asked = True
        if not self.active:
            return torch.zeros((), device=self._module.device)
        calls, self.calls = self.calls, []
        terms = self.strategy.terms(self._context(batch, calls))
        return torch.stack(list(terms.values())).sum()

    def begin_step(self) -> None:
        """Collect from here on."""
        self.calls, self.asked, self._collecting = [], False, True

    def end_step(self) -> None:
        """Collect no more.

        Raises:
            TlmlError: The training step did not ask for the strategy's terms.
        """
        self.calls, self._collecting = [], False
        if self.active and not self.asked:
            raise TlmlError(
                f"{type(self.strategy).__name__} adds a loss, and training_step of "
                f"{type(self._module).__name__} doesn't ask for it; write there: "
                f"loss = loss + self.{NAME}(batch)"
            )

    def release(self) -> None:
        """Take the hook and the callable off the module."""
        if getattr(self._module, NAME, None) is self:
            delattr(self._module, NAME)
        if self.path is not None:
            self._handle.remove()

    def _install(self) -> None:
        there = getattr(self._module, NAME, None)
        if there is not None and not isinstance(there, StepTerms):
            raise TlmlError(
                f"{type(self._module).__name__} has an attribute '{NAME}' of its own, which is "
                "what tlml.Adapt puts there; give it another name"
            )
        if there is None or not there.active:
            setattr(self._module, NAME, self)
        elif self.active:
            raise TlmlError(f"{NAME}: two tlml.Adapt callbacks add losses; one can")

    def _keep(self, _: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        if not self._collecting:
            return
        if not isinstance(output, Tensor) or output.dim() < 1:
            raise TlmlError(
                f"features: '{self.path}' gives a {type(output).__name__}; name a module that "
                "gives a tensor [n, ...]"
            )
        self.calls.append(Call(args, kwargs, flat(output)))

    def _context(self, batch: Any, calls: list[Call]) -> Context:
        source, target = _sides(batch)
        if self.strategy.terms_in == "fit" and source is None:
            raise TlmlError(
                f"{NAME}: {type(self.strategy).__name__} compares source and target; give it a "
                "tlml.Pair, or a dict with 'source' and 'target', not "
                f"{'a dict' if isinstance(batch, Mapping) else type(batch).__name__}"
            )
        nothing = next(self.network.parameters()).new_zeros(0)
        parts = [] if source is None else [source, *target]
        features = nothing if self.path is None else self._features(calls, parts)
        last = len(target[-1]) if source is not None else len(features)
        of_target = features[len(features) - last :]
        return Context(
            nothing if source is None else source,
            target[-1] if target else nothing,
            nothing if source is None else features[: len(source)],
            of_target,
            nothing,
            nothing,
            self.progress(),
            self.network,
            params=own_parameters(self.network, self.strategy),
            features_at=lambda tensors: self._features_at(tensors, calls)[len(features) - last :],
        )

    def _features(self, calls: list[Call], parts: list[Tensor]) -> Tensor:
        if not calls:
            raise TlmlError(
                f"{NAME}: '{self.path}' was not called in this training step; call "
                f"self.{NAME}(batch) once for each pass, after it"
            )
        together = torch.cat([call.features for call in calls])
        sizes = [len(part) for part in parts]
        if parts and sum(sizes) != len(together):
            raise TlmlError(
                f"{NAME}: '{self.path}' gave {len(together)} features in this training step, and "
                f"the batch has {' + '.join(map(str, sizes))} examples; pass the source and then "
                "the target through it"
            )
        return together

    @torch.no_grad()
    def _features_at(self, tensors: Params, calls: list[Call]) -> Tensor:
        """Return the features of the same inputs with other tensors, in evaluation mode."""
        outer = f"{self._prefix}." if self._prefix else ""
        inner = f"{self.path}." if self.path else ""
        own = {
            (outer + name).removeprefix(inner): value
            for name, value in tensors.items()
            if (outer + name).startswith(inner)
        }
        collecting, self._collecting = self._collecting, False
        try:
            with evaluating(self._source), statistics(self._source, "stored"):
                found = [functional_call(self._source, own, c.args, c.kwargs) for c in calls]
        finally:
            self._collecting = collecting
        return torch.cat([flat(each) for each in found])


def submodule(module: nn.Module, path: str, option: str) -> nn.Module:
    """Return a submodule by its path, which an option names.

    Raises:
        TlmlError: There is none; near names are told, or the children.
    """
    try:
        return module.get_submodule(path)
    except AttributeError:
        near = did_you_mean(path, [name for name, _ in module.named_modules() if name])
        if not near.startswith("; did"):  # a deep network has hundreds
            near = did_you_mean(path, [name for name, _ in module.named_children()])
        raise TlmlError(f"{option}: {type(module).__name__} has no module '{path}'{near}") from None


def _check_sees(strategy: Strategy, features: str | None) -> None:
    name = type(strategy).__name__
    beyond = [each for each in strategy.sees if each != "features"]
    if beyond:
        raise TlmlError(
            f"strategy: {name} looks at {' and '.join(beyond)}, which tlml.Adapt does not know; "
            "take a learner, or tlml adapt"
        )
    if strategy.sees and features is None:
        raise TlmlError(
            f"features: {name} looks at features; name the submodule that gives them, as in "
            "tlml.Adapt(..., features='backbone')"
        )


def _sides(batch: Any) -> tuple[Tensor | None, list[Tensor]]:
    """Return the inputs of the source, None where a batch has none, and those of the target."""
    if isinstance(batch, Pair):
        target = [part for part in (batch.target.x, batch.unlabelled) if len(part)]
        return (batch.source.x, target) if len(batch.source.x) and target else (None, target)
    if isinstance(batch, Mapping) and {"source", "target"} <= batch.keys():
        return _inputs(batch["source"]), [_inputs(batch["target"])]
    return None, []


def _inputs(side: Any) -> Tensor:
    found: Tensor = side[0] if isinstance(side, tuple | list) else side
    return found
