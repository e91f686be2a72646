"""Agents: worlds to act in, and learners that learn from reward."""

from __future__ import annotations

from tlml import Spec, hookimpl


@hookimpl
def tlml_domains() -> list[Spec]:
    """Return the worlds."""
    return [_world(*row) for row in _WORLDS]


@hookimpl
def tlml_learners() -> list[Spec]:
    """Return the agents."""
    return [_agent(*row) for row in (*_POLICIES, *_TABLES)]


def _world(name: str, target: str, gives: str, summary: str, paper: str) -> Spec:
    """Declare a family of environments."""
    return Spec(
        name,
        f"tlml_rl.worlds.{target}",
        summary,
        paper=paper,
        gives=frozenset({"env", "control", *gives.split()}),
    )


def _agent(name: str, kind: str, gives: str, needs: str, summary: str, paper: str) -> Spec:
    """Declare an agent, whose module is called as it is."""
    return Spec(
        name,
        f"tlml_rl.{name}:{kind}",
        summary,
        paper=paper,
        approach="reinforcement learning",
        gives=frozenset(gives.split()),
        needs=("env", "control", *needs.split()),
    )


_DISCRETE, _BOTH = "discrete_actions", "discrete_actions continuous_actions"
_ANY = f"{_BOTH} multi_actions tabular model"  # an id may be of any kind: a learner asks its spaces
_BARTO = "Barto, Sutton & Anderson 1983, doi.org/10.1109/TSMC.1983.6313077"
_SUTTON = "Sutton & Barto 2018, Reinforcement Learning: An Introduction"
# Name, module and class, words, summary and paper.
_WORLDS: tuple[tuple[str, str, str, str, str], ...] = (
    ("env_family", "family:EnvFamily", _ANY, "any environment of gymnasium, by its id",
     "Towers et al. 2024, arXiv 2407.17032"),
    ("cartpole", "cartpole:Cartpole", _DISCRETE, "a pole on a cart, of other masses and lengths",
     _BARTO),
    ("acrobot", "acrobot:Acrobot", _DISCRETE, "two links that swing up, of other masses",
     "Sutton 1996, NeurIPS 8"),
    ("pendulum", "pendulum:Pendulum", "continuous_actions",
     "a pendulum that is swung up, of other masses and lengths", ""),
    ("mountaincar", "mountaincar:Mountaincar", _BOTH, "a car too weak for its hill",
     "Moore 1990, PhD thesis, University of Cambridge"),
    ("lunarlander", "lunarlander:Lunarlander", _BOTH, "a lander under other gravity, and in wind",
     ""),
    ("halfcheetah", "halfcheetah:Halfcheetah", "continuous_actions",
     "a cheetah that runs in a plane, of other masses, directions and speeds",
     "Wawrzyński 2009, A Cat-Like Robot Real-Time Learning to Run, ICANNGA"),
    ("hopper", "hopper:Hopper", "continuous_actions",
     "one leg that hops, of other masses and on other ground",
     "Erez, Tassa & Todorov 2011, Robotics: Science and Systems VII"),
    ("minigrid", "minigrid:Minigrid", _DISCRETE, "rooms seen from within: doors, keys, lava",
     "Chevalier-Boisvert et al. 2023, arXiv 2306.13831"),
    ("atari", "atari:Atari", _DISCRETE,
     "video games of the Atari 2600, seen in pixels", "Bellemare et al. 2013, arXiv 1207.4708"),
    ("gridworld", "gridworld:Gridworld", f"{_DISCRETE} tabular model",
     "mazes drawn as text: walls, goals, pits, slippery floors", _SUTTON),
    ("navigation2d", "navigation2d:Navigation2d", "continuous_actions",
     "walks in the plane to goals that are not seen", "Finn et al. 2017, arXiv 1703.03400"),
)  # fmt: skip

# Name, class, what it gives, what it needs beside environments, summary and paper.
_POLICIES: tuple[tuple[str, str, str, str, str, str], ...] = (
    ("ppo", "PPO", "policy", "", "steps clipped near the policy that collected",
     "Schulman et al. 2017, arXiv 1707.06347"),
    ("a2c", "A2C", "policy", "", "advantage actor-critic: a step for each short rollout",
     "Mnih et al. 2016, arXiv 1602.01783"),
    ("reinforce", "Reinforce", "policy", "", "the policy gradient of whole episodes",
     "Williams 1992, doi.org/10.1007/BF00992696"),
    ("dqn", "DQN", "policy", "discrete_actions", "deep Q-learning: values of actions, by replay",
     "Mnih et al. 2015, doi.org/10.1038/nature14236"),
    ("sac", "SAC", "policy", "continuous_actions",
     "soft actor-critic: returns and random actions, by replay",
     "Haarnoja et al. 2018, arXiv 1812.05905"),
    ("td3", "TD3", "policy", "continuous_actions",
     "one best action, judged by two critics, by replay",
     "Fujimoto et al. 2018, arXiv 1802.09477"),
    ("maml_rl", "MamlRl", "policy loss rollouts", "differentiable",
     "an initialisation from which a few episodes suffice",
     "Finn et al. 2017, arXiv 1703.03400"),
    ("multitask_rl", "MultitaskRl", "policy loss rollouts", "",
     "one policy trained on all tasks at once",
     "Finn et al. 2017, arXiv 1703.03400"),
)  # fmt: skip
_TABLE = "tabular discrete_actions"
_TABLES: tuple[tuple[str, str, str, str, str, str], ...] = (
    ("value_iteration", "ValueIteration", "", f"{_TABLE} model",
     "known transitions: sweeps of the optimality equation", _SUTTON),
    ("policy_iteration", "PolicyIteration", "", f"{_TABLE} model",
     "known transitions: evaluates a policy exactly, and improves it", _SUTTON),
    ("q_learning", "QLearning", "", _TABLE, "a table of values, towards the best next action",
     "Watkins & Dayan 1992, doi.org/10.1007/BF00992698"),
    ("sarsa", "Sarsa", "", _TABLE, "a table of values, towards the action taken next",
     "Rummery & Niranjan 1994, CUED/F-INFENG/TR 166"),
    ("monte_carlo", "MonteCarlo", "", _TABLE, "a table of values, towards the return of episodes",
     _SUTTON),
    ("dyna_q", "DynaQ", "", _TABLE, "Q-learning that also plans with a model it has learned",
     "Sutton 1990, doi.org/10.1016/B978-1-55860-141-3.50030-4"),
)  # fmt: skip
