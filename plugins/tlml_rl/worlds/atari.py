"""Video games of the Atari 2600, seen in pixels (Bellemare et al. 2013)."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, SupportsFloat

import gymnasium
from gymnasium.envs.registration import EnvSpec
from gymnasium.utils import RecordConstructorArgs, seeding
from gymnasium.wrappers import AtariPreprocessing, ClipReward, FrameStackObservation

from tlml import TlmlError
from tlml.errors import OptionError, check_positive, did_you_mean
from tlml_rl.worlds import finding
from tlml_rl.worlds.environment import Env, EnvTask
from tlml_rl.worlds.family import Changes, World

_FIRE = 1  # the number of the action, in games that have it
_LOADED = 0  # the seed that a game without chance is loaded with
_VERSION = "-v5"
_STICKY = "repeat_action_probability"
_NAMES = {"sticky": _STICKY, "full_actions": "full_action_space"}


@dataclass(frozen=True)
class AtariTask(EnvTask):
    """A game in one mode and difficulty.

    Args:
        frames: That an observation holds.
        repeat: Frames for which an action is held.
        size: The side of an image.
        fire: Whether the button is pressed where a game, or a life, begins.
        clip_rewards: Whether signs of rewards are learned from.
        lives_end: Whether a lost life ends an episode that is learned from.
        learning: Whether it is learned from, or agents are judged in it.
    """

    frames: int = 4
    repeat: int = 4
    size: int = 84
    fire: bool = True
    clip_rewards: bool = True
    lives_end: bool = True
    learning: bool = False

    def make_for_training(self, seed: int) -> Env:
        """Make an environment of its own to learn in."""
        return dataclasses.replace(self, learning=True).make(seed)

    def bare(self, how: Mapping[str, Any]) -> Env:
        """Make the game.

        Raises:
            TlmlError: It has no such mode or difficulty.
        """
        import ale_py

        ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)  # else it tells its version
        own = {"frameskip": 1, "obs_type": "grayscale"}
        if _STICKY not in self.arguments:
            own[_STICKY] = 0.0
        try:
            return super().bare({**own, **how})
        except RuntimeError as error:
            ale = gymnasium.make(self.id).unwrapped.ale  # type: ignore[attr-defined]
            modes, difficulties = ale.getAvailableModes(), ale.getAvailableDifficulties()
            raise TlmlError(
                f"{self.name}: {error}; it has the modes {_listed(modes)} and the difficulties "
                f"{_listed(difficulties)}"
            ) from error

    def observed(self, env: Env) -> Env:
        """Return the game as it is seen."""
        if not self.arguments.get(_STICKY):
            env = QuickReset(env)
        env = AtariPreprocessing(
            env, frame_skip=self.repeat, screen_size=self.size,
            terminal_on_life_loss=self.learning and self.lives_end,
        )  # fmt: skip
        if self.fire and "FIRE" in env.unwrapped.get_action_meanings()[_FIRE : _FIRE + 1]:  # type: ignore[attr-defined]
            env = Fire(env)
        if self.learning and self.clip_rewards:
            env = ClipReward(env, -1.0, 1.0)
        return FrameStackObservation(env, self.frames)


class QuickReset(gymnasium.Wrapper[Any, Any, Any, Any], RecordConstructorArgs):
    """Seeds a game without chance by the number of its first steps alone, in which nothing is done.

    To take a seed the emulator loads the game, for ninety milliseconds; without that, some games
    remember the last one. Here each begins from the state in which the first one did.
    """

    _begun: Any = None

    def __init__(self, env: Env) -> None:
        RecordConstructorArgs.__init__(self)
        super().__init__(env)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Reset the game; what is seen is right after the next step."""
        game: Any = self.env.unwrapped
        if self._begun is None:
            seen = self.env.reset(seed=_LOADED, options=options)
            self._begun = game.clone_state(include_rng=True)
        else:
            seen = self.env.reset(options=options)
            game.restore_state(self._begun)
        if seed is not None:
            game.np_random, _ = seeding.np_random(seed)
        return seen


