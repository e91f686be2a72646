"""Rules between graphs, against loops over triples; mappings, against planted ones."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from gymnasium.spaces import Discrete
from hypothesis import given, settings
from hypothesis import strategies as st
from refusals import fails
from trainers import quiet_trainer

import tlml
from tlml import Batch, EpisodeView, TlmlError
from tlml_transfer.relational.horn_rules import confidence, lift, mine, tabulate, tell

RELATIONS = 6


def family(people: int, seed: int, noise: float = 0.0) -> list[tuple[int, int, int]]:
    """Return links of which most follow from others, told apart by how.

    1 is 0 backwards, 2 is 0 twice, 3 is within 0, 4 is symmetric, 5 is 4 after 0.
    """
    rng = np.random.default_rng(seed)
    parent = rng.random((people, people)) < 2 / people
    near = rng.random((people, people)) < 1.5 / people
    near |= near.T
    once = parent.astype(int)
    heirs = parent & (rng.random(parent.shape) < 0.5)
    tables = [parent, parent.T, once @ parent > 0, heirs, near, once @ near > 0]
    found = []
    for kind, table in enumerate(tables):
        kept = table & (rng.random(table.shape) >= noise)
        found += [(int(h), kind, int(t)) for h, t in np.argwhere(kept)]
    return found


def asked(triples) -> Batch:
    rows = torch.tensor([(h, r, 0) for h, r, _ in triples])
    return Batch(rows, torch.tensor([t for _, _, t in triples]))


def renamed(triples, entities, relations):
    return [(entities[h], relations[r], entities[t]) for h, r, t in triples]


# Rules


def test_counts_equal_loops_over_triples():
    triples = family(7, 3)
    rules = mine(tabulate(triples).linked)
    links = set(triples)
    people = sorted({end for h, _, t in triples for end in (h, t)})
    pairs = list(itertools.product(people, people))

    def step(a, x, y):
        return (x, a, y) in links if a < RELATIONS else (y, a - RELATIONS, x) in links

    for a in range(2 * RELATIONS):
        body = {(x, y) for x, y in pairs if step(a, x, y)}
        assert rules.bodies[a] == len(body)
        for r in range(RELATIONS):
            right = sum((x, r, y) in links for x, y in body)
            assert rules.hits[a, r] == (0 if a == r else right)
    for a, b in itertools.product(range(2 * RELATIONS), repeat=2):
        body = {(x, y) for x, y in pairs if any(step(a, x, z) and step(b, z, y) for z in people)}
        assert rules.bodies_two[a, b] == len(body)
        for r in range(RELATIONS):
            assert rules.hits_two[a, b, r] == sum((x, r, y) in links for x, y in body)
    for r in range(RELATIONS):
        of = sum(kind == r for _, kind, _ in triples)
        assert rules.density[r].item() == pytest.approx(of / len(people) ** 2)


def test_links_are_told_by_independent_reasons():
    triples = family(6, 1)
    facts = tabulate(triples)
    rules = mine(facts.linked)
    weights = lift(confidence(rules), rules.density)
    found = tell(facts.linked, weights)
    n = len(facts.places)
    steps = np.concatenate([facts.linked.numpy(), facts.linked.numpy().transpose(0, 2, 1)])
    for r, x, y in itertools.product(range(RELATIONS), range(n), range(n)):
        silent = 1.0
        for a in range(2 * RELATIONS):
            if steps[a, x, y]:
                silent *= 1 - min(float(weights.one[a, r]), 0.999)
            for b in range(2 * RELATIONS):
                if (steps[a, x] * steps[b, :, y]).any():
                    silent *= 1 - min(float(weights.two[a, b, r]), 0.999)
        assert found[r, x, y].item() == pytest.approx(-math.log(silent))


def test_a_rule_must_have_been_right_twice_and_better_than_chance():
    rules = mine(tabulate([("a", "p", "b"), ("a", "q", "b")]).linked)
    assert not confidence(rules).one.any()
    twice = mine(tabulate([(x, r, y) for x, y in ("ab", "cd") for r in "pq"]).linked)
    assert confidence(twice).one[0, 1].item() == 2 / 4
    above = lift(confidence(twice), twice.density).one[0, 1].item()
    assert above == pytest.approx((0.5 - 2 / 16) / (1 - 2 / 16))


def test_a_table_that_would_not_fit_is_refused():
    ring = [(i, 0, i + 1) for i in range(20_000)]
    with fails(
        "relational_rules: 1 relations among 20001 entities are too many: it holds a table of all "
        "pairs for each relation; take a smaller graph"
    ):
        tabulate(ring)


# Mappings


@pytest.mark.parametrize("seed", range(3))
def test_a_planted_mapping_is_found_without_names(seed):
    rng = np.random.default_rng(seed)
    order = rng.permutation(RELATIONS)
    target = renamed(family(40, 10 + seed), np.arange(40), order)
    found = tlml.strategy("relational_rules").relate(family(40, seed), target)
    assert found == {r: int(order[r]) for r in range(RELATIONS)}


def test_names_are_mapped_to_names():
    terms = ["parent", "child", "grandparent", "heir", "friend", "in-law"]
    words = ["Vater", "Kind", "Großvater", "Erbe", "Freund", "Schwager"]
    source = renamed(family(40, 0), [f"p{i}" for i in range(40)], terms)
    target = renamed(family(40, 1), [f"q{i}" for i in range(40)], words)
    found = tlml.strategy("relational_rules").relate(source, target)
    assert found == dict(zip(terms, words, strict=True))


@settings(max_examples=5)
@given(st.permutations(range(30)), st.permutations(range(RELATIONS)))
def test_relabelling_changes_nothing(entities, relations):
    def scores(triples, kinds, who):
        strategy = tlml.strategy("relational_rules")
        strategy.learn(asked(family(30, 0)), torch.zeros(0))
        x = torch.tensor([(who[h], kinds[r], 0) for h in (0, 5, 9) for r in range(RELATIONS)])
        return strategy.estimate(asked(triples), x, Discrete(30))

    known = family(30, 1)
    same = scores(known, range(RELATIONS), range(30))
    other = scores(renamed(known, entities, relations), relations, entities)
    assert torch.allclose(other[:, list(entities)], same, atol=1e-8)


def test_anchors_hold():
    source, target = family(40, 0), family(40, 1)
    wrong = [[0, 4], [4, 0]]
    found = tlml.strategy("relational_rules", anchors=wrong).relate(source, target)
    assert found[0] == 4 and found[4] == 0 and len(set(found.values())) == RELATIONS


def test_sides_of_unequal_sizes_map_as_many_as_the_smaller_has():
    source = family(40, 0)
    target = [triple for triple in family(40, 1) if triple[1] not in (3, 5)]
    forth = tlml.strategy("relational_rules").relate(source, target)
    back = tlml.strategy("relational_rules").relate(target, source)
    assert len(forth) == len(set(forth.values())) == len(back) == 4
    assert set(forth.values()) == set(back) == {0, 1, 2, 4}


def test_mappings_by_name_and_by_chance():
    source, target = family(20, 0), [t for t in family(20, 1) if t[1] != 2]
    true = tlml.strategy("relational_rules", mapping="true").relate(source, target)
    assert true == {r: r for r in (0, 1, 3, 4, 5)}
    made = [
        tlml.strategy("relational_rules", mapping="random", seed=seed).relate(source, target)
        for seed in (0, 0, 1)
    ]
    assert made[0] == made[1] != made[2]
    assert len(set(made[0].values())) == len(made[0])
    assert tlml.strategy("relational_rules", mapping="none").relate(source, target) == {}


def test_triples_that_are_there_twice_count_once():
    source, target = family(30, 0), family(30, 1)
    relate = tlml.strategy("relational_rules").relate
    assert relate(source + source[:20], target) == relate(source, target)
    assert relate(np.array(source), torch.tensor(target)) == relate(source, target)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mapping": "guessed"}, "mapping: 'guessed' is not one of found, true, random, none"),
        ({"strength": -1.0}, "strength: must be at least 0, is -1.0"),
        ({"starts": 0}, "starts: must be greater than 0, is 0"),
        ({"anchors": -1}, "anchors: must be at least 0, is -1"),
        (
            {"anchors": 2, "mapping": "true"},
            "anchors: they help to find a mapping, and mapping is 'true'",
        ),
        (
            {"anchors": ["term6"]},
            "anchors: 'term6' is not a pair; give a relation of the source and one of the target",
        ),
        (
            {"anchors": [[0, 1], [2, 1]]},
            "anchors: 1 of the target has two partners; give it one",
        ),
        (
            {"anchors": [["parnet", "child"]], "names": ["child", "parent"]},
            "anchors: no relation is called 'parnet'; did you mean parent?",
        ),
    ],
)
def test_wrong_options_are_named(options, message):
    with fails(message):
        tlml.strategy("relational_rules", **options)


def test_wrong_graphs_are_named():
    triples = renamed(family(20, 0), range(20), ["parent", "child", "elder", "heir", "near", "law"])
    strategy = tlml.strategy("relational_rules")
    for sides, side in (((), triples), "source"), ((triples, ()), "target"):
        with fails(f"{side}: it is a graph without triples, so that it has no rules"):
            strategy.relate(*sides)
    with fails("source: it is a graph without triples, so that it has no rules"):
        strategy.learn(Batch(torch.zeros(0, 3).long(), torch.zeros(0).long()), torch.zeros(0))
    with fails("anchors: no relation of the source is called 'parnet'; did you mean parent?"):
        tlml.strategy("relational_rules", anchors=[["parnet", "parent"]]).relate(triples, triples)
    lacking = [triple for triple in triples if triple[1] != "parent"]
    with pytest.raises(TlmlError, match=r"^anchors: no relation of the target is called 'parent'"):
        tlml.strategy("relational_rules", anchors=[["parent", "parent"]]).relate(triples, lacking)
    with fails("anchors: 6 were asked for, and source and target share 5 relations"):
        tlml.strategy("relational_rules", anchors=6).relate(triples, lacking)
    with fails(
        "relational_rules: needs questions of entity, relation and direction, int64 [n, 3], has "
        "float32 [4, 2]; take a domain of triples, such as kinships"
    ):
        strategy.learn(Batch(torch.zeros(4, 2), torch.zeros(4).long()), torch.zeros(0))


# Telling


def test_own_and_mapped_evidence_are_weighed_by_strength():
    """c' = (κ c + h) / (κ + q b), by a loop over the rules with one step."""
    source, target = family(30, 0), family(30, 1)[::3]
    weights = {}
    for strength in (0.0, 5.0, math.inf):
        strategy = tlml.strategy("relational_rules", mapping="true", strength=strength)
        strategy.learn(asked(source), torch.zeros(0))
        facts = tabulate(target)
        own = mine(facts.linked)
        weights[strength] = strategy._weights(type(strategy._source)(facts, own)).one
    theirs = mine(tabulate(source).linked)
    people = [len({e for h, _, t in side for e in (h, t)}) for side in (source, target)]
    share = (len(target) / people[1] ** 2) / (len(source) / people[0] ** 2)
    for a, r in itertools.product(range(2 * RELATIONS), range(RELATIONS)):
        told_by = float(theirs.hits[a, r]), float(theirs.bodies[a])
        c = told_by[0] / (told_by[1] + 2) if told_by[0] >= 2 else 0.0
        h, b, d = float(own.hits[a, r]), float(own.bodies[a]), float(theirs.density[r])
        for strength in (0.0, 5.0):
            mixed = (strength * c + h) / (strength + share * b) if strength + share * b else 0.0
            expected = min(max((mixed - d) / (1 - d), 0.0), 1.0)
            assert weights[strength][a, r].item() == pytest.approx(expected)
        assert weights[math.inf][a, r].item() == pytest.approx(max((c - d) / (1 - d), 0.0))


