"""MAML for agents (Finn, Abbeel & Levine 2017, arXiv 1703.03400, sections 3.2.2 and 5.3)."""

from __future__ import annotations

from typing import Any

from torch import nn

from tlml import Strategy
from tlml.data import Params
from tlml_rl.base.outer_loop import Chunk, OuterLoop


class MamlRl(OuterLoop):
    """Learn an initialisation θ from which a policy gradient step on few episodes gains much.

    Algorithm 3, for a batch of tasks: play K episodes with θ (line 5), adapt θ to each task by
    the policy gradient of these (lines 6 and 7), play episodes with the adapted parameters θ′ (line
    8), and step θ towards what makes these better (line 10). As in the paper, the gradient goes
    through the inner update on the episodes that were played, taken as given: that θ also chose
    them is left out. The outer step is PPO-clip (Schulman et al. 2017), some epochs on what the
    adapted policies did, where the paper has TRPO; in the first epoch the ratio of
    probabilities is 1 and the gradient that of the paper's surrogate.

    The defaults are those of the paper's walks in the plane, `navigation2d`, with PPO's outer
    steps. A batch has `tasks_per_batch` tasks of the view and `envs` episodes of each.

    Args:
        network: ``auto`` (a perceptron), a registered network, or a module, over whose features a
            head of its own is put.
        strategy: The inner loop; it must be differentiable.
        first_order: Ignore second derivatives (section 5.2, FOMAML).
        **options: Those of `OuterLoop`; `lr` is the meta step size β.

    Raises:
        TlmlError: An option is out of range, or the network does not fit.
    """

    def __init__(
        self,
        network: str | nn.Module = "auto",
        # Written out, for suites read it without importing; nobody changes it.
        strategy: Strategy | str | dict[str, Any] = {  # noqa: B006
            "name": "sgd",
            "options": {"lr": 0.1, "steps": 1},
        },
        *,
        first_order: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(network, strategy, **options)
        self.first_order = first_order

    def carried(self, chunk: Chunk) -> Params:
        """Return θ′ of each task (line 7)."""
        return chunk.problem.adapt(chunk.problem.start(), chunk.trials)
