"""MAML for agents: its gradients on fixed rollouts, its outer step, and what a test tells of it."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from adapting_agents import maml
from policy_agents import values_of
from refusals import fails, stops
from torch import Tensor
from torch.distributions import Normal
from trainers import quiet_trainer

from tlml.testing.toys import Walks
from tlml_rl.base.experience import Experience, linear_baseline
from tlml_rl.maml_rl import MamlRl
from tlml_rl.multitask_rl import MultitaskRl
from tlml_rl.worlds.navigation2d import Navigation2d


def tasks_of(agent: Any, number: int = 2, domain: Any = None, envs: int = 3) -> list[Any]:
    """Let an agent meet a domain, in float64, and return tasks of it."""
    view = agent.view(domain or Navigation2d(max_episode_steps=6), envs=envs, seed=1)
    agent.double()
    rng = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in agent.parameters():
            parameter += 0.2 * torch.randn(parameter.shape, generator=rng, dtype=torch.float64)
    data = view.dataset("source")
    return [data[index] for index in range(number)]


def slopes(agent: Any, loss: Tensor) -> Tensor:
    found = torch.autograd.grad(loss, list(agent.parameters()))
    return torch.cat([each.reshape(-1) for each in found])


def moved(agent: Any, way: Tensor, share: float) -> Any:
    """Return a copy of an agent with other parameters."""
    other = copy.deepcopy(agent)
    torch.nn.utils.vector_to_parameters(
        torch.nn.utils.parameters_to_vector(agent.parameters()) + share * way, other.parameters()
    )
    return other


def by_differences(worth: Any, size: int, seed: int) -> tuple[Tensor, float]:
    """Return a direction, and the slope of a function along it by central differences."""
    way = torch.randn(size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return way, (worth(way, 1e-5) - worth(way, -1e-5)) / 2e-5


@pytest.mark.parametrize("steps", [1, 2])
@pytest.mark.parametrize("domain", [None, Walks()], ids=["numbers", "classes"])
def test_the_gradient_is_that_of_differences_on_fixed_rollouts(steps: int, domain: Any) -> None:
    agent = maml(steps=steps)
    chunks = agent.collected(tasks_of(agent, domain=domain))
    found = slopes(agent, agent.objective(chunks))

    def worth(way: Tensor, share: float) -> float:
        other, on = moved(agent, way, share), [each.trials for each in chunks]
        again = [each._replace(problem=other.problem(path=each.problem.path)) for each in chunks]
        assert [each.trials for each in again] == on
        return float(other.objective(again).detach())

    for seed in range(3):
        way, slope = by_differences(worth, len(found), seed)
        assert float(found @ way) == pytest.approx(slope, rel=1e-6, abs=1e-9)


def test_the_first_order_gradient_is_that_at_the_adapted_parameters() -> None:
    agent, second = maml(first_order=True), maml()
    chunks = agent.collected(tasks_of(agent))
    found = slopes(agent, agent.objective(chunks))
    (chunk,) = chunks
    chunk.trials.rewind()
    adapted = {name: value.detach() for name, value in agent.carried(chunk).items()}
    known = chunk.trials.taken[-1]

    def worth(way: Tensor, share: float) -> float:
        """All tasks' adapted parameters move alike, as they do where inner slopes are constant."""
        params, start = {}, 0
        for name, value in adapted.items():
            shift = way[start : start + value[0].numel()].view(value.shape[1:])
            params[name], start = value + share * shift, start + value[0].numel()
        ratio = (chunk.problem.log_probs(params, known) - known.log_probs).exp()
        return -float((known.weights * ratio * known.advantages).sum()) / 2

    for seed in range(3):
        way, slope = by_differences(worth, len(found), seed)
        assert float(found @ way) == pytest.approx(slope, rel=1e-6, abs=1e-9)
    other = slopes(second, second.meta_loss(tasks_of(second)))
    assert torch.equal(values_of(agent), values_of(second))
    assert not torch.allclose(found, other, rtol=1e-2)


@pytest.mark.parametrize("kind", [MamlRl, MultitaskRl])
@pytest.mark.parametrize("network", ["auto", "mlp"])
def test_stacked_tasks_give_what_each_gives_by_itself(kind: Any, network: str) -> None:
    found = []
    for how in ("stack", "loop"):
        agent = maml(kind=kind, vectorize=how, network=network)
        loss = agent.meta_loss(tasks_of(agent, 3))
        found.append((loss.detach(), slopes(agent, loss), int(agent.env_steps)))
    (loss, slope, steps), (own_loss, own_slope, own_steps) = found
    assert float(loss) == pytest.approx(float(own_loss), abs=1e-12)
    assert torch.allclose(slope, own_slope, rtol=1e-9, atol=1e-12)
    assert float(slope.abs().max()) > 1e-3
    rollouts = 2 if kind is MamlRl else 1
    assert 40 * rollouts < steps == own_steps <= 3 * 3 * 6 * rollouts  # some reach their goal


def outputs(params: dict[str, Tensor], x: Tensor) -> Tensor:
    hidden = torch.tanh(x @ params["body.1.weight"].T + params["body.1.bias"])
    return hidden @ params["head.weight"].T + params["head.bias"]


def logarithms(params: dict[str, Tensor], known: Experience, task: int) -> Tensor:
    means = outputs(params, known.inputs[task])
    return Normal(means, params["log_std"].exp()).log_prob(known.actions[task]).sum(-1)


