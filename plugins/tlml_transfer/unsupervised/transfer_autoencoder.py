"""An autoencoder trained on the source, then on few target samples without going far from it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn

from tlml import TlmlError
from tlml.errors import DivergedError, check_positive
from tlml.networks import seeded_draws
from tlml_transfer.rows import Rows, Values, as_array, as_given
from tlml_transfer.unsupervised.base import UnsupervisedStrategy

MOST_COMPONENTS = 20  # where their number is left open
Weights = dict[str, Tensor]


class Autoencoder(nn.Module):
    """Layers down to a code and back, with hyperbolic tangents between those of a side."""

    def __init__(self, sizes: Sequence[int]) -> None:
        super().__init__()
        self.encoder, self.decoder = _layers(sizes), _layers(sizes[::-1])

    def forward(self, x: Tensor) -> Tensor:
        """Reconstruct ``[n, d]``."""
        rebuilt: Tensor = self.decoder(self.encoder(x))
        return rebuilt


class TransferAutoencoder(UnsupervisedStrategy):
    """An autoencoder whose weights θ are drawn to those that the source gave, θ_S.

    It is trained on the source; from there, on n target samples, it descends

        1/n Σ_i ‖x_i − x̂_i‖² + ν/n ‖θ − θ_S‖²

    (L2-SP: Li, Grandvalet & Davoine 2018, arXiv 1802.01483), by Adam on the CPU. Inputs are taken
    as they are: scale them before.

    Args:
        components: Size of the code; None: that of the inputs, at most 20.
        hidden: Sizes of the layers between input and code; without any, the autoencoder is linear
            and finds the subspace of principal components.
        prior: ν, the pull towards the source's weights. Infinity keeps them; 0 leaves the source
            out and begins at fresh weights. None: chosen without labels, by reconstructions of
            target samples that were held out; that takes twelve trainings more.
        iterations: Steps of each training.
        batch_size: Samples in a step.
        lr: Learning rate.
        seed: The key of fresh weights, of batches and of the folds that are held out.

    Attributes:
        weights_: The weights by name, in float64.
        prior_: ν, as given or chosen.

    Raises:
        TlmlError: An option is out of range.
    """

    title: ClassVar[str] = "transfer_autoencoder"
    priors: ClassVar[Sequence[float]] = (0, 3, 10, 30, math.inf)
    folds: ClassVar[int] = 3  # each is four trainings

    def __init__(
        self,
        components: int | None = None,
        hidden: Sequence[int] = (64,),
        prior: float | Literal["inf"] | None = None,
        iterations: int = 500,
        batch_size: int = 64,
        lr: float = 0.003,
        seed: int = 0,
    ) -> None:
        super().__init__(prior, seed)
        check_positive(components=components, iterations=iterations, batch_size=batch_size, lr=lr)
        for size in hidden:
            check_positive(hidden=size)
        self.components, self.hidden = components, hidden
        self.iterations, self.batch_size, self.lr = iterations, batch_size, lr

    def prepare(self, source: Values) -> Weights:
        """Return the weights that the source gives.

        Raises:
            TlmlError: The code is larger than the inputs, or the training diverges.
        """
        return self._trained(self._network(source.shape[1]), source)

    def combine(self, x: Values, source: Weights | None, prior: float) -> Weights:
        """Return the weights that the target gives, from the source's or from fresh ones.

        Raises:
            TlmlError: As of `prepare`.
        """
        network = self._network(x.shape[1])
        if source is None or prior == 0:
            return self._trained(network, x)
        if not math.isfinite(prior):
            return source
        network.load_state_dict(source)
        return self._trained(network, x, prior / len(x), source)

    def rebuild(self, model: Weights, x: Values) -> Values:
        """Return inputs ``[n, d]`` through encoder and decoder."""
        return _through(self._load(model, x.shape[1]), x)

    def publish(self, model: Weights, x: Values) -> None:
        """Set the weights."""
        self.weights_ = model

    def transform(self, target_x: Rows) -> Rows:
        """Return the codes ``[n, components]`` of inputs ``[n, d]``."""
        x = self.rows(target_x)
        return as_given(_through(self._load(self.model(), x.shape[1]).encoder, x), target_x)

    def inverse_transform(self, z: Rows) -> Rows:
        """Return what the decoder makes ``[n, d]`` of codes ``[n, components]``.

        Raises:
            TlmlError: They have another size.
        """
        network, codes = self._load(self.model(), self.n_features_in_), as_array(z)
        size = self._sizes(self.n_features_in_)[-1]
        if codes.shape[1:] != (size,):
            raise TlmlError(
                f"transfer_autoencoder: codes must be [n, {size}], are {list(codes.shape)}"
            )
        return as_given(_through(network.decoder, codes), z)

    def _sizes(self, dimensions: int) -> tuple[int, ...]:
        size = min(dimensions, MOST_COMPONENTS) if self.components is None else self.components
        if size > dimensions:
            raise TlmlError(
                f"components: {size} is more than the {dimensions} dimensions of the inputs"
            )
        return (dimensions, *self.hidden, size)

    def _network(self, dimensions: int) -> Autoencoder:
        sizes = self._sizes(dimensions)
        with seeded_draws(self.seed), torch.inference_mode(False):
            return Autoencoder(sizes).double()

    def _load(self, weights: Weights, dimensions: int) -> Autoencoder:
        network = self._network(dimensions)
        network.load_state_dict(weights)
        return network

    def _trained(
        self, network: Autoencoder, x: Values, pull: float = 0.0, towards: Weights | None = None
    ) -> Weights:
        """Train a network; `pull` is what the squared distance to the weights `towards` costs."""
        rng = np.random.default_rng(self.seed)
        weights = dict(network.named_parameters())
        optimizer = torch.optim.Adam(weights.values(), self.lr, fused=True)
        with torch.inference_mode(False), torch.enable_grad():
            for _ in range(self.iterations):
                batch = torch.from_numpy(x[self._pick(len(x), rng)])
                loss = (network(batch) - batch).square().sum(1).mean()
                for name, value in (towards or {}).items():
                    loss = loss + pull * (weights[name] - value).square().sum()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            if not math.isfinite(float(loss.detach())):
                raise DivergedError(
                    f"lr: training transfer_autoencoder diverged at a rate of {self.lr}; lower it, "
                    "or scale the inputs"
                )
            return {name: value.detach() for name, value in weights.items()}

    def _pick(self, total: int, rng: np.random.Generator) -> Any:
        if total <= self.batch_size:
            return slice(None)
        return rng.choice(total, self.batch_size, replace=False)


def _layers(sizes: Sequence[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), nn.Tanh()]
    return nn.Sequential(*layers[:-1])


def _through(network: nn.Module, x: Values) -> Values:
    with torch.no_grad():
        found: Tensor = network(torch.from_numpy(np.ascontiguousarray(x)))
    return found.numpy()
