"""Views: one domain as the batches that each family of learners trains on."""

from tlml.views.base import View, ViewSpaces
from tlml.views.contract import Measurable, Measurement, Place, Played
from tlml.views.env import Environments, EnvView
from tlml.views.episode import EpisodeView
from tlml.views.export import write_episodes
from tlml.views.pair import PairView
from tlml.views.stream import StreamView

__all__ = [
    "EnvView",
    "Environments",
    "EpisodeView",
    "Measurable",
    "Measurement",
    "PairView",
    "Place",
    "Played",
    "StreamView",
    "View",
    "ViewSpaces",
    "write_episodes",
]
