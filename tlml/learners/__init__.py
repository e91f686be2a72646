"""Learners: what trains on source tasks and is tested on target tasks."""

from tlml.learners.acting import Acting
from tlml.learners.adapter import TargetAdapter
from tlml.learners.agents import OffPolicy, OnPolicy
from tlml.learners.checkpoints import load
from tlml.learners.env_steps_bar import EnvStepsBar
from tlml.learners.estimator import MODELS, Estimator, fit_predict, make_model
from tlml.learners.gradient_learner import GradientLearner
from tlml.learners.learner import Learner, as_strategy
from tlml.learners.network_learner import NetworkLearner
from tlml.learners.retention import Retention
from tlml.learners.videos import RecordVideos

__all__ = [
    "MODELS",
    "Acting",
    "EnvStepsBar",
    "Estimator",
    "GradientLearner",
    "Learner",
    "NetworkLearner",
    "OffPolicy",
    "OnPolicy",
    "RecordVideos",
    "Retention",
    "TargetAdapter",
    "as_strategy",
    "fit_predict",
    "load",
    "make_model",
]
