"""Conditional domain-adversarial training (Long et al. 2018, arXiv 1705.10667)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tlml import Context, Strategy, TlmlError
from tlml.errors import check_not_negative, check_positive
from tlml.networks import size_option, sizes_option
from tlml_transfer.align.adversary import Adversary, head_sizes, schedule
from tlml_transfer.align.aligning import certainty, check_features


class Cdan(Strategy):
    """Train on features that a discriminator cannot tell the side of, class by class.

    What the discriminator sees is f ⊗ g: features times the probabilities of each class. Where
    that has more than `most` entries, it sees (R_f f) ∘ (R_g g) / √d instead, with fixed random
    R_f and R_g of d = `size` rows, whose inner products are those of f ⊗ g in the mean. The
    probabilities are constants in it, as in the authors' code: the reversed gradient goes to the
    features alone, times the λ of `dann`.

    Args:
        entropy: Weigh each example by 1 + exp(−H) of its prediction, so that certain ones count
            up to twice (CDAN+E); the weights are constants.
        weight: What λ is multiplied by; 0 trains in the same loop without alignment, the control
            that tells what alignment itself does.
        gamma: γ, how soon λ rises.
        hidden: Units of each hidden layer of the discriminator.
        most: Entries of f ⊗ g from above which the randomised map is taken.
        size: Entries d of the randomised map.
        **options: Those of `tlml.Strategy`, for adapting later.

    Raises:
        TlmlError: An option is out of range.
    """

    same_labels = True
    sees = ("features", "logits")
    adversary: Adversary
    random_features: Tensor | None
    random_classes: Tensor | None

    def __init__(
        self,
        entropy: bool = True,
        weight: float = 1.0,
        gamma: float = 10.0,
        hidden: Sequence[int] = (100,),
        most: int = 4096,
        size: int = 1024,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        check_not_negative(weight=weight, most=most)
        check_positive(gamma=gamma)
        self.weight, self.gamma, self.hidden = weight, gamma, sizes_option("hidden", hidden)
        self.entropy, self.most, self.size = entropy, most, size_option("size", size)
        self.register_buffer("random_features", None)
        self.register_buffer("random_classes", None)

    def attach(self, network: nn.Module) -> None:
        """Make the discriminator for the head's inputs and outputs.

        Raises:
            TlmlError: Their sizes are unknown.
        """
        features, self.classes = head_sizes(network)
        like, inputs = next(network.parameters()), features * self.classes
        if inputs > self.most:
            inputs = self.size
            self.random_features = torch.randn(features, inputs).to(like)
            self.random_classes = torch.randn(self.classes, inputs).to(like)
        self.adversary = Adversary("cdan", inputs, self.hidden).to(like)

    def multilinear(self, features: Tensor, probabilities: Tensor) -> Tensor:
        """Map ``[n, d_f]`` and ``[n, classes]`` to what the discriminator sees ``[n, d]``."""
        if self.random_features is None or self.random_classes is None:
            return (features[:, :, None] * probabilities[:, None]).flatten(1)
        joined = (features @ self.random_features) * (probabilities @ self.random_classes)
        return joined / math.sqrt(self.size)

    def terms(self, context: Context) -> Mapping[str, Tensor]:
        """Return the discriminator's loss, whose gradient is reversed for the features.

        Raises:
            TlmlError: A side has no examples, or features or classes are of another number.
        """
        check_features("cdan", context.features_source, context.features_target, least=1)
        logs_source = self._log_probabilities(context.logits_source)
        logs_target = self._log_probabilities(context.logits_target)
        source = self.multilinear(context.features_source, logs_source.exp())
        target = self.multilinear(context.features_target, logs_target.exp())
        rate = self.weight * schedule(context.progress, self.gamma)
        weights = (certainty(logs_source), certainty(logs_target)) if self.entropy else None
        return {"cdan": self.adversary(source, target, rate, weights)}

    def _log_probabilities(self, logits: Tensor) -> Tensor:
        if logits.shape[1] != self.classes:
            raise TlmlError(
                f"cdan: its discriminator was made for {self.classes} classes, these are "
                f"{logits.shape[1]}; make a strategy anew for each head"
            )
        return F.log_softmax(logits.detach(), 1)
