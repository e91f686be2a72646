"""A chunk's loss and outer gradient as one compiled program."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from pytorch_lightning.utilities import rank_zero_info
from torch import Tensor

from tlml.data.tasks import Batch, Episode
from tlml.errors import TlmlError
from tlml.meta.contract import Problem, trained_parameters
from tlml.meta.path import LearnerCall, Outer
from tlml.networks.calls import call_with

if TYPE_CHECKING:
    from torch.fx import GraphModule

_ROUNDING = 0.05  # a relative error that no program may have, in 16 bits neither


class CompiledSteps:
    """The `task_slopes` of a learner's problems as programs, by what each was traced for.

    That is the shapes, and everything else than tensors. Inner loop, outer gradient and the
    strategy's code are traced into one graph of tensor operations first, so that whatever Python
    they are written in, torch's compiler sees none of it. Copies begin without programs.
    """

    def __init__(self) -> None:
        self._programs: dict[Any, Any] = {}

    def gradients(self, problem: Problem, chunk: Episode) -> Outer:
        """Return the summed loss of a chunk and its gradient, as the problem's path does.

        Raises:
            TlmlError: There is no compiler, or it failed.
        """
        params, (support, query) = trained_parameters(problem.learner), chunk
        inputs = [*(p.detach() for p in params.values()), *support, *query]
        given = tuple((x.shape, x.stride(), x.dtype) for x in inputs)
        kind = inputs[0].device.type
        cast = torch.is_autocast_enabled(kind) and torch.get_autocast_dtype(kind)
        key = (problem.constants(), inputs[0].device, cast, given)
        if key not in self._programs:
            rank_zero_info(f"{type(problem.learner).__name__}: compiling the outer step")
            self._programs[key] = _program(problem, list(params), inputs)
        with torch.no_grad():
            loss, *slopes = self._programs[key](*inputs)
        return Outer(loss.detach(), dict(zip(params, slopes, strict=True)))

    def __reduce__(self) -> tuple[type[CompiledSteps], tuple[()]]:
        return CompiledSteps, ()


def _program(problem: Problem, names: list[str], inputs: list[Tensor]) -> Any:
    held = LearnerCall(problem.learner, problem.task_slopes)

    def flat(*given: Tensor) -> list[Tensor]:
        *values, sx, sy, qx, qy = given
        leaves = [value.detach().requires_grad_() for value in values]
        params = {f"learner.{name}": leaf for name, leaf in zip(names, leaves, strict=True)}
        loss, slopes = call_with(held, params, Episode(Batch(sx, sy), Batch(qx, qy)))
        return [loss.detach(), *(slopes[name] for name in names)]

    return compile_function(flat, inputs)


def compile_function(
    function: Callable[..., list[Tensor]], inputs: Sequence[Tensor], *, native: bool = False
) -> Any:
    """Trace a function of tensors into one graph, and compile that.

    Args:
        function: It may differentiate inside; all that it depends on beside its arguments, numbers
            and modes among it, is taken as it is now.
        inputs: Arguments like those that the program will be given.
        native: On a CPU, have C++ and not Python call the program's kernels, of which there may be
            hundreds: a fifth faster where they are small, and longer to compile.

    Raises:
        TlmlError: There is no compiler, or it failed.
    """
    import torch._inductor
    from torch.fx.experimental.proxy_tensor import make_fx

    graph = make_fx(function)(*inputs)
    _spell_out(graph)
    _turn_narrow_products(graph)
    _spread_outer_products(graph)
    _forget_examples(graph)
    on_cpu = all(tensor.device.type == "cpu" for tensor in inputs)
    try:
        # What torch.compile does, without its guards: shapes and types are looked up above.
        with torch.no_grad():
            program = torch._inductor.compile(
                graph, list[Any](inputs), {"cpp_wrapper": native and on_cpu}
            )
    except Exception as error:
        if not type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
            raise
        reason = str(error).strip().splitlines()[0]
        raise TlmlError(
            "compile: torch could not compile the step; it needs a C++ compiler (on Linux g++), "
            f"else take compile=False ({reason})"
        ) from error
    _check(program, graph, inputs)
    return program


def _spell_out(graph: GraphModule) -> None:
    """Write a + α b as two operations, and views as reshapes.

    torch's compiler turns a + α A B into a + A B: its pattern for the sum of a tensor and a product
    overlooks α, as in https://github.com/pytorch/pytorch/issues/167313. And its strides may differ
    from those that were traced, where a view of channels-last tensors fails.
    """
    aten = torch.ops.aten
    sums = (aten.add.Tensor, aten.add_.Tensor, aten.sub.Tensor, aten.sub_.Tensor)
    for node in list(graph.graph.nodes):
        if node.target in sums and "alpha" in node.kwargs:
            first, second = node.args
            with graph.graph.inserting_before(node):
                scaled = graph.graph.call_function(aten.mul.Tensor, (second, node.kwargs["alpha"]))
            node.args, node.kwargs = (first, scaled), {}
        elif node.target is aten.view.default:
            node.target = aten.reshape.default
    graph.recompile()


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


def _spread_outer_products(graph: GraphModule) -> None:
    """Compute a bᵀ entry by entry, so that it is one with what it is added to or multiplied by.

    Else a matrix is written to memory and read again, which for the gradient of a large layer on a
    single example costs more than the numbers. A sum of one product is that product, to the bit.
    """
    aten = torch.ops.aten
    for node in graph.graph.find_nodes(op="call_function", target=aten.mm.default):
        if node.args[0].meta["val"].shape[1] == 1:
            node.target = aten.mul.Tensor
    graph.recompile()


def _forget_examples(graph: GraphModule) -> None:
    """Let the compiler take the inputs that it is given for those that were traced.

    Tracing leaves an example of each, of which the compiler refuses to have many of many kinds.
    """
    for node in graph.graph.find_nodes(op="placeholder"):
        node.meta.pop("val", None)


def _check(program: Any, graph: GraphModule, inputs: Sequence[Tensor]) -> None:
    """Raise where a program does not compute what was traced, beyond rounding.

    What draws at random is passed over: a program draws otherwise.
    """
    random = torch.Tag.nondeterministic_seeded
    targets = [node.target for node in graph.graph.nodes if node.op == "call_function"]
    if any(random in getattr(target, "tags", ()) for target in targets):
        return
    with torch.no_grad():
        expected, found = (
            torch.cat([each.flatten().double() for each in run(*inputs)])
            for run in (graph, program)
        )
    error = float((found - expected).norm() / expected.norm())
    if error > _ROUNDING:  # not of a step that is NaN anyway
        raise TlmlError(
            f"compile: torch's compiler makes a program that is {error:.0%} off the step it was "
            "given; take compile=False, and report the network to PyTorch"
        )
