"""Does a strategy have the methods that its spec gives, and do they return what they must?"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import torch
from gymnasium.spaces import Box, Discrete
from torch import Tensor

from tlml.data.tasks import Batch, Episode
from tlml.networks.heads import head_inputs
from tlml.spec import VOCABULARY
from tlml.strategies.context import Context
from tlml.strategies.loss_terms import features_with
from tlml.strategies.strategy import Strategy, overrides
from tlml.strategies.weights import weigh_source
from tlml.testing.failure import CheckFailed, doing, require
from tlml.testing.problem import NetworkOf, tiny_episode, tiny_learner, tiny_triples
from tlml.testing.randomness import without_global_draws
from tlml.testing.subject import Subject

METHODS: Mapping[str, str] = MappingProxyType(
    {
        "aligns": "terms",
        "estimates": "estimate",
        "maps": "fit_transform",
        "relates": "relate",
        "weighs": "weigh_samples",
    }
)


_SEEN = (
    "source", "target", "features_source", "features_target", "logits_source", "logits_target",
    "labels_source",
)  # fmt: skip


def check_claims(subject: Subject, network: NetworkOf, classes: bool) -> None:
    """Check the methods of a strategy against its spec, and what they return.

    Args:
        subject: The strategy.
        network: Makes the network that it is attached to.
        classes: Whether it needs targets that are classes.

    Raises:
        CheckFailed: A method is missing, not declared, or returns what it must not.
    """
    _check_methods(subject, subject.make())
    _check_unlabelled(subject, subject.make())
    if subject.gives("weighs"):
        _check_weights(subject, network, classes)
    if overrides(subject.make(), "terms"):
        _check_terms(subject, network, classes)
    if subject.gives("maps"):
        _check_maps(subject)
    if subject.gives("estimates"):
        for episode in _episodes(subject, classes):
            _check_estimate(subject, episode)


def _check_methods(subject: Subject, strategy: Strategy) -> None:
    if subject.spec is None:
        return
    for word in sorted(METHODS.keys() & VOCABULARY["strategy"]):
        method, written = METHODS[word], overrides(strategy, METHODS[word])
        require(
            written or not subject.gives(word),
            f"{subject.label}: spec gives '{word}' but {method}() is not there; write {method}() "
            f"or drop '{word}' from gives",
        )
        if word == "aligns" and written and strategy.terms_in == "adaptation":
            require(
                not subject.gives(word),
                f"{subject.label}: its terms() act in adaptation alone, so that they align nothing "
                "in training; drop 'aligns' from gives",
            )
            continue
        require(
            subject.gives(word) or not written,
            f"{subject.label}: it has {method}() but its spec does not give '{word}', so nothing "
            f"would call it; add '{word}' to gives",
        )


def _check_unlabelled(subject: Subject, strategy: Strategy) -> None:
    require(
        subject.spec is None or subject.gives("unlabelled") or not strategy.unlabelled,
        f"{subject.label}: it adapts to inputs without labels but its spec does not give "
        "'unlabelled'; add 'unlabelled' to gives",
    )


def _check_weights(subject: Subject, network: NetworkOf, classes: bool) -> None:
    strategy = tiny_learner(subject.make(), network).strategy
    episode = tiny_episode(classes)
    source = Batch(*(part.flatten(0, 1) for part in episode.support))
    whose = f"{subject.label}: weigh_samples()"
    with doing(whose), without_global_draws(whose):
        weights = weigh_source(strategy, source, episode.query.x[0])
        require(weights is not None, f"{whose} gives None; return a tensor [n_source]")


def _check_terms(subject: Subject, network: NetworkOf, classes: bool) -> None:
    learner = tiny_learner(subject.make(), network)
    learner.start()
    whose = f"{subject.label}: terms()"
    context = _context(learner.built(), classes)
    with doing(whose), without_global_draws(whose):
        before = _tensors(context)
        terms: Any = learner.strategy.terms(context)
    _check_unchanged(whose, before, context)
    if not isinstance(terms, Mapping) or not terms:
        raise CheckFailed(f"{whose} gives {_short(terms)}; return a dict of losses by name")
    for name, value in terms.items():
        if not isinstance(value, Tensor) or value.ndim or not bool(torch.isfinite(value)):
            raise CheckFailed(
                f"{whose} gives as '{name}' {_short(value)}; return a finite scalar tensor"
            )
    require(
        any(value.requires_grad for value in terms.values()),
        f"{whose} gives losses without gradient, so that they align nothing; detach less",
    )
    if learner.strategy.terms_in == "fit":
        # The last batches of an epoch, and an unlabelled target, have sizes of their own.
        mend = "the sides of a batch may have different sizes; take means over each"
        with doing(f"{whose} with 18 source and 13 target examples", mend):
            learner.strategy.terms(_context(learner.built(), classes, 13))


def _tensors(context: Context) -> dict[str, Tensor]:
    both = {name: getattr(context, name) for name in _SEEN}
    return {name: value.detach().clone() for name, value in both.items()}


def _check_unchanged(whose: str, before: Mapping[str, Tensor], context: Context) -> None:
    for name, value in before.items():
        require(
            torch.equal(value, getattr(context, name)),
            f"{whose} changes context.{name} in place, which the learner's own loss is of; make a "
            "new tensor",
        )


def _check_maps(subject: Subject) -> None:
    strategy = subject.make().claim(None)
    episode = tiny_episode()
    sides = [part.x.flatten(0, 1).double() for part in episode]
    whose = f"{subject.label}: fit_transform()"
    with doing(whose), without_global_draws(whose):
        found = strategy.fit_transform(*sides)
        more = strategy.transform(sides[1])
    for mapped, side in zip((*found, more), (*sides, sides[1]), strict=True):
        require(
            mapped.ndim == 2 and len(mapped) == len(side) and mapped.shape[1] == more.shape[1],
            f"{whose} and transform() give {[list(part.shape) for part in (*found, more)]} for "
            f"{[list(part.shape) for part in sides]}; map each row, to one dimension",
        )
        require(bool(torch.isfinite(mapped).all()), f"{whose} gives NaN or infinity")


def _context(network: torch.nn.Module, classes: bool, targets: int | None = None) -> Context:
    episode = tiny_episode(classes)
    sides = [part.x.flatten(0, 1) for part in episode]
    sides[1] = sides[1][:targets]
    with head_inputs(network) as features:
        logits = [network(x) for x in sides]
    return Context(
        sides[0], sides[1], features[0], features[1], logits[0], logits[1], 0.5, network,
        episode.support.y.flatten(0, 1),
        dict(network.named_parameters()),
        lambda tensors: features_with(network, tensors, sides[1], "stored"),
    )  # fmt: skip


def _short(value: object) -> str:
    return " ".join(repr(value).split())[:60]


def _episodes(subject: Subject, classes: bool) -> list[Episode]:
    """Return episodes of the kinds of targets that a strategy is for."""
    if subject.spec and "reconstruction" in subject.spec.needs:
        support, query = tiny_episode()
        return [Episode(Batch(support.x, support.x), Batch(query.x, query.x))]
    if subject.spec and "triples" in subject.spec.needs:
        return [tiny_triples()]
    return [tiny_episode(True)] if classes else [tiny_episode(), tiny_episode(True)]


def _check_estimate(subject: Subject, episode: Episode) -> None:
    strategy = subject.make().claim(None)
    x, y = episode.query.x[0], episode.query.y[0]
    support = Batch(episode.support.x[0], episode.support.y[0])
    whose = f"{subject.label}: estimate()"
    space: Any = Box(-math.inf, math.inf, tuple(y.shape[1:]))
    if not y.is_floating_point():
        space = Discrete(int(max(support.y.max(), y.max())) + 1)
    with doing(whose), without_global_draws(whose):
        if overrides(strategy, "learn"):
            strategy.learn(support, x)
        found = torch.as_tensor(strategy.estimate(support, x, space))
    wanted = y.shape if y.is_floating_point() else (len(y), int(space.n))
    require(
        found.shape == wanted,
        f"{whose} gives the shape {list(found.shape)} for {len(x)} inputs, must be {list(wanted)}: "
        "values [n, d], or scores [n, classes] where targets are classes",
    )
    require(bool(torch.isfinite(found).all()), f"{whose} gives NaN or infinity")