def test_nothing_is_told_without_links_or_of_strangers():
    strategy = tlml.strategy("relational_rules")
    strategy.learn(asked(family(20, 0)), torch.zeros(0))
    none = Batch(torch.zeros(0, 3).long(), torch.zeros(0).long())
    x = torch.tensor([[0, 0, 0], [0, 0, 1]])
    assert not strategy.estimate(none, x, Discrete(9)).any()
    known = asked(family(20, 1))
    strangers = torch.tensor([[99, 0, 0], [0, 99, 0]])
    assert not strategy.estimate(known, strangers, Discrete(100)).any()


def test_a_relation_of_which_no_link_is_known_is_told_by_its_anchor():
    known = [triple for triple in family(30, 1) if triple[1] != 1]
    parents = [(h, t) for h, r, t in known if r == 0][:8]
    x = torch.tensor([(child, 1, 0) for _, child in parents])
    told_of = {}
    for anchors in ((), ((1, 1),)):
        strategy = tlml.strategy("relational_rules", anchors=anchors, strength=math.inf)
        strategy.learn(asked(family(30, 0)), torch.zeros(0))
        scores = strategy.estimate(asked(known), x, Discrete(30))
        told_of[anchors] = scores[range(8), [parent for parent, _ in parents]]
    assert not told_of[()].any()
    assert bool((told_of[(1, 1),] > -math.log(0.2)).all())  # that 1 is 0 backwards is sure


