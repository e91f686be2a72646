"""Bodies that walk in MuJoCo: their physics, and their aims."""

from __future__ import annotations

import pickle
import sys
import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from refusals import stops

import tlml
from tlml.data.env_places import EnvPlace, Running, SeededEpisodes, remembers
from tlml_rl.worlds.bodies import no_news_of_deprecation


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """Let MuJoCo write its log where it is thrown away."""
    monkeypatch.chdir(tmp_path)


def made(domain, split="target", number=0):
    return domain.tasks(split)[number].make(0)


def stepped(env, steps=20):
    """Return what is seen and earned by the same actions."""
    rng, found = np.random.default_rng(0), [env.reset(seed=3)[0]]
    for _ in range(steps):
        action = rng.uniform(-1, 1, env.action_space.shape).astype(np.float32)
        seen, reward, ended, _, _ = env.step(action)
        found += [seen, [reward]]
        if ended:
            break
    env.close()
    return np.concatenate(found)


@pytest.mark.parametrize(
    ("name", "id"), [("halfcheetah", "HalfCheetah-v5"), ("hopper", "Hopper-v5")]
)
def test_sources_are_gymnasiums_own_and_targets_are_others(name, id):
    domain = tlml.domain(name)
    with no_news_of_deprecation(id):
        own = stepped(gymnasium.make(id))
    for split in ("source", "validation"):
        assert np.array_equal(stepped(made(domain, split)), own)
    targets = [stepped(made(domain, number=number)) for number in range(2)]
    assert not any(np.array_equal(each, own) for each in targets)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of spaces without bounds, which are gymnasium's own
        check_env(made(domain).unwrapped, skip_render_check=True)
    pickle.loads(pickle.dumps(domain))


def test_physics_are_scaled_in_one_environment_alone():
    domain = tlml.domain("hopper", target=[{"mass": 2.0, "gravity": 0.5, "friction": 3.0}])
    assert domain.tasks("target")[0].name == "Hopper-v5 mass=2.0 gravity=0.5 friction=3.0"
    other, own = made(domain).unwrapped.model, made(domain, "source").unwrapped.model
    assert np.allclose(other.body_mass, 2 * own.body_mass) and own.body_mass[1] > 0
    assert np.allclose(other.body_inertia, 2 * own.body_inertia)
    assert np.allclose(other.body_subtreemass, 2 * own.body_subtreemass)  # what follows from masses
    assert other.opt.gravity.tolist() == [0, 0, -9.81 / 2]
    assert np.allclose(other.geom_friction[:, 0], 3 * own.geom_friction[:, 0])
    assert np.array_equal(other.geom_friction[:, 1:], own.geom_friction[:, 1:])


def test_options_are_of_all_tasks():
    domain = tlml.domain("halfcheetah", mass=2.0, target=[{}, {"mass": 1.0, "gravity": 2.0}])
    masses = [made(domain, number=n).unwrapped.model.body_mass.sum() for n in range(2)]
    assert masses[0] == pytest.approx(2 * masses[1])


def test_running_backwards_is_rewarded_where_asked_for():
    domain = tlml.domain("halfcheetah", target=[{"direction": "backward"}])
    rewards = []
    for env in (made(domain, "source"), made(domain)):
        env.reset(seed=3)
        *_, info = env.step(np.full(6, 0.5, np.float32))
        rewards.append(info["reward_forward"])
        assert abs(rewards[-1]) == pytest.approx(abs(info["x_velocity"]))
    assert rewards[0] == -rewards[1] != 0


@pytest.mark.parametrize("name", ["halfcheetah", "hopper"])
def test_nearness_to_a_speed_is_rewarded_beside_all_other_rewards(name):
    domain = tlml.domain(name, target=[{"velocity": 1.5}])
    env, own = made(domain), made(domain, "source")
    for each in (env, own):
        each.reset(seed=3)
    action = np.full(env.action_space.shape, 0.3, np.float32)
    _, reward, _, _, info = env.step(action)
    _, before, _, _, told = own.step(action)
    assert reward == pytest.approx(before - told["x_velocity"] - abs(told["x_velocity"] - 1.5))
    assert info["reward_forward"] == pytest.approx(-abs(told["x_velocity"] - 1.5))


@pytest.mark.parametrize("name", ["halfcheetah", "hopper"])
def test_a_body_comes_back_to_where_it_was_left(name):
    task = tlml.domain(name, target=[{"mass": 1.5, "velocity": 1.0}]).tasks("target")[0]
    place = EnvPlace(task, "target", 0, 0, seed=1)
    assert not remembers(place)
    whole = SeededEpisodes(place)
    drawn = np.random.default_rng(0).uniform(-0.1, 0.1, (30, *whole.action_space.shape))
    actions = drawn.astype(np.float32)
    for _ in range(2):
        whole.reset()
        found = [whole.step(action)[:2] for action in actions]
    again = SeededEpisodes(place, Running(1, actions[:20]))
    assert np.array_equal(again.reset()[0], found[19][0])
    for action, (seen, reward) in zip(actions[20:], found[20:], strict=True):
        back = again.step(action)
        assert np.array_equal(back[0], seen) and back[1] == reward


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("halfcheetah", {"mass": 0.0}, "mass: must be greater than 0, is 0.0"),
        ("hopper", {"target": [{"gravity": -1.0}]}, "gravity: must be greater than 0, is -1.0"),
        ("hopper", {"target": [{"friction": "ice"}]}, "friction: must be a number, is ice"),
        ("halfcheetah", {"velocity": float("nan")}, "velocity: must be a number, is nan"),
        ("halfcheetah", {"direction": "up"}, "direction: 'up' is not one of forward, backward"),
        ("halfcheetah", {"target": [{"mas": 2.0}]},
         "HalfCheetah-v5: it has neither a keyword nor an attribute 'mas'; did you mean mass?"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_refused(name, options, message):
    with stops(message):
        tlml.domain(name, **options)


def test_mujoco_that_is_missing_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "mujoco", None)
    with stops("HalfCheetah-v5") as caught:
        tlml.domain("halfcheetah")
    assert str(caught.value).endswith(": pip install tlml[rl]")


def test_mujocos_warnings_are_passed_on_but_for_those_of_gymnasiums_models():
    import mujoco

    model = mujoco.MjModel.from_xml_string("<mujoco/>")
    tell = "a warning"
    before = mujoco.get_mju_user_warning()
    with warnings.catch_warnings(record=True) as caught, no_news_of_deprecation("a body"):
        warnings.simplefilter("always")
        handler = mujoco.get_mju_user_warning()
        handler(tell)
        handler("it is deprecated")
    assert model.nbody == 1
    assert [str(each.message) for each in caught] == ["MuJoCo: a warning"]
    assert mujoco.get_mju_user_warning() is before
