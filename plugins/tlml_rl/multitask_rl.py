"""One policy for all tasks, by the rollouts of all: what a learned initialisation has to beat."""

from __future__ import annotations

from tlml.data import Params
from tlml_rl.base.outer_loop import Chunk, OuterLoop


class MultitaskRl(OuterLoop):
    """Train the policy of `maml_rl` on all tasks at once, and adapt it only in a test.

    The pretrained network that Finn et al. 2017 fine-tune in section 5.3: same network, same
    baseline and same outer steps (PPO-clip), but on episodes that are played with θ itself.

    Args:
        **options: Those of `OuterLoop`; `strategy` is what adapts to a task in a test.

    Raises:
        TlmlError: An option is out of range, or the network does not fit.
    """

    def carried(self, chunk: Chunk) -> Params:
        """Return θ, for each task the same."""
        return chunk.problem.start()
