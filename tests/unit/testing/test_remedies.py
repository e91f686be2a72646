"""What is known to mend the errors that authors meet."""

from __future__ import annotations

import pytest
import torch

from tlml.testing.remedies import remedy


def errors() -> list[tuple[Exception, str]]:
    leaf = torch.zeros(2, requires_grad=True)
    found: list[tuple[Exception, str]] = []
    for act, mend in (
        (lambda: leaf.sub_(1), "don't change params"),
        (lambda: leaf.detach().sum().backward(), "take gradients by tlml.gradient"),
        (lambda: torch.func.vmap(lambda x: x.sum().item())(torch.zeros(2, 2)), "batched = True"),
        (lambda: "text".keys(), "yield a dict"),  # type: ignore[attr-defined]
    ):
        with pytest.raises(Exception) as caught:  # torch's own errors
            act()
        found.append((caught.value, mend))
    return found


def test_errors_of_beginners_are_mended() -> None:
    for error, mend in errors():
        assert remedy(error).startswith(mend)
    assert remedy(ValueError("something else")) == ""
