"""Tasks, domains, episodes, and keyed draws of them."""

from tlml.data.checks import check_counts, check_data, check_finite
from tlml.data.counts import Counts
from tlml.data.domains import ClassPool, ClassTask, Domain, Metric
from tlml.data.episode_files import EpisodeFile, read_episodes
from tlml.data.episodes import draw_episode, draw_task
from tlml.data.fingerprints import fingerprint_files
from tlml.data.raw_units import tell_raw_units
from tlml.data.rollouts import Rollout, Transitions
from tlml.data.sampling import KeyedSampler, keyed_rng
from tlml.data.spaces import describe_space, outputs
from tlml.data.stored import JoinedExamples
from tlml.data.tasks import (
    MDP,
    SPLITS,
    Batch,
    Episode,
    Episodes,
    Examples,
    Finite,
    Pair,
    Params,
    Part,
    Samples,
    Split,
    Step,
    StoredExamples,
    Task,
    examples,
    tasks_of,
)
from tlml.data.trials import Trials, whole_episodes

__all__ = [
    "MDP",
    "SPLITS",
    "Batch",
    "ClassPool",
    "ClassTask",
    "Counts",
    "Domain",
    "Episode",
    "EpisodeFile",
    "Episodes",
    "Examples",
    "Finite",
    "JoinedExamples",
    "KeyedSampler",
    "Metric",
    "Pair",
    "Params",
    "Part",
    "Rollout",
    "Samples",
    "Split",
    "Step",
    "StoredExamples",
    "Task",
    "Transitions",
    "Trials",
    "check_counts",
    "check_data",
    "check_finite",
    "describe_space",
    "draw_episode",
    "draw_task",
    "examples",
    "fingerprint_files",
    "keyed_rng",
    "outputs",
    "read_episodes",
    "tasks_of",
    "tell_raw_units",
    "whole_episodes",
]
