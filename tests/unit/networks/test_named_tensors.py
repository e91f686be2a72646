"""Tensors that a module owns by dotted names."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.func import functional_call

from tlml.networks.named_tensors import NamedBuffers, NamedParameters


def named() -> NamedParameters:
    return NamedParameters({"a.weight": torch.ones(2), "b": torch.zeros(1)})


def test_parameters_are_found_by_names_with_dots() -> None:
    made = named()
    assert len(made) == 2 and "a.weight" in made and "a/weight" not in made
    assert torch.equal(made["a.weight"], torch.ones(2))
    assert [name for name, _ in made.named_parameters()] == ["a/weight", "b"]


def test_parameters_are_copies_that_learn() -> None:
    value = torch.ones(2, requires_grad=True)
    made = NamedParameters({"x": value})
    made["x"].sum().backward()
    assert value.grad is None
    assert torch.equal(made["x"].grad, torch.ones(2))  # type: ignore[arg-type]


def test_a_functional_call_replaces_them() -> None:
    class Reader(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rates = named()

        def forward(self) -> torch.Tensor:
            return torch.stack([value.sum() for value in self.rates.as_dict().values()])

    other = {"rates.a/weight": torch.full((2,), 3.0)}
    assert functional_call(Reader(), other, ()).tolist() == [6.0, 0.0]


def test_what_is_kept_comes_back_from_a_state_dict_whatever_its_size() -> None:
    kept, again = NamedBuffers(), NamedBuffers()
    assert not kept
    kept["source.x"] = torch.arange(3.0, requires_grad=True)
    assert kept and not kept["source.x"].requires_grad
    again["old"] = torch.zeros(1)
    again.load_state_dict(kept.state_dict())
    assert list(again) == ["source.x"] and len(again) == 1
    assert torch.equal(again["source.x"], torch.arange(3.0))


def test_what_is_kept_moves_with_its_module_and_is_no_parameter() -> None:
    holder = nn.Module()
    holder.kept = NamedBuffers()
    holder.kept["x"] = torch.zeros(2)
    holder.double()
    assert holder.kept["x"].dtype == torch.float64
    assert list(holder.parameters()) == []
    assert list(holder.state_dict()) == ["kept.x"]


def test_what_is_kept_can_be_dropped() -> None:
    kept = NamedBuffers()
    kept["x"] = torch.zeros(1)
    del kept["x"]
    with pytest.raises(KeyError):
        kept["x"]
