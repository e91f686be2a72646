"""Bodies that walk in MuJoCo, under other physics and with other aims."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar, SupportsFloat

import gymnasium
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils import RecordConstructorArgs

from tlml.errors import OptionError, check_positive, shorten
from tlml_rl.worlds import finding
from tlml_rl.worlds.environment import Env, EnvTask, title
from tlml_rl.worlds.family import Changes, World

_SCALES = ("mass", "gravity", "friction")
_OWN = (*_SCALES, "velocity")


@dataclass(frozen=True)
class BodyTask(EnvTask):
    """A body in scaled physics, which may have a speed to move at.

    Args:
        scales: What masses, gravity and friction are multiplied by.
        velocity: The speed in m/s; None: reward is what gymnasium says.
    """

    scales: Mapping[str, float] = field(default_factory=dict)
    velocity: float | None = None

    def bare(self, how: Mapping[str, Any]) -> Env:
        """Make the body, in physics of its own."""
        if "render_mode" in how:
            how = {"camera_name": "track", **how}  # else it runs out of the picture
        with no_news_of_deprecation(self.name):
            env = super().bare(how)
        if self.scales:
            scale(env.unwrapped, **self.scales)
        return env

    def observed(self, env: Env) -> Env:
        """Return the body with its aim."""
        env = super().observed(env)
        return env if self.velocity is None else AtVelocity(env, self.velocity)


class AtVelocity(gymnasium.Wrapper[Any, Any, Any, Any], RecordConstructorArgs):
    """Rewards nearness to a speed, instead of speed (Finn et al. 2017); the rest stays as it is.

    Args:
        env: Of MuJoCo, which tells ``x_velocity`` and ``reward_forward``.
        goal: In m/s.
    """

    def __init__(self, env: Env, goal: float) -> None:
        RecordConstructorArgs.__init__(self, goal=goal)
        super().__init__(env)
        self.goal = goal

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """Take a step."""
        seen, reward, terminated, truncated, info = self.env.step(action)
        aim = -abs(float(info["x_velocity"]) - self.goal)
        rest = float(reward) - float(info["reward_forward"])
        return seen, rest + aim, terminated, truncated, {**info, "reward_forward": aim}


class BodyWorld(World):
    """Tasks that are environments of MuJoCo; each may scale its physics, and aim at a speed."""

    task_type: Callable[..., EnvTask] = BodyTask
    own_names: ClassVar[Sequence[str]] = _OWN

    def _task(self, id: str | EnvSpec, changes: Changes) -> EnvTask:
        own = {name: value for name, value in changes.items() if name in _OWN}
        scales = {name: value for name, value in own.items() if name in _SCALES}
        _check_numbers(own)
        check_positive(**scales)
        made = super()._task(id, {n: v for n, v in changes.items() if n not in own})
        return BodyTask(
            title(made.name, own), made.id, made.arguments, made.attributes, scales,
            own.get("velocity"),
        )  # fmt: skip


@contextmanager
def no_news_of_deprecation(what: str) -> Iterator[None]:
    """Keep quiet what MuJoCo would drop of gymnasium's models, which it tells of each one made.

    Warns of anything else that MuJoCo warns of inside the block.

    Args:
        what: Is made.

    Raises:
        TlmlError: MuJoCo is missing.
    """
    finding.need("mujoco", what)
    import mujoco

    def tell(message: str) -> None:
        if "deprecated" not in message:
            warnings.warn(f"MuJoCo: {message}", RuntimeWarning, stacklevel=2)

    before = mujoco.get_mju_user_warning()
    mujoco.set_mju_user_warning(tell)
    try:
        yield
    finally:
        mujoco.set_mju_user_warning(before)


def scale(env: Any, mass: float = 1.0, gravity: float = 1.0, friction: float = 1.0) -> None:
    """Multiply the physics of an environment of MuJoCo, in place.

    Args:
        env: Unwrapped, with its ``model`` and its ``data``.
        mass: Of masses, and of inertia with them.
        gravity: Of gravity.
        friction: Of the friction that bodies slide with.
    """
    import mujoco

    model = env.model
    model.body_mass[:] *= mass
    model.body_inertia[:] *= mass
    model.opt.gravity[:] *= gravity
    model.geom_friction[:, 0] *= friction
    mujoco.mj_setConst(model, env.data)  # what MuJoCo has computed from masses


def _check_numbers(given: Mapping[str, Any]) -> None:
    for name, value in given.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not math.isfinite(value):
            raise OptionError(f"{name}: must be a number, is {shorten(value)}")
