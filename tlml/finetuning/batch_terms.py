"""Loss terms of a strategy in anybody's training step, on outputs of its own forward pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from pytorch_lightning import LightningModule
from torch import Tensor, nn

from tlml.data.tasks import Pair, Params
from tlml.errors import TlmlError, did_you_mean
from tlml.finetuning.phase_switch import own_parameters
from tlml.networks.batchnorm import statistics
from tlml.networks.calls import call_with, renamed
from tlml.networks.modes import evaluating
from tlml.networks.network import flat
from tlml.strategies.context import Context
from tlml.strategies.strategy import Strategy, overrides

NAME = "adapt"  # what the module is called by: loss = loss + self.adapt(batch)
_EXAMPLES = {"features": "backbone", "logits": "head"}


class Call(NamedTuple):
    """One call of a submodule."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    output: Tensor


class CallWatch:
    """What a submodule gives in a training step: a tensor ``[n, ...]`` a call, flattened.

    Args:
        source: The submodule.
        path: Where it is in the module that trains.
        option: What it is named by.
    """

    def __init__(self, source: nn.Module, path: str, option: str) -> None:
        self.source, self.path, self.option = source, path, option
        self.calls, self.collecting = list[Call](), False
        self._handle = self.source.register_forward_hook(self._keep, with_kwargs=True)

    def collect(self, collecting: bool) -> None:
        """Forget the calls, and keep those from here on or not."""
        self.calls, self.collecting = [], collecting

    def taken(self) -> list[Call]:
        """Return the calls and forget them."""
        calls, self.calls = self.calls, []
        return calls

    def release(self) -> None:
        """Take the hook off the submodule."""
        self._handle.remove()

    def _keep(self, _: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        if not self.collecting:
            return
        if not isinstance(output, Tensor) or output.dim() < 1:
            raise TlmlError(
                f"{self.option}: '{self.path}' gives a {type(output).__name__}; name a module that "
                "gives a tensor [n, ...]"
            )
        if self.option == "logits" and output.dim() > 2:
            raise TlmlError(
                f"logits: '{self.path}' gives {list(output.shape)}; name a module that gives "
                "[n, outputs]"
            )
        self.calls.append(Call(args, kwargs, flat(output)))


class StepTerms:
    """What ``self.adapt(batch)`` returns in a training step: the sum of a strategy's terms.

    Args:
        strategy: Whose terms.
        module: Who trains.
        network: Path of the submodule that adapts; the whole where empty.
        features: Path of the submodule whose output is the features ``[n, ...]``, which are
            flattened; None where terms don't look at them.
        logits: Path of the submodule whose output is the logits ``[n, outputs]``, likewise.
        progress: Returns the share of training done.

    Raises:
        TlmlError: The terms look at features or logits, and no submodule is named that gives them;
            or at something else that is not known here.
    """

    def __init__(
        self,
        strategy: Strategy,
        module: LightningModule,
        network: str,
        features: str | None,
        logits: str | None,
        progress: Callable[[], float],
    ) -> None:
        self.strategy, self.progress = strategy, progress
        self.network = submodule(module, network, "network")
        self.asked, self.active = False, overrides(strategy, "terms")
        named = {"features": features, "logits": logits}
        if self.active:
            _check_sees(strategy, named)
        found = {
            option: (submodule(module, path, option), path)
            for option, path in named.items()
            if path is not None
        }
        self._module = module
        self._install()
        # From here on there is something to release.
        self.watched = {
            option: CallWatch(*source, option)
            for option, source in found.items()
            if self.active and option in strategy.sees
        }

    def __call__(self, batch: Any) -> Tensor:
        """Return the sum of the terms on features and logits of this training step; 0 of none.

        Args:
            batch: A `Pair`, or a dict with ``source`` and ``target``, each inputs or a tuple that
                begins with inputs and labels: they were passed through in this order, in one pass
                or in several. Of anything else all features and logits are the target's.

        Raises:
            TlmlError: Features or logits don't fit the batch, or were not computed yet.
        """
        self.asked = True
        if not self.active:
            return torch.zeros((), device=self._module.device)
        calls = {option: watched.taken() for option, watched in self.watched.items()}
        terms = self.strategy.terms(self._context(batch, calls))
        return torch.stack(list(terms.values())).sum()

    def begin_step(self) -> None:
        """Collect from here on."""
        self.asked = False
        for watched in self.watched.values():
            watched.collect(True)

    def end_step(self) -> None:
        """Collect no more.

        Raises:
            TlmlError: The training step did not ask for the strategy's terms.
        """
        for watched in self.watched.values():
            watched.collect(False)
        if self.active and not self.asked:
            raise TlmlError(
                f"{type(self.strategy).__name__} adds a loss, and training_step of "
                f"{type(self._module).__name__} doesn't ask for it; write there: "
                f"loss = loss + self.{NAME}(batch)"
            )

    def release(self) -> None:
        """Take the hooks and the callable off the module."""
        if getattr(self._module, NAME, None) is self:
            delattr(self._module, NAME)
        for watched in self.watched.values():
            watched.release()

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

    def _context(self, batch: Any, calls: Mapping[str, list[Call]]) -> Context:
        source, labels, target = _sides(batch)
        if self.strategy.terms_in == "fit" and source is None:
            raise TlmlError(
                f"{NAME}: {type(self.strategy).__name__} needs source and target; give it a "
                f"tlml.Pair, or a dict with 'source' and 'target', not {_said(batch)}"
            )
        if "labels" in self.strategy.sees and labels is None:
            raise TlmlError(
                f"{NAME}: {type(self.strategy).__name__} looks at the source's labels, and the "
                "batch has none; give the source as a tuple of inputs and labels"
            )
        nothing = next(self.network.parameters()).new_zeros(0)
        parts = [] if source is None else [source, *target]
        of_source, of_target = {}, {}
        for option in ("features", "logits"):
            given = self._given(option, calls[option], parts) if option in calls else nothing
            first = len(source) if source is not None else 0
            last = len(target[-1]) if source is not None else len(given)
            of_source[option], of_target[option] = given[:first], given[len(given) - last :]
        return Context(
            nothing if source is None else source,
            target[-1] if target else nothing,
            of_source["features"],
            of_target["features"],
            of_source["logits"],
            of_target["logits"],
            self.progress(),
            self.network,
            nothing if labels is None else labels,
            own_parameters(self.network, self.strategy),
            lambda tensors: self._features_at(tensors, calls, len(of_target["features"])),
        )

    def _given(self, option: str, calls: list[Call], parts: list[Tensor]) -> Tensor:
        path = self.watched[option].path
        if not calls:
            raise TlmlError(
                f"{NAME}: '{path}' was not called in this training step; call "
                f"self.{NAME}(batch) once for each pass, after it"
            )
        together = torch.cat([call.output for call in calls])
        sizes = [len(part) for part in parts]
        if parts and sum(sizes) != len(together):
            raise TlmlError(
                f"{NAME}: '{path}' gave {len(together)} {option} in this training step, and "
                f"the batch has {' + '.join(map(str, sizes))} examples; pass the source and then "
                "the target through it"
            )
        return together

    @torch.no_grad()
    def _features_at(self, tensors: Params, calls: Mapping[str, list[Call]], last: int) -> Tensor:
        """Return the `last` features of the step by other tensors, in evaluation mode."""
        watched = self.watched["features"]
        own = renamed(tensors, self.network, watched.source)
        collecting, watched.collecting = watched.collecting, False
        try:
            with evaluating(watched.source), statistics(watched.source, "stored"):
                found = [
                    call_with(watched.source, own, *c.args, **c.kwargs) for c in calls["features"]
                ]
        finally:
            watched.collecting = collecting
        together = torch.cat([flat(each) for each in found])
        return together[len(together) - last :]


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


def _check_sees(strategy: Strategy, named: Mapping[str, str | None]) -> None:
    name = type(strategy).__name__
    beyond = [each for each in strategy.sees if each not in (*named, "labels")]
    if beyond:
        raise TlmlError(
            f"strategy: {name} looks at {' and '.join(beyond)}, which tlml.Adapt does not know; "
            "take a learner, or tlml adapt"
        )
    for option, path in named.items():
        if option in strategy.sees and path is None:
            raise TlmlError(
                f"{option}: {name} looks at {option}; name the submodule that gives them, as in "
                f"tlml.Adapt(..., {option}='{_EXAMPLES[option]}')"
            )


def _sides(batch: Any) -> tuple[Tensor | None, Tensor | None, list[Tensor]]:
    """Return inputs and labels of the source, None where there are none, and target inputs."""
    if isinstance(batch, Pair):
        target = [part for part in (batch.target.x, batch.unlabelled) if len(part)]
        both = len(batch.source.x) and target
        return (batch.source.x, batch.source.y, target) if both else (None, None, target)
    if isinstance(batch, Mapping) and {"source", "target"} <= batch.keys():
        return *_parts(batch["source"]), [_parts(batch["target"])[0]]
    return None, None, []


def _said(batch: Any) -> str:
    if isinstance(batch, Pair):
        return f"a Pair without {'target' if len(batch.source.x) else 'source'} examples"
    return "a dict without them" if isinstance(batch, Mapping) else type(batch).__name__


def _parts(side: Any) -> tuple[Tensor, Tensor | None]:
    if not isinstance(side, tuple | list):
        return side, None
    return side[0], side[1] if len(side) > 1 else None
