"""From a batch of tasks to the gradient that an outer step goes down.

The trip of MAML's meta-gradient, file by file:

1. ``plugins/tlml_maml/maml.py``: `training_step` asks for the meta-loss of a batch of tasks.
2. `tlml.learners.gradient_learner`: `meta_loss` hands the learner and the batch to this room.
3. `tlml.meta.outer_gradient`: `mean_over_tasks` sums loss and gradient over chunks of tasks.
4. `tlml.meta.paths`: `path_for` chooses how they run: `loop`, `vmapped` or `stacked`.
5. `tlml.meta.problem`: `InnerProblem` adapts to the support by the strategy and takes the query's
   loss; `task_slopes` differentiates it. What a path changes in that, the path's own file says.

`compiled` traces step 5 once into one program. `contract` says what all of this asks of a learner.
"""

from tlml.meta.compiled import compile_function
from tlml.meta.loop import LoopPath
from tlml.meta.outer_gradient import first_divergence, mean_over_tasks, one_task
from tlml.meta.path import Path
from tlml.meta.problem import InnerProblem

__all__ = [
    "InnerProblem",
    "LoopPath",
    "Path",
    "compile_function",
    "first_divergence",
    "mean_over_tasks",
    "one_task",
]
