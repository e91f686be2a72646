"""A chunk's loss and outer gradient as one compiled program."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.func import functional_call

from tlml.errors import TlmlError
from tlml.task import Batch, Episode

if TYPE_CHECKING:
    from torch.fx import GraphModule

    from tlml.gradient_learner import GradientLearner


class Compiled:
    """A learner's `task_slopes` as programs, by what each was traced for.

    That is the shapes and all that is no tensor. Inner loop, outer gradient and the strategy's code
    are traced into one graph of tensor operations first, so that whatever Python they are written
    in, torch's compiler sees none of it. Copies begin without programs.
    """

    def __init__(self) -> None:
        self._programs: dict[Any, Any] = {}

    def __call__(
        self, learner: GradientLearner, params: dict[str, Tensor], support: Batch, query: Batch
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss, and its gradient by the parameters `params` of the learner.

        Raises:
            TlmlError: There is no compiler, or it failed.
        """
        inputs = [*(p.detach() for p in params.values()), *support, *query]
        given = tuple((x.shape, x.stride(), x.dtype) for x in inputs)
        kind = inputs[0].device.type
        cast = torch.is_autocast_enabled(kind) and torch.get_autocast_dtype(kind)
        key = (learner.constants(), inputs[0].device, cast, given)
        if key not in self._programs:
            self._programs[key] = _program(learner, list(params), inputs)
        with torch.no_grad():
            loss, *slopes = self._programs[key](*inputs)
        return loss, dict(zip(params, slopes, strict=True))

    def __reduce__(self) -> tuple[type[Compiled], tuple[()]]:
        return Compiled, ()


def _program(learner: GradientLearner, names: list[str], inputs: list[Tensor]) -> Any:
    import torch._inductor
    from torch.fx.experimental.proxy_tensor import make_fx

    held = _Slopes(learner)

    def flat(*given: Tensor) -> list[Tensor]:
        *values, sx, sy, qx, qy = given
        leaves = [value.detach().requires_grad_() for value in values]
        params = {f"learner.{name}": leaf for name, leaf in zip(names, leaves, strict=True)}
        loss, slopes = functional_call(held, params, (Episode(Batch(sx, sy), Batch(qx, qy)),))
        return [loss.detach(), *(slopes[name] for name in names)]

    graph = make_fx(flat)(*inputs)
    _turn_narrow_products(graph)
    try:
        # What torch.compile does, without its guards: shapes and types are looked up above.
        with torch.no_grad():
            return torch._inductor.compile(graph, list[Any](inputs))
    except Exception as error:
        if not type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
            raise
        reason = str(error).strip().splitlines()[0]
        raise TlmlError(
            "compile: torch could not compile the step; it needs a C++ compiler (on Linux g++), "
            f"else take compile=False ({reason})"
        ) from error


def _turn_narrow_products(graph: GraphModule) -> None:
    """Compute A B as (Bᵀ Aᵀ)ᵀ where that has fewer rows than columns.

    Batched products of small matrices are several times faster in this shape. They come from
    second derivatives, so that nobody can write them in it.
    """
    bmm, turned = torch.ops.aten.bmm.default, torch.ops.aten.transpose.int
    for node in graph.graph.find_nodes(op="call_function", target=bmm):
        a, b = node.args
        if a.meta["val"].shape[1] <= b.meta["val"].shape[2]:
            continue
        with graph.graph.inserting_before(node):
            sides = [graph.graph.call_function(turned, (side, 1, 2)) for side in (b, a)]
            product = graph.graph.call_function(bmm, tuple(sides))
            node.replace_all_uses_with(graph.graph.call_function(turned, (product, 1, 2)))
        graph.graph.erase_node(node)
    graph.recompile()


class _Slopes(torch.nn.Module):
    """A learner as a module whose call gives the loss and slopes of a chunk."""

    def __init__(self, learner: GradientLearner) -> None:
        super().__init__()
        self.learner = learner

    def forward(self, chunk: Episode) -> tuple[Tensor, dict[str, Tensor]]:
        """Return loss and slopes."""
        return self.learner.task_slopes(*chunk)
