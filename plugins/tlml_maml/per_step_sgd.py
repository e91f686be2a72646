"""Learned rates per layer and step, and BatchNorm per step: the inner loop of MAML++.

Antoniou, Edwards & Storkey 2019, arXiv 1810.09502; details as in the authors' code,
https://github.com/AntreasAntoniou/HowToTrainYourMAMLPytorch.
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from tlml import NamedParameters
from tlml.data import Params
from tlml.errors import check_choice
from tlml_maml.sgd import Sgd, check_learns

Norms = Literal["per_step", "adapted", "shared"]
NORMS: tuple[Norms, ...] = ("per_step", "adapted", "shared")


class PerStepSgd(Sgd):
    """θ_k+1 = θ_k − α_k,l ∇L(θ_k) with a learned rate for each parameter tensor l in each step k.

    Steps beyond `steps` (see `test_steps`) go on with the last step's rates and BatchNorm.

    Args:
        lr: Where every rate starts; the paper takes 0.1 on Omniglot and 0.01 on Mini-ImageNet.
        steps: Inner steps, each with rates of its own.
        batchnorm: Statistics that BatchNorm uses on a target task: of its ``batch`` (transductive)
            or as ``stored`` in training; as the learner does where None.
        learn_lr: Learn the rates (LSLR); all stay `lr` otherwise.
        norms: Weight and bias of each BatchNorm: learned for each step and not adapted
            (``per_step``, BNWB), learned once and not adapted (``shared``), or ``adapted`` as
            all other parameters are.
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
        learn_lr: bool = True,
        norms: Norms = "per_step",
        test_steps: int | None = None,
    ) -> None:
        super().__init__(lr, steps, batchnorm, learn_lr=learn_lr, test_steps=test_steps)
        check_choice("norms", norms, NORMS)
        check_learns(self)
        self.norms, self._trained = norms, steps
        self._held: tuple[str, ...] = ()

    def attach(self, network: nn.Module) -> None:
        """Make rates for the steps, and weights and biases for the later ones."""
        fixed = _norm_parameters(network) if self.norms != "adapted" else {}
        self._held = tuple(fixed)
        # The network's own are those of the first step, so that each is learned once.
        more = self._trained - 1 if self.norms == "per_step" else 0
        later = fixed.items() if more else ()
        self._later = NamedParameters({name: p.expand(more, *p.shape) for name, p in later})
        super().attach(network)

    def make_rates(self, network: nn.Module) -> None:
        """Make a rate for each parameter that moves, in each step."""
        named = dict(network.named_parameters())
        moving = {name: named[name].detach() for name in self.names(tuple(named))}
        self._rates = NamedParameters(
            {name: p.new_full((self._trained,), self.lr) for name, p in moving.items()}
        )

    @property
    def rates(self) -> dict[str, Tensor]:
        """The learned rates ``[steps]`` by parameter name, as they are now."""
        return self._rates.as_dict() if self.learn_lr else {}

    def names(self, known: tuple[str, ...]) -> tuple[str, ...]:
        """Return the parameters that move: not those of BatchNorm, unless they are `adapted`."""
        return tuple(name for name in known if name not in self._held)

    def rate(self, name: str, step: int) -> float | Tensor:
        """Return the rate of one parameter in a step."""
        return self._rates[name][self._within(step)] if self.learn_lr else self.lr

    def enter(self, step: int, params: Params, first: Params) -> Params:
        """Give each BatchNorm the weight and bias of this step."""
        later = self._within(step) - 1
        if later < 0:
            return params
        norms = self._later.as_dict()
        # [C] becomes [T, C] where tasks are stacked; what is frozen is not among the first.
        moved = {n: p[later].expand_as(first[n]) for n, p in norms.items() if n in first}
        return {**params, **moved}

    def _within(self, step: int) -> int:
        return min(step, self._trained - 1)


def _norm_parameters(network: nn.Module) -> dict[str, Tensor]:
    """Return weights and biases of each BatchNorm, by full name."""
    modules = [item for item in network.named_modules() if isinstance(item[1], _BatchNorm)]
    return {
        f"{prefix}.{name}" if prefix else name: parameter
        for prefix, module in modules
        for name, parameter in module.named_parameters(recurse=False)
    }