def test_questions_from_both_ends_have_the_same_scores():
    strategy = tlml.strategy("relational_rules", mapping="none")
    known = asked(family(20, 1))
    forth = torch.tensor([(h, 2, 0) for h in range(20)])
    back = torch.tensor([(t, 2, 1) for t in range(20)])
    table = strategy.estimate(known, forth, Discrete(20))
    assert torch.equal(table, strategy.estimate(known, back, Discrete(20)).T)
    turned = Batch(
        torch.stack([known.y, known.x[:, 1], torch.ones_like(known.y)], 1), known.x[:, 0]
    )
    assert torch.equal(table, strategy.estimate(turned, forth, Discrete(20)))


@pytest.fixture(scope="module")
def kin(tmp_path_factory):
    """A graph of 80 people whose relations follow from one another, a tenth of them missing."""
    folder = tmp_path_factory.mktemp("kin")
    lines = ["\t".join(map(str, triple)) for triple in family(80, 0, noise=0.1)]
    # The halves of a sparse graph would lose most links: two families are source and target.
    other = ["\t".join(map(str, triple)) for triple in family(80, 1, noise=0.1)]
    for name, rows in (("source", lines), ("target", other)):
        (folder / name).mkdir()
        (folder / name / "train.txt").write_text("\n".join(rows))
    return tlml.domain(
        "knowledge_graph", root=str(folder / "source"), target_root=str(folder / "target"),
        validation=0.2,
    )  # fmt: skip


