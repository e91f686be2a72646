"""Meta-Curvature (Park & Oliva 2019, arXiv 1902.03356): learned matrices on the inner gradient."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from tlml import NamedParameters, Strategy
from tlml.data import Params
from tlml_maml.maml import Maml
from tlml_maml.sgd import Sgd, check_learns, check_shapes


class MetaCurvature(Sgd):
    """θ′ = θ − α MC(∇L(θ)), where MC multiplies a gradient by learned matrices along its sides.

    The gradient G of a layer has the sides outputs, inputs and, of a convolution, kernel:
    MC(G) = G ×₃ M_f ×₂ M_i ×₁ M_o (section 3.2). Each matrix is square and starts as the identity.
    Vectors (biases, norms) are multiplied entry by entry.

    Args:
        lr: Inner step size α.
        steps: Inner steps.
        batchnorm: Statistics that BatchNorm uses on a target task: of its ``batch`` (transductive)
            or as ``stored`` in training; as the learner does where None.
        learn_lr: Learn α too; `lr` is where it starts.
        test_steps: Inner steps of a validation or test, that is of `eval` mode; as `steps` where
            None.

    Raises:
        TlmlError: An option is out of range.
    """

    def __init__(
        self,
        lr: float = 0.01,
        steps: int = 5,
        batchnorm: Literal["batch", "stored"] | None = None,
        *,
        learn_lr: bool = False,
        test_steps: int | None = None,
    ) -> None:
        super().__init__(lr, steps, batchnorm, learn_lr=learn_lr, test_steps=test_steps)
        check_learns(self)

    def attach(self, network: nn.Module) -> None:
        """Make the matrices, identities at first."""
        named = {name: p.detach() for name, p in network.named_parameters()}
        self._shapes = {name: p.shape for name, p in named.items()}
        layers = {name: p for name, p in named.items() if p.dim() > 1}
        self.outputs = _identities(layers, lambda shape: shape[0])
        self.inputs = _identities(layers, lambda shape: shape[1])
        self.kernels = _identities(
            {name: p for name, p in layers.items() if p.dim() > 2}, lambda shape: shape[2:].numel()
        )
        self.entries = NamedParameters(
            {name: torch.ones_like(p) for name, p in named.items() if name not in layers}
        )
        super().attach(network)

    def direction(self, name: str, slope: Tensor) -> Tensor:
        """Return MC(G) for the gradient G of one parameter."""
        if name in self.entries:
            return slope * self.entries[name]
        if name not in self.kernels:
            return self.outputs[name] @ slope @ self.inputs[name].T
        sides = slope.shape
        flat = slope.flatten(2 - len(self._shapes[name]))
        bent = self.inputs[name] @ (flat @ self.kernels[name].T)  # ×₃ M_f, then ×₂ M_i
        return torch.einsum("po,...oif->...pif", self.outputs[name], bent).reshape(sides)

    def check(self, params: Params) -> None:
        """Raise where a parameter has not the shape that its matrices are for."""
        check_shapes(self, self._shapes, params)


def _identities(
    layers: Mapping[str, Tensor], length: Callable[[torch.Size], int]
) -> NamedParameters:
    """Return an identity for each layer, of the length of one of its sides."""
    return NamedParameters({name: p.new_ones(length(p.shape)).diag() for name, p in layers.items()})


class MetaCurvatureLearner(Maml):
    """MAML that learns the curvature of the inner loop with the initialisation.

    Args:
        network: ``auto`` (by the inputs), a registered network, a class path, or a module.
        strategy: The inner loop, a `meta_curvature`.
        **options: Those of `Maml`.

    Raises:
        TlmlError: An option is out of range, or the network does not fit the view.
    """

    inner_loop: ClassVar[type[Strategy]] = MetaCurvature

    def __init__(
        self,
        network: str | nn.Module = "auto",
        strategy: Strategy | str | dict[str, Any] = "meta_curvature",
        **options: Any,
    ) -> None:
        super().__init__(network, strategy, **options)