class Fire(gymnasium.Wrapper[Any, Any, Any, Any], RecordConstructorArgs):
    """Presses the button where a game begins, and where one goes on after a life was lost."""

    def __init__(self, env: Env) -> None:
        RecordConstructorArgs.__init__(self)
        super().__init__(env)

    def reset(self, **how: Any) -> tuple[Any, dict[str, Any]]:
        """Reset the game, and press."""
        self.env.reset(**how)
        pressed, _, terminated, truncated, after = self.env.step(_FIRE)
        if terminated or truncated:
            return self.env.reset()
        self._lives = after.get("lives", 0)
        return pressed, after

    def step(self, action: Any) -> tuple[Any, SupportsFloat, bool, bool, dict[str, Any]]:
        """Take a step, and press after one that cost a life."""
        seen, reward, terminated, truncated, info = self.env.step(action)
        lost, self._lives = info["lives"] < self._lives, info["lives"]
        if not lost or terminated or truncated:
            return seen, reward, terminated, truncated, info
        seen, more, terminated, truncated, info = self.env.step(_FIRE)
        return seen, float(reward) + float(more), terminated, truncated, info


class Atari(World):
    """A video game of the Atari 2600, seen in pixels; ``Pong`` unless told otherwise.

    An observation holds the latest frames, grey and made smaller, ``[frames, size, size]`` bytes
    (Mnih et al. 2015). An episode begins after up to thirty steps in which nothing is done. Options
    are of all tasks; a task may change `game`, `mode` and `difficulty`, and what else ALE takes.
    Agents learn from the signs of rewards, and until a life is lost; they are judged by whole games
    and what these count. Needs ale-py: ``pip install tlml[rl]``.

    Args:
        game: Such as ``Pong``, ``Breakout`` or ``SpaceInvaders``: an id of ALE without ``ALE/`` and
            its version.
        mode: The game's mode, a number that differs from game to game; its first where None.
        difficulty: Likewise.
        sticky: The probability that an action is passed over for the one before it; 0.25 is what
            Machado et al. 2018 advise.
        full_actions: Whether actions are all 18 of the joystick, the same in all games, instead of
            those that matter in the game.
        frames: That an observation holds.
        repeat: Frames for which an action is held.
        size: The side of an image.
        fire: Whether the button is pressed where a game, or a life, begins, in games that have it.
        clip_rewards: Whether signs of rewards are learned from, instead of rewards.
        lives_end: Whether a lost life ends an episode that is learned from, and the next one begins
            a new game.
        source: What each source task changes; one task that changes nothing where None.
        target: What each target task changes, such as ``[{"difficulty": 1}]``; one that changes
            nothing where None.
        validation: What each validation task changes; as `source` where None.

    Raises:
        TlmlError: There is no such game, mode or difficulty, an option is out of range, games
            differ in their actions, or ale-py is missing.
    """

    own_names = ("game", *_NAMES)

    def __init__(
        self,
        game: str = "Pong",
        mode: int | None = None,
        difficulty: int | None = None,
        sticky: float = 0.0,
        full_actions: bool = False,
        frames: int = 4,
        repeat: int = 4,
        size: int = 84,
        fire: bool = True,
        clip_rewards: bool = True,
        lives_end: bool = True,
        source: Sequence[Mapping[str, Any]] | None = None,
        target: Sequence[Mapping[str, Any]] | None = None,
        validation: Sequence[Mapping[str, Any]] | None = None,
    ) -> None:
        check_positive(frames=frames, repeat=repeat, size=size)
        finding.need("cv2", "atari")
        self.task_type = functools.partial(
            AtariTask, frames=frames, repeat=repeat, size=size, fire=fire,
            clip_rewards=clip_rewards, lives_end=lives_end,
        )  # fmt: skip
        self._set(
            "ALE", source, target, validation, game=game, mode=mode, difficulty=difficulty,
            sticky=sticky or None, full_actions=full_actions or None,
        )  # fmt: skip

    def translate(self, changes: Changes) -> Changes:
        """Return the changes by the names of ALE."""
        sticky = changes.get("sticky", 0.0)
        if not 0 <= sticky < 1:
            raise OptionError(f"sticky: must be at least 0 and below 1, is {sticky}")
        return {_NAMES.get(name, name): value for name, value in changes.items()}

    def _task(self, id: str | EnvSpec, changes: Changes) -> EnvTask:
        game = changes["game"]
        finding.need("ale_py", f"{id}/{game}{_VERSION}")
        games = [one.split("/")[1] for one in gymnasium.registry if one.startswith(f"{id}/")]
        known = [one.removesuffix(_VERSION) for one in games]
        if game not in known:
            raise OptionError(f"game: ALE has no '{game}'{did_you_mean(game, known)}")
        rest = {name: value for name, value in changes.items() if name != "game"}
        return super()._task(f"{id}/{game}{_VERSION}", rest)


def _listed(numbers: Sequence[int]) -> str:
    return ", ".join(map(str, numbers))