def mrr(domain, fitted, **options):
    view = EpisodeView(
        domain, shots=150, queries=100, episodes=2, tasks_per_batch=1,
        adapt=tlml.strategy("relational_rules", **options),
    )  # fmt: skip
    learner = fitted if options.get("mapping") != "none" else tlml.learner("estimator")
    logged = quiet_trainer().test(learner, view, verbose=False)[0]
    assert {"test_mrr", "test_hits@10"} <= logged.keys()
    assert not fitted.transductive(fitted.strategy)
    return float(np.mean([record["mrr"] for record in learner.records]))


def test_rules_of_another_family_tell_more_than_a_few_links(kin):
    learner = tlml.learner("estimator")
    quiet_trainer(max_epochs=1).fit(learner, learner.view(kin))
    own = mrr(kin, learner, mapping="none")  # needs no fit
    true, random = (mrr(kin, learner, mapping=kind) for kind in ("true", "random"))
    found, anchored = mrr(kin, learner), mrr(kin, learner, anchors=3)
    assert min(true, found, anchored) > 1.5 * own
    assert random < 0.8 * true


def test_without_a_fit_there_is_nothing_to_carry_over():
    learner = tlml.learner("estimator", strategy="relational_rules")
    domain = tlml.domain("nations")
    view = EpisodeView(domain, shots=10, queries=5, episodes=1)
    with pytest.raises(TlmlError, match=r"carries over from source examples, and none were kept"):
        quiet_trainer().test(learner, view, verbose=False)
