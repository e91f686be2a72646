"""How the gradients of a glance of La-MAML are computed.

1. `contract`: what is asked for, the algorithm's options, and what comes out.
2. `plain`: by autograd through all inner steps, as the paper writes it; the others' reference.
3. `adjoint`: no graph through steps and replay, but products with Hessians of single examples.
4. `closed`: perceptrons on a CPU, by hand: `layers` says of which networks that is true, `example`
   steps down single examples, `outer` takes the meta-losses, `back` goes back; `pairs` and `losses`
   are what they need.
5. `chain`: networks of convolutions on a CPU: `adjoint`, but single examples by hand.
6. `compiled`: `adjoint`, traced once into one program.

`choice` takes one of them by the network and where it is.
"""

from tlml_continual.lamaml_paths.choice import PATHS, choose_path
from tlml_continual.lamaml_paths.contract import Glance, Path, Recipe, Rows, Slopes

__all__ = ["PATHS", "Glance", "Path", "Recipe", "Rows", "Slopes", "choose_path"]
