"""The classes of the registered learners as attributes, imported when they are asked for."""

from tlml.names import attributes

__getattr__, __dir__ = attributes("learner")
