"""Domain-adversarial training (Ganin et al. 2016, JMLR 17:59, arXiv 1505.07818)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from tlml import Context, Strategy
from tlml.errors import check_not_negative, check_positive
from tlml.networks import sizes_option
from tlml_transfer.align.adversary import Adversary, head_sizes, schedule
from tlml_transfer.align.aligning import check_features


class Dann(Strategy):
    """Train on features that a discriminator cannot tell the side of.

    The discriminator learns at the full rate from the first step on; the features learn to deceive
    it by its reversed gradient times λ = 2 / (1 + exp(−γp)) − 1, with p the share of training
    that is done, so that they don't follow it before it knows anything.

    Args:
        weight: What λ is multiplied by; 0 trains in the same loop without alignment, the control
            that tells what alignment itself does.
        gamma: γ, how soon λ rises.
        hidden: Units of each hidden layer of the discriminator.
        **options: Those of `tlml.Strategy`, for adapting later.

    Raises:
        TlmlError: An option is out of range.
    """

    adversary: Adversary

    def __init__(
        self,
        weight: float = 1.0,
        gamma: float = 10.0,
        hidden: Sequence[int] = (100,),
        **options: Any,
    ) -> None:
        super().__init__(**options)
        check_not_negative(weight=weight)
        check_positive(gamma=gamma)
        self.weight, self.gamma, self.hidden = weight, gamma, sizes_option("hidden", hidden)

    def attach(self, network: nn.Module) -> None:
        """Make the discriminator for what the head is given.

        Raises:
            TlmlError: The size of that is unknown.
        """
        made = Adversary("dann", head_sizes(network).features, self.hidden)
        self.adversary = made.to(next(network.parameters()))

    def terms(self, context: Context) -> Mapping[str, Tensor]:
        """Return the discriminator's loss, whose gradient is reversed for the features.

        Raises:
            TlmlError: A side has no examples, or the features are of another size.
        """
        source, target = context.features_source, context.features_target
        check_features("dann", source, target, least=1)
        rate = self.weight * schedule(context.progress, self.gamma)
        return {"dann": self.adversary(source, target, rate)}
