"""Names in the options of checkpoints, wherever they stand."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import tlml
from tlml import TlmlError
from tlml.learners.saved_names import check_names

TRAP = "antigravity.X"


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"network": TRAP}, "network"),
        ({"strategy": TRAP}, "strategy"),
        ({"strategy": {"name": TRAP}}, "class"),
        ({"strategy": {"name": "sgd", "options": {"strategy": {"name": TRAP}}}}, "class"),
        ({"parts": [1, {"class_path": TRAP}]}, "class"),
        ({"network": {"class_path": TRAP}}, "class"),
    ],
)
def test_a_class_is_found_wherever_it_is_named(options: dict[str, Any], what: str) -> None:
    with pytest.raises(TlmlError, match=f"^{what} antigravity.X is in a module that is not"):
        check_names(options)
    check_names(options, given=list(options))


def test_other_text_passes() -> None:
    check_names({"network": "mlp", "path": "data.csv", "lr": 0.1, "strategy": None})
    check_names({"network": "given:antigravity.X", "strategy": {"name": "sgd", "options": {}}})


def test_what_lightning_loads_is_looked_at_first(tmp_path: Any) -> None:
    learner = type(tlml.learner("supervised"))
    path = tmp_path / "named.ckpt"
    torch.save({"hyper_parameters": {"strategy": TRAP}, "state_dict": {}}, path)
    with pytest.raises(TlmlError, match=r"^strategy antigravity.X is in a module"):
        learner.load_from_checkpoint(path)
