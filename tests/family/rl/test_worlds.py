"""Environments by their id, and physics by name."""

from __future__ import annotations

import pickle
import sys

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box, Dict, Discrete, Sequence
from refusals import fails, stops

import tlml
from tlml.data import SPLITS
from tlml_rl.worlds.family import EnvFamily


def played(env, steps=30, seed=3):
    """Return what is seen and earned by the same actions."""
    rng, found = np.random.default_rng(0), [env.reset(seed=seed)[0]]
    for _ in range(steps):
        action = env.action_space.n if isinstance(env.action_space, Discrete) else None
        chosen = int(rng.integers(action)) if action else rng.uniform(-1, 1, env.action_space.shape)
        seen, reward, ended, cut, _ = env.step(chosen)
        found += [seen, reward]
        if ended or cut:
            break
    env.close()
    return np.concatenate([np.ravel(one) for one in found])


def first(domain, split="source", number=0):
    return domain.tasks(split)[number].make(0)


@pytest.mark.parametrize(
    ("name", "options", "id", "keywords"),
    [
        ("env_family", {"id": "Pendulum-v1"}, "Pendulum-v1", {}),
        ("cartpole", {}, "CartPole-v1", {}),
        ("acrobot", {}, "Acrobot-v1", {}),
        ("pendulum", {}, "Pendulum-v1", {}),
        ("mountaincar", {}, "MountainCar-v0", {}),
        ("mountaincar", {"continuous": True}, "MountainCarContinuous-v0", {}),
        ("lunarlander", {}, "LunarLander-v3", {}),
        ("lunarlander", {"continuous": True}, "LunarLander-v3", {"continuous": True}),
    ],
)
def test_sources_are_gymnasiums_own_by_default(name, options, id, keywords):
    domain = tlml.domain(name, **options)
    for split in ("source", "validation"):
        assert len(domain.tasks(split)) == 1
        theirs = played(gymnasium.make(id, **keywords))
        assert np.array_equal(played(first(domain, split)), theirs)


@pytest.mark.parametrize(
    "name", "cartpole acrobot pendulum mountaincar lunarlander gridworld".split()
)
def test_targets_are_other_worlds_by_default(name):
    domain = tlml.domain(name)
    source = played(first(domain))
    names = [task.name for task in domain.tasks("target")]
    assert len(set(names)) == len(names)
    if name != "gridworld":  # whose maps are told apart below
        for number in range(len(names)):
            assert not np.array_equal(played(first(domain, "target", number)), source)


def test_what_a_constructor_takes_goes_there_and_else_an_attribute_is_set():
    domain = EnvFamily(
        "MountainCar-v0",
        source=[{"goal_velocity": 0.01, "force": 0.002, "max_episode_steps": 7}],
    )
    task = domain.tasks("source")[0]
    assert task.arguments == {"goal_velocity": 0.01, "max_episode_steps": 7}
    assert task.attributes == {"force": 0.002}
    assert task.name == "MountainCar-v0 goal_velocity=0.01 force=0.002 max_episode_steps=7"
    env = task.make(0)
    own = env.unwrapped
    assert (own.goal_velocity, own.force, env.spec.max_episode_steps) == (0.01, 0.002, 7)
    assert len(played(env)) == 2 + 7 * 3


