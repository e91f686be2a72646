"""Joint distribution optimal transport in a network: DeepJDOT (Damodaran et al. 2018)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from tlml import Context, Strategy, TlmlError
from tlml.errors import DivergedError, check_not_negative
from tlml_transfer.align.aligning import check_features, squared_distances
from tlml_transfer.transport import exact_plan


class Jdot(Strategy):
    """Train target inputs to look and to be labelled like the source examples nearest to them.

    Each batch is transported exactly, at the least cost C_ij = α‖f_i − f_j‖² + L(y_i, g(f_j)) of a
    source example i and a target input j (arXiv 1803.10081, section 3.2); features and classifier
    then go down the cost of that plan, which is a constant. L is cross-entropy where targets are
    classes, and the squared error where they are values. Every target input of a batch has to go
    somewhere, to another class where its own has run out: take batches that are large beside the
    number of classes. The defaults are those of the authors' code for digits,
    https://github.com/bbdamodaran/deepJDOT/blob/master/deepjdot_svhn_mnist.py; choose them for each
    domain, large ones may do harm.

    Args:
        alpha: α over λ of the paper: what distances of features count beside the loss of labels.
        weight: λ of the paper, what the cost is multiplied by; 0 trains in the same loop without
            alignment, the control that tells what alignment itself does.
        **options: Those of `tlml.Strategy`, for adapting later.

    Raises:
        TlmlError: An option is out of range.
    """

    same_labels = True
    sees = ("features", "logits", "labels")

    def __init__(self, alpha: float = 10.0, weight: float = 1e-4, **options: Any) -> None:
        super().__init__(**options)
        check_not_negative(alpha=alpha, weight=weight)
        self.alpha, self.weight = alpha, weight

    def cost(self, context: Context) -> Tensor:
        """Return the cost ``[n, m]`` of each source example and each target input.

        Raises:
            TlmlError: A side has no examples, the labels are missing, or the network has no output
                for one of them.
        """
        check_features("jdot", context.features_source, context.features_target, least=1)
        squares = squared_distances(context.features_source, context.features_target)
        return self.alpha * squares + _label_losses(context.labels_source, context.logits_target)

    def terms(self, context: Context) -> Mapping[str, Tensor]:
        """Return the weighted cost of the best plan.

        Raises:
            TlmlError: As of `cost`, or costs are not finite.
        """
        cost = self.cost(context)
        known = cost.detach().double().cpu().numpy()
        if not np.isfinite(known).all():
            raise DivergedError("jdot: features or predictions are NaN or infinite; lower the lr")
        plan = torch.from_numpy(exact_plan(known, most=known.size)).to(cost)
        return {"jdot": self.weight * (plan * cost).sum()}


def _label_losses(labels: Tensor, outputs: Tensor) -> Tensor:
    """Return the loss ``[n, m]`` of each source label, of each target output."""
    if not len(labels):
        raise TlmlError("jdot: the context holds no labels_source; the learner must hand them over")
    if labels.is_floating_point():
        values = labels.to(outputs).reshape(len(labels), -1)
        return squared_distances(values, outputs.reshape(len(outputs), -1)) / values.shape[1]
    classes = outputs.shape[1]
    if int(labels.max()) >= classes:
        raise TlmlError(
            f"jdot: the source has a class {int(labels.max())}, and the network {classes} outputs; "
            "source and target must have the same classes"
        )
    return -F.log_softmax(outputs, 1).T[labels.long()]
