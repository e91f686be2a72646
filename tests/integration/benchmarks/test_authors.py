"""The code of La-MAML's authors on our streams: same first weights, same batches, same R."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import pytorch_lightning as pl

import tlml
from benchmarks.authors import main, retained

# In the place of their checkout: a network of their form, which steps as `naive` does.
CODE = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, inputs, outputs, tasks, args):
        super().__init__()
        sizes = [inputs] + [args.n_hiddens] * args.n_layers
        layers = [part for a, b in zip(sizes, sizes[1:]) for part in (nn.Linear(a, b), nn.ReLU())]
        self.net, self.looks = nn.Sequential(*layers, nn.Linear(sizes[-1], outputs)), args.glances

    def observe(self, x, y, t):
        for _ in range(self.looks):
            loss = nn.functional.cross_entropy(self.net(x), y)
            loss.backward()
            for p in self.net.parameters():
                p.data = p.data - 0.1 * p.grad
                p.grad = None
        return loss.item()
"""


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "lamaml.py").write_text(CODE)
    monkeypatch.setattr(sys, "path", [*sys.path])
    for name in ("model", "model.lamaml"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return str(tmp_path)


def test_they_learn_what_ours_would_from_the_same_weights(checkout: str) -> None:
    domain = tlml.domain("permuted_digits", tasks=2)
    network, stream = {"hidden": [12], "init": "he"}, {"tasks": 2, "samples": 60}
    found = retained(checkout, 3, domain, network, **stream)
    ours = tlml.learner("naive", network="mlp", network_options=network, seed=3, lr=0.1, glances=5)
    trainer = pl.Trainer(
        max_epochs=2, num_sanity_val_steps=-1, accelerator="cpu", logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(ours, ours.view(domain, **stream, seed=3))
    right = tlml.Retention.of(trainer)
    assert found.before == right.before
    assert found.rows == right.rows
    assert found.rows[0] != found.before


def test_a_folder_without_their_code_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"holds no model/lamaml\.py; give the folder of a"):
        main([str(tmp_path), "--seeds", "1"])
