"""What the compiler is given, and what is refused of what it gives."""

from __future__ import annotations

from typing import Any

import torch
from meta_gradients import learner_of, perceptron, waves
from refusals import stops
from torch.fx.experimental.proxy_tensor import make_fx

from tlml.meta.compiled import _spell_out, _spread_outer_products, _turn_narrow_products


def test_narrow_products_are_computed_the_other_way_round():
    a, b = torch.randn(2, 7, 5), torch.randn(2, 5, 3)
    graph = make_fx(lambda a, b: [torch.bmm(a, b), torch.bmm(b.mT, a.mT)])(a, b)
    before = graph(a, b)
    _turn_narrow_products(graph)
    products = graph.graph.find_nodes(op="call_function", target=torch.ops.aten.bmm.default)
    assert [[arg.target for arg in node.args] for node in products] == [
        [torch.ops.aten.transpose.int] * 2
    ] * 2
    for one, other in zip(graph(a, b), before, strict=True):
        torch.testing.assert_close(one, other)
    assert graph(a, b)[0].shape == (2, 7, 3)


def test_outer_products_are_computed_entry_by_entry():
    a, b, c = torch.randn(7, 1), torch.randn(1, 3), torch.randn(3, 2)
    graph = make_fx(lambda a, b, c: [a @ b, b.T @ a.T, b @ c])(a, b, c)
    before = graph(a, b, c)
    _spread_outer_products(graph)
    (left,) = graph.graph.find_nodes(op="call_function", target=torch.ops.aten.mm.default)
    assert left.meta["val"].shape == (1, 2)  # a sum of three products stays one
    for one, other in zip(graph(a, b, c), before, strict=True):
        assert torch.equal(one, other)


def test_a_scaled_sum_is_spelt_out():
    a, b = torch.randn(2, 3), torch.randn(2, 3)
    graph = make_fx(lambda a, b: [torch.add(a, b, alpha=-0.1), torch.sub(a, b, alpha=3)])(a, b)
    before = graph(a, b)
    _spell_out(graph)
    assert not any(node.kwargs for node in graph.graph.nodes)
    for one, other in zip(graph(a, b), before, strict=True):
        torch.testing.assert_close(one, other)


def test_a_program_that_computes_something_else_is_refused(monkeypatch):
    learner = learner_of(perceptron(), compile=True)

    def wrong(graph: Any, inputs: Any, options: Any) -> Any:
        return lambda *given: [1.2 * value for value in graph(*given)]

    monkeypatch.setattr("torch._inductor.compile", wrong)
    with stops("compile: torch's compiler makes a program that is 20% off the step it was given"):
        learner.meta_loss(waves())


def test_without_a_compiler_the_error_says_so(monkeypatch):
    learner = learner_of(perceptron(), compile=True)

    def refuse(*_: Any) -> Any:
        raise torch._inductor.exc.InvalidCxxCompiler

    import torch._inductor.exc

    monkeypatch.setattr(torch._inductor, "compile", refuse)
    with stops("compile: torch could not compile the step; it needs a C++ compiler (on Linux g++)"):
        learner.meta_loss(waves())
