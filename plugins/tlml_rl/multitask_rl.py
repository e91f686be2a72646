"""One policy for all tasks, by the rollouts of all: what a learned initialisation has to beat."""

from __future__ import annotations

from typing import Any

from torch import nn

from tlml import Strategy
from tlml.data import Params
from tlml_rl.base.outer_loop import Chunk, OuterLoop


class MultitaskRl(OuterLoop):
    """Train the policy of `maml_rl` on all tasks at once, and adapt it only in a test.

    The pretrained network that Finn et al. 2017 fine-tune in section 5.3: same network, same
    baseline and same outer steps (PPO-clip), but on episodes that are played with θ itself.

    Args:
        network: As of `maml_rl`.
        strategy: What adapts to a task in a test.
        max_env_steps: Steps in environments after which a fit ends.
        epochs: Steps on each batch.
        clip: ε of PPO's equation 7.
        **options: Those of `OuterLoop`.

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
        max_env_steps: int = 2_000_000,
        epochs: int = 5,
        clip: float = 0.2,
        **options: Any,
    ) -> None:
        super().__init__(
            network, strategy, max_env_steps=max_env_steps, epochs=epochs, clip=clip, **options
        )

    def carried(self, chunk: Chunk) -> Params:
        """Return θ, for each task the same."""
        return chunk.problem.start()