@pytest.mark.parametrize("first_order", [False, True])
def test_the_first_outer_step_is_plain_maml_down_the_policy_gradient(first_order: bool) -> None:
    """As the paper writes it: θ′ = θ + α ∇ E[A log π], and Adam down −E′[A′ log π′]."""
    agent = maml(first_order=first_order, epochs=1, lr=0.01)
    tasks = tasks_of(agent)
    plain = {
        name: p.detach().clone().requires_grad_() for name, p in agent.network.named_parameters()
    }
    (chunk,) = agent.collected(tasks)
    inner, last = chunk.trials.taken
    losses = []
    for task in range(len(tasks)):
        gain = (inner.weights[task] * inner.advantages[task] * logarithms(plain, inner, task)).sum()
        steps = torch.autograd.grad(gain, list(plain.values()), create_graph=not first_order)
        after = {name: p + 0.3 * g for (name, p), g in zip(plain.items(), steps, strict=True)}
        logs = logarithms(after, last, task)
        losses.append(-(last.weights[task] * last.advantages[task] * logs).sum())
    torch.stack(losses).mean().backward()
    torch.optim.Adam(plain.values(), lr=0.01).step()
    view = agent.view(Navigation2d(max_episode_steps=6), envs=3, tasks_per_batch=2, tasks=2, seed=1)
    run = quiet_trainer(max_epochs=1, limit_val_batches=0)
    run.fit(agent, view)
    assert run.global_step == 1
    for name, value in agent.network.named_parameters():
        assert torch.allclose(value, plain[name], rtol=0, atol=1e-9), name


def test_advantages_are_what_came_less_a_linear_fit_to_each_task() -> None:
    agent = maml(gamma=0.9)
    (chunk,) = agent.collected(tasks_of(agent, envs=4))
    for task in range(2):
        known, rows, came = chunk.trials.taken[0], [], []
        env = chunk.trials.tasks[task].task.make(0)
        for episode in range(4):
            seen, rewards = env.reset()[0], []
            for t in range(6):
                row = known.inputs[task, episode * 6 + t].numpy()
                assert row == pytest.approx(seen, abs=1e-6)
                time = t / 100
                rows.append([*row, *row**2, time, time**2, time**3, 1])
                action = agent.performed(known.actions[task, episode * 6 + t].numpy())
                seen, reward, *_ = env.step(action)
                rewards.append(reward)
            came += [sum(0.9**k * r for k, r in enumerate(rewards[t:])) for t in range(6)]
            assert float(known.returns[task, episode]) == pytest.approx(sum(rewards), rel=1e-5)
        x, y = np.array(rows), np.array(came)
        fit = np.linalg.solve(x.T @ x + 1e-5 * np.eye(x.shape[1]), x.T @ y)
        away = y - x @ fit
        expected = (away - away.mean()) / away.std()
        assert known.advantages[task].numpy() == pytest.approx(expected, abs=1e-4)


def test_rows_after_an_episode_count_for_nothing_in_the_baseline() -> None:
    rng = np.random.default_rng(0)
    seen, came = rng.normal(size=(1, 30, 2)), rng.normal(size=(1, 30))
    times, weights = np.tile(np.arange(10.0), 3)[None], np.ones((1, 30))
    weights[0, 20:] = 0
    part = linear_baseline(seen[:, :20], times[:, :20], came[:, :20], weights[:, :20])
    came[0, 20:] = 1e6
    found = linear_baseline(seen, times, came, weights)
    assert found[:, :20] == pytest.approx(part)
    assert (found[:, 20:] == 0).all()


def test_epochs_go_on_until_probabilities_have_changed_by_the_clip() -> None:
    """Where the ratio is beyond the clip in the good direction, nothing is left to gain."""
    agent = maml(kind=MultitaskRl, clip=0.05)
    chunks = agent.collected(tasks_of(agent))
    with torch.no_grad():
        agent.network.head.bias += 5.0
    (chunk,) = chunks
    known = chunk.trials.taken[0]
    ratio = (chunk.problem.log_probs(chunk.problem.start(), known) - known.log_probs).exp()
    gain = torch.minimum(ratio * known.advantages, ratio.clamp(0.95, 1.05) * known.advantages)
    gain = gain.detach()
    assert float(agent.objective(chunks).detach()) == pytest.approx(
        -float((known.weights * gain).sum()) / 2
    )


# What is refused


def test_what_does_not_go_together_is_refused() -> None:
    with fails("vectorize: 'vmap' is not one of auto, stack, loop"):
        maml(vectorize="vmap")
    with fails("gamma: must be from 0 to 1, is 1.5"):
        maml(gamma=1.5)
    with fails("horizon: must be greater than 0, is 0"):
        maml(horizon=0)
    agent = maml()
    with fails("MamlRl: a batch is a list of Environments, as an EnvView has them; this is dict"):
        agent.meta_loss({"x": 1})
    slow = MamlRl(strategy="full", vectorize="stack")
    view = slow.view(Navigation2d(), tasks=2)
    with stops("vectorize: 'stack' does not go with strategy Full, which does not say"):
        quiet_trainer(max_epochs=1).fit(slow, view)
    with fails(
        "MamlRl learns from whole episodes of each task, and not in environments that live on; "
        "ask meta_loss(list of Environments)"
    ):
        agent.explorer(3)
