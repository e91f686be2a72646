"""Light commands, in this process and in others."""

from __future__ import annotations

from distributions import HEAD

SEA = f"""{HEAD}
@hookimpl
def tlml_domains():
    return [Spec("waves", "sea_waves:Waves", "water that moves", paper="Newton 1687",
                 gives={{"pair", "episodes", "regression"}})]

@hookimpl
def tlml_learners():
    return [Spec("climber", "sea_waves:Climber", "goes up", approach="meta-learning",
                 gives={{"loss"}}, needs=("episodes", "differentiable"))]

@hookimpl
def tlml_strategies():
    return [Spec("step", "sea_waves:Step", "one step", approach="model-transfer",
                 gives={{"differentiable"}}, needs=("loss",)),
            Spec("jump", "sea_waves:Jump", "no step", approach="model-transfer", needs=("loss",)),
            Spec("climber", "sea_waves:Step", "also up", needs=("loss",))]
"""


WAVES = """
class Waves:
    '''Waves.

    Args:
        height: How high they are, which may take a sentence that is longer than one line of a
            terminal has room for.
    '''

    def __init__(self, height: float, period: int = 12): ...

class Climber:
    pass

class Step(Climber):
    def __init__(self, **more): ...
"""
