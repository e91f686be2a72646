"""Strategies: how what was learned is carried to one target task."""

from tlml.strategies.context import Context
from tlml.strategies.gradients import FirstOrder, Loss, SecondOrder, gradient, kept_of
from tlml.strategies.optimiser import make_optimizer
from tlml.strategies.phases import Group, Phase
from tlml.strategies.strategy import Strategy, has_terms, overrides
from tlml.strategies.weights import effective_sample_size, weigh_source, weights_of

__all__ = [
    "Context",
    "FirstOrder",
    "Group",
    "Loss",
    "Phase",
    "SecondOrder",
    "Strategy",
    "effective_sample_size",
    "gradient",
    "has_terms",
    "kept_of",
    "make_optimizer",
    "overrides",
    "weigh_source",
    "weights_of",
]
