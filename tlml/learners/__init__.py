"""Learners: what trains on source tasks and is tested on target tasks."""

from tlml.learners.checkpoints import load
from tlml.learners.estimator import MODELS, Estimator, fit_predict, make_model
from tlml.learners.evaluation import Place
from tlml.learners.gradient_learner import GradientLearner
from tlml.learners.learner import Learner, as_strategy
from tlml.learners.retention import Retention

__all__ = [
    "MODELS",
    "Estimator",
    "GradientLearner",
    "Learner",
    "Place",
    "Retention",
    "as_strategy",
    "fit_predict",
    "load",
    "make_model",
]