def test_keywords_are_found_through_constructors_that_pass_them_on(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where MuJoCo writes its log
    made = EnvFamily("HalfCheetah-v5", source=[{"frame_skip": 2, "reset_noise_scale": 0.0}])
    assert made.tasks("source")[0].attributes == {}


def test_environments_share_nothing():
    domain = EnvFamily("CartPole-v1", source=[{}], target=[{"gravity": 1.0}])
    plain, changed = first(domain), first(domain, "target")
    assert (plain.unwrapped.gravity, changed.unwrapped.gravity) == (9.8, 1.0)
    changed.unwrapped.gravity = 5.0
    assert first(domain, "target").unwrapped.gravity == 1.0
    assert gymnasium.make("CartPole-v1").unwrapped.gravity == 9.8


@pytest.mark.parametrize("kind", [EnvFamily, None])
def test_constants_of_the_pole_follow(kind):
    changes = {"length": 1.0, "masspole": 0.4, "masscart": 2.0}
    made = kind("CartPole-v1", target=[changes]) if kind else tlml.domain("cartpole", **changes)
    env = first(made, "target" if kind else "source").unwrapped
    assert (env.total_mass, env.polemass_length) == (2.4, 0.4)
    given = EnvFamily("CartPole-v1", source=[{**changes, "total_mass": 9.0}])
    assert first(given).unwrapped.total_mass == 9.0


def test_options_are_of_all_tasks_and_tasks_change_them():
    domain = tlml.domain("cartpole", gravity=5.0, target=[{}, {"gravity": 3.0}])
    found = {s: [t.make(0).unwrapped.gravity for t in domain.tasks(s)] for s in SPLITS}
    assert found == {"source": [5.0], "validation": [5.0], "target": [5.0, 3.0]}
    assert [task.name for task in domain.tasks("target")] == [
        "CartPole-v1 gravity=5.0", "CartPole-v1 gravity=3.0"]  # fmt: skip


def test_validation_tasks_are_those_of_the_source_unless_given():
    domain = EnvFamily("CartPole-v1", source=[{"gravity": 5.0}], validation=[{"gravity": 6.0}])
    assert [domain.tasks(split)[0].name for split in SPLITS] == [
        "CartPole-v1 gravity=5.0", "CartPole-v1 gravity=6.0", "CartPole-v1"]  # fmt: skip


def test_a_pendulum_of_another_kind():
    made = first(tlml.domain("pendulum", mass=2.0, source=[{"length": 0.5, "max_speed": 6}]))
    env = made.unwrapped
    assert (env.m, env.l, env.g, env.max_speed) == (2.0, 0.5, 10.0, 6)


def test_links_of_the_acrobot():
    made = first(tlml.domain("acrobot", mass_1=2.0, length_2=3.0, source=[{"mass_2": 4.0}]))
    env = made.unwrapped
    assert (env.LINK_MASS_1, env.LINK_MASS_2, env.LINK_LENGTH_2) == (2.0, 4.0, 3.0)
    assert (env.LINK_COM_POS_1, env.LINK_COM_POS_2) == (0.5, 1.5)
    assert type(env).LINK_MASS_1 == 1.0


def test_forces_and_goals_of_the_car():
    for continuous, name in ((False, "force"), (True, "power")):
        domain = tlml.domain("mountaincar", continuous=continuous, force=0.003, goal=0.3)
        env = first(domain).unwrapped
        assert (getattr(env, name), env.goal_position) == (0.003, 0.3)


def test_wind_and_gravity_of_the_lander():
    domain = tlml.domain("lunarlander", target=[{"wind": 5.0}, {"wind": 0.0, "gravity": -4.0}])
    windy, still = (first(domain, "target", number).unwrapped for number in (0, 1))
    assert (windy.enable_wind, windy.wind_power, windy.gravity) == (True, 5.0, -10.0)
    assert (still.enable_wind, still.gravity) == (False, -4.0)


def test_rooms_are_seen_as_numbers_from_0_to_1():
    flat, image = tlml.domain("minigrid"), tlml.domain("minigrid", observation="image")
    assert (flat.x.shape, image.x.shape) == ((147,), (3, 7, 7))
    seen, shown = first(flat).reset(seed=4)[0], first(image).reset(seed=4)[0]
    assert flat.x.contains(seen) and image.x.contains(shown)
    assert np.array_equal(seen, shown.ravel())
    theirs = gymnasium.make("MiniGrid-DoorKey-5x5-v0").reset(seed=4)[0]["image"]
    scaled = shown * np.array([10, 5, 2])[:, None, None]
    assert np.allclose(scaled, theirs.transpose(2, 0, 1))


class Parts(gymnasium.Env):
    """Observations of two parts."""

    def __init__(self, second=None, size=2):
        self.observation_space = Dict({"a": Box(0, 1, (size,)), "b": second or Discrete(3)})
        self.action_space = Discrete(2)
        self.shown = 1

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return {"a": np.zeros(2, np.float32), "b": 2}, {}


@pytest.fixture
def own_ids(monkeypatch):
    """Let a script register what it has, for one test."""
    monkeypatch.setattr(gymnasium.envs.registration, "registry", dict(gymnasium.registry))
    monkeypatch.setattr(gymnasium, "registry", gymnasium.envs.registration.registry)
    gymnasium.register("Parts-v0", entry_point=Parts)
    gymnasium.register("Lists-v0", entry_point=lambda: Parts(Sequence(Discrete(3))))


def test_ids_of_a_script_work_and_parts_are_made_flat(own_ids):
    domain = EnvFamily("Parts-v0", target=[{"shown": 3}])
    assert domain.x.shape == (5,)
    assert first(domain).reset(seed=0)[0].tolist() == [0, 0, 0, 0, 1]
    assert first(domain, "target").unwrapped.shown == 3
    assert pickle.loads(pickle.dumps(domain)).tasks("target")[0].name == "Parts-v0 shown=3"


def test_lists_are_refused_and_say_what_to_do(own_ids):
    with fails(
        "Lists-v0: its observation 'b' is Sequence, which can't be made flat; register the "
        "environment with a wrapper that gives a Box (the domain minigrid does so for MiniGrid)"
    ):
        EnvFamily("Lists-v0")


def test_tasks_of_one_domain_share_their_spaces(own_ids):
    with stops("Parts-v0 size=4: its observations are Box(0.0, 1.0, (7,), float64), and those of"):
        EnvFamily("Parts-v0", target=[{"size": 4}])


NEITHER = "it has neither a keyword nor an attribute"


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("env_family", {"id": "CartPol-v1"},
         "id: no environment is called 'CartPol-v1'; did you mean CartPole-v1?"),
        ("env_family", {"id": "LunarLander-v2"},
         "id: no environment is called 'LunarLander-v2'; did you mean LunarLander-v3?"),
        ("env_family", {"id": "nowhere:CartPole-v1"},
         "id: no environment is called 'nowhere:CartPole-v1'; did you mean CartPole-v1?"),
        ("env_family", {"id": ""}, "id: must be a gymnasium id, such as CartPole-v1; is "),
        ("env_family", {"id": "CartPole-v1", "target": [{"gravty": 1.0}]},
         f"CartPole-v1: {NEITHER} 'gravty'; did you mean gravity?"),
        ("env_family", {"id": "CartPole-v1", "target": [{"_np_random": 1.0}]},
         f"CartPole-v1: {NEITHER} '_np_random'"),
        ("env_family", {"id": "CartPole-v1", "source": [{"gravity": "much"}]},
         "CartPole-v1: gravity must be a number, such as 9.8; is much"),
        ("env_family", {"id": "CartPole-v1", "source": [{"gravity": float("nan")}]},
         "CartPole-v1: gravity must be a number, such as 9.8; is nan"),
        ("env_family", {"id": "CartPole-v1", "source": [{"kinematics_integrator": 3}]},
         "CartPole-v1: kinematics_integrator must be text, such as euler; is 3"),
        ("env_family", {"id": "CartPole-v1", "source": []},
         'source: must be a list with the changes of each task, such as [{"gravity": 5.0}]; is []'),
        ("env_family", {"id": "CartPole-v1", "target": ["gravity"]},
         "target: the changes of a task are names with values, such as {\"gravity\": 5.0}; one is "
         "'gravity'"),
        ("env_family", {"id": "LunarLander-v3", "target": [{"gravity": 5.0}]},
         "LunarLander-v3 gravity=5.0 can't be made: AssertionError: gravity (current value: 5.0)"),
        ("env_family", {"id": "LunarLander-v3", "target": [{"continuous": True}]},
         "LunarLander-v3 continuous=True: its actions are Box(-1.0, 1.0, (2,), float32), and"),
        ("cartpole", {"length": 0.0}, "length: must be greater than 0, is 0.0"),
        ("cartpole", {"target": [{"masspole": -1.0}]}, "masspole: must be greater than 0, is -1.0"),
        ("cartpole", {"target": [{"lenght": 1.0}]},
         f"CartPole-v1: {NEITHER} 'lenght'; did you mean length?"),
        ("acrobot", {"mass_1": 0.0}, "mass_1: must be greater than 0, is 0.0"),
        ("pendulum", {"length": -1.0}, "length: must be greater than 0, is -1.0"),
        ("pendulum", {"torque": 2.5}, "torque: must be at most 2.0, is 2.5"),
        ("mountaincar", {"force": -1.0}, "force: must be greater than 0, is -1.0"),
        ("lunarlander", {"gravity": 3.0}, "gravity: must be above -12 and below 0, is 3.0"),
        ("lunarlander", {"wind": -1.0}, "wind: must be at least 0, is -1.0"),
        ("minigrid", {"world": "DorKey-5x5"},
         "id: no environment is called 'MiniGrid-DorKey-5x5-v0'; did you mean MiniGrid-DoorKey-5"),
        ("minigrid", {"observation": "text"}, "observation: 'text' is not one of flat, image"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_refused(name, options, message):
    with stops(message):
        tlml.domain(name, **options)


@pytest.mark.parametrize(
    ("options", "module", "message"),
    [
        ({"id": "MiniGrid-Empty-5x5-v0"}, "minigrid", "MiniGrid-Empty-5x5-v0 needs minigrid, which "
         "is not installed: pip install tlml[rl]"),
        ({"id": "ALE/Pong-v5"}, "ale_py", "ALE/Pong-v5 needs ale_py, which is not installed: pip "
         "install tlml[rl]"),
    ],
)  # fmt: skip
def test_a_missing_package_is_named(options, module, message, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    with fails(message):
        EnvFamily(**options)


def test_box2d_that_is_missing_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "Box2D", None)
    monkeypatch.delitem(sys.modules, "gymnasium.envs.box2d.lunar_lander", raising=False)
    monkeypatch.delitem(sys.modules, "gymnasium.envs.box2d", raising=False)
    with stops("LunarLander-v3 can't be made: ") as caught:
        tlml.domain("lunarlander")
    assert str(caught.value).endswith(": pip install tlml[rl]")


def test_unknown_splits_are_refused():
    with fails("split: 'test' is not one of source, validation, target"):
        EnvFamily("CartPole-v1").tasks("test")
