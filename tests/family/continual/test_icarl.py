"""iCaRL against its algorithms, written out in loops."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from refusals import fails
from tiny import Letters, Tables
from torch import Tensor, nn

import tlml
from tlml.data import Batch, Step
from tlml_continual.memories.exemplars import herd

DOMAIN = Letters({"source": [12] * 6, "validation": [4] * 2, "target": [4] * 2})


class Net(nn.Module):
    """A network whose features are easily had by themselves."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(2, 5), nn.Tanh())
        self.head = nn.Linear(5, 6)

    def forward(self, x: Tensor) -> Tensor:
        """Return scores ``[n, 6]``."""
        scores: Tensor = self.head(self.body(x))
        return scores


def learner(**options: Any) -> Any:
    made = tlml.learner("icarl", network=Net(), **{"memory_size": 13, "replay": 3, **options})
    view = made.view(DOMAIN, ways=2)
    made.current_view = lambda: view
    return made.double()


def phi(made: Any, x: Tensor) -> Tensor:
    with torch.no_grad():
        features = made.network.body(x.double())
    return torch.stack([f / math.sqrt(sum(float(v) ** 2 for v in f)) for f in features])


def herded(features: Tensor, most: int) -> list[int]:
    """Algorithm 4: try every example that is left, each time."""
    mean = sum(features) / len(features)
    chosen: list[int] = []
    while len(chosen) < min(most, len(features)):
        best, least = -1, math.inf
        for row in range(len(features)):
            if row in chosen:
                continue
            total = sum(features[other] for other in [*chosen, row])
            gap = float((mean - total / (len(chosen) + 1)).norm())
            if gap < least:
                best, least = row, gap
        chosen.append(best)
    return chosen


@pytest.mark.parametrize("most", [1, 7, 20, 40])
def test_herding_is_the_greedy_choice(most: int) -> None:
    rng = torch.Generator().manual_seed(most)
    features = torch.randn(20, 3, generator=rng, dtype=torch.float64)
    assert herd(features, most).tolist() == herded(features, most)


def test_each_class_keeps_its_part_of_the_memory_and_the_first_of_its_order() -> None:
    made = learner()
    chosen: dict[int, Tensor] = {}
    for task, most in enumerate((13 // 2, 13 // 4, 13 // 6)):
        made.consolidate(task)
        data = made.current_view().learned_from(task)
        for label in data.y.unique().tolist():
            x = data.x[data.y == label].double()
            chosen[label] = x[herded(phi(made, x), most)]
        assert len(made.buffer) == most * 2 * (task + 1)
        for label, expected in chosen.items():
            places = made.buffer.places_of(label)
            torch.testing.assert_close(made.buffer.x[places], expected[:most])
            assert made.buffer.task[places].tolist() == [label // 2] * most


def test_the_class_of_the_nearest_mean_of_exemplars_is_predicted() -> None:
    made = learner()
    with torch.no_grad():
        assert made.predict_now(torch.zeros(3, 2)).argmax(1).tolist() == [0, 0, 0]  # none is known
    made.consolidate(0)
    made.consolidate(1)
    x = torch.randn(50, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    means = {}
    for label in range(4):
        own = phi(made, made.buffer.x[made.buffer.places_of(label)])
        mean = sum(own) / len(own)
        means[label] = mean / mean.norm()
    expected = [
        min(means, key=lambda label: float((means[label] - feature).norm()))
        for feature in phi(made, x)
    ]
    assert len(set(expected)) > 1
    scores = made.predict_now(x)
    assert scores.argmax(1).tolist() == expected
    assert bool((scores[:, 4:] < scores[:, :4].amin(1, keepdim=True)).all())


def test_the_loss_is_entropies_of_labels_and_of_what_the_old_network_gave() -> None:
    made = learner()
    data = made.current_view().learned_from(1)
    own = Step(Batch(data.x[:5].double(), data.y[:5]), torch.ones(5, dtype=torch.int64))
    for known in (False, True):
        if known:
            made.consolidate(0)
            with torch.no_grad():
                before = made.network(torch.cat([own.batch.x, made.buffer.x])).sigmoid()
                for parameter in made.network.parameters():
                    parameter.mul_(1.3)
        torch.manual_seed(4)
        found = made.glance_loss(own)
        torch.manual_seed(4)
        rows = torch.randint(len(made.buffer), (3,)).tolist() if known else []
        x = torch.cat([own.batch.x, made.buffer.x[rows]])
        y = [*own.batch.y.tolist(), *made.buffer.y[rows].tolist()]
        with torch.no_grad():
            g = made.network(x).sigmoid()
        total = 0.0
        for i, label in enumerate(y):
            for c in range(6):
                q = float(c == label)
                if known and c < 2:
                    q = float(before[i if i < 5 else 5 + rows[i - 5], c])
                total -= q * math.log(g[i, c]) + (1 - q) * math.log(1 - g[i, c])
        assert found.item() == pytest.approx(total / len(y), rel=1e-12)


def test_where_all_tasks_have_the_same_classes_nothing_is_distilled() -> None:
    made = tlml.learner("icarl", network="mlp", memory_size=6, replay=2)
    view = made.view(Tables(classes=3))
    made.current_view = lambda: view
    made.consolidate(0)
    assert made.old_classes(torch.tensor([1])).tolist() == [False] * 3
    assert made.buffer.task.tolist() == [0] * 6
    made.consolidate(1)
    assert sorted(made.buffer.y.tolist()) == [0, 0, 1, 1, 2, 2]
    assert set(made.buffer.task.tolist()) <= {0, 1}


def test_what_cannot_be_is_refused() -> None:
    with fails("memory_size: 5 exemplars are less than one for each of 6 classes; raise it"):
        learner(memory_size=5)
    with fails(
        "icarl: it keeps something of each class, and the targets are values "
        "(Box(-inf, inf, (1,), float32)); take er, or a domain with classes"
    ):
        tlml.learner("icarl", network="mlp").view(Tables())
    with fails("Icarl: there is no memory yet; call learner.view(...)"):
        tlml.learner("icarl", network="mlp").kept_examples()
