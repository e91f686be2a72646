"""Graphs as domains: what is read, how it is divided, and what answers are worth."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from graph_data import dense, write
from hypothesis import given
from hypothesis import strategies as st
from refusals import fails

import tlml
from tlml import Batch, EpisodeView, PairView, TlmlError
from tlml_graphs.finding import find_folder
from tlml_graphs.knowledge_graph import questions
from tlml_graphs.ranking import filtered_metrics
from tlml_graphs.triples import read_graph

SPLITS = ("source", "validation", "target")


@pytest.fixture
def graph(tmp_path: Path):
    return tlml.domain("knowledge_graph", root=str(write(tmp_path / "g", dense(30))))


# Reading


def test_all_files_of_a_folder_are_one_graph(tmp_path):
    write(tmp_path, [("b", "likes", "a"), ("a", "knows", "b")])
    write(tmp_path, [("c", "likes", "a")], "test.txt")
    graph = read_graph(tmp_path)
    assert graph.entities == ("a", "b", "c") and graph.relations == ("knows", "likes")
    assert graph.triples.tolist() == [[0, 0, 1], [1, 1, 0], [2, 1, 0]]


@pytest.mark.parametrize("line", ["a\tknows", "a\tknows\tb\tc", "a\t\tb", "a knows b"])
def test_a_malformed_line_is_named(tmp_path, line):
    (tmp_path / "valid.txt").write_text(f"a\tknows\tb\n\n{line}\n")
    with fails(
        f"{tmp_path / 'valid.txt'}:3: '{line}' is not a triple; write head, relation and tail, "
        "tab-separated"
    ):
        read_graph(tmp_path)


def test_a_triple_that_is_there_twice_would_leak(tmp_path):
    write(tmp_path, [("a", "knows", "b")])
    write(tmp_path, [("b", "knows", "a"), ("a", "knows", "b")], "test.txt")
    with fails(
        f"{tmp_path}/test.txt:2: the triple a knows b is in {tmp_path}/train.txt:1 already, so "
        "that what is asked could also be told; remove one of them"
    ):
        read_graph(tmp_path)


def test_a_folder_without_triples_says_what_one_is(tmp_path):
    (tmp_path / "train.txt").write_text("\n")
    with fails(
        f"{tmp_path}: there are no triples; a graph is a folder with train.txt, valid.txt, "
        "test.txt (or some of them), a line for each triple: head, relation and tail, tab-separated"
    ):
        tlml.domain("knowledge_graph", root=str(tmp_path))


def test_bytes_that_are_no_text_are_an_error(tmp_path):
    (tmp_path / "train.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TlmlError, match=r"train\.txt: cannot be read as text"):
        read_graph(tmp_path)


# Finding


def test_known_graphs_are_looked_for_in_the_usual_places(tmp_path, monkeypatch):
    data = write(tmp_path / "data" / "graphs" / "umls", [("a", "r", "b")])
    pykeen = write(tmp_path / "site" / "pykeen" / "datasets" / "umls", [("a", "r", "b")])
    (tmp_path / "site" / "pykeen" / "__init__.py").write_text("raise ImportError('imported')")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    assert find_folder("umls", None) == pykeen
    monkeypatch.setenv("TLML_DATA", str(tmp_path / "data"))
    assert find_folder("umls", None) == data
    assert find_folder("umls", str(tmp_path)) == tmp_path
    assert "pykeen" not in sys.modules


def test_a_graph_that_is_nowhere_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setenv("TLML_DATA", str(tmp_path))
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    with pytest.raises(TlmlError) as caught:
        find_folder("kinships", None)
    assert str(caught.value).startswith(f"kinships: its triples are in none of {tmp_path}/graphs/")
    assert str(caught.value).endswith(
        "set root to a folder with train.txt, valid.txt, test.txt, or the environment variable "
        "TLML_DATA to one that holds graphs/kinships/, or install PyKEEN, which brings them (pip "
        "install --no-deps pykeen)"
    )


def test_nations_comes_with_tlml():
    domain = tlml.domain("nations")
    assert len(domain.entities) == 14 and len(domain.relations) == 55
    assert {"usa", "ussr"} <= set(domain.entities) and "embassy" in domain.relations


# Dividing


def test_splits_share_no_entity(graph):
    ends = [set(graph.tasks(split)[0].triples[:, [0, 2]].flatten().tolist()) for split in SPLITS]
    assert all(ends) and not (ends[0] & ends[1] or ends[0] & ends[2] or ends[1] & ends[2])
    assert {len(ends[0]), len(ends[2])} <= {13, 14} and len(ends[1]) == 3


def test_every_link_within_a_split_is_a_true_one(graph, tmp_path):
    there = set(dense(30))
    names, kinds = graph.entities, graph.relations
    for split in SPLITS:
        for h, r, t in graph.tasks(split)[0].triples.tolist():
            assert (names[h], kinds[r], names[t]) in there


def test_divisions_are_keyed(tmp_path):
    folder = str(write(tmp_path, dense(30)))
    same, again, other = (
        tlml.domain("knowledge_graph", root=folder, division=n).tasks("target")[0].triples
        for n in (1, 1, 2)
    )
    assert np.array_equal(same, again) and not np.array_equal(same, other)


def test_two_graphs_share_relations_by_name(tmp_path):
    source = write(tmp_path / "a", dense(12, "a"))
    target = write(tmp_path / "b", dense(20, "b", relations=4))
    domain = tlml.domain(
        "knowledge_graph", root=str(source), target_root=str(target), validation=0.3
    )
    assert domain.relations == ("r0", "r1", "r2", "r3")
    assert len(domain.tasks("source")[0].triples) == len(dense(12))
    for split, side in (("source", "a"), ("validation", "b"), ("target", "b")):
        ends = domain.tasks(split)[0].triples[:, [0, 2]].flatten()
        assert {domain.entities[end][0] for end in ends} == {side}


def test_a_split_without_links_is_an_error(tmp_path):
    ring = [(f"{i:02}", "next", f"{(i + 1) % 40:02}") for i in range(40)]
    with pytest.raises(
        TlmlError,
        match=r"^validation: the part for \w+ has \d links, and 5 are needed; take another ",
    ):
        tlml.domain("knowledge_graph", root=str(write(tmp_path, ring)))


def test_support_and_query_share_no_link(graph):
    view = EpisodeView(graph, shots=20, queries=30, tasks_per_batch=1)
    for index in range(3):
        episode = view.dataset("target")[index]
        known, asked = (
            {
                (y, r, e) if back else (e, r, y)
                for (e, r, back), y in zip(part.x.tolist(), part.y.tolist(), strict=True)
            }
            for part in episode
        )
        assert len(known) == 20 and not known & asked
        assert set(episode.query.x[:, 2].tolist()) == {0, 1}  # asked from both ends


def test_shots_count_links_and_the_source_is_whole(graph):
    pair = next(iter(PairView(graph, batch_size=10_000).train_dataloader()))
    triples = graph.tasks("source")[0].triples
    assert sorted(map(tuple, pair.source.x.tolist())) == sorted(
        (h, r, 0) for h, r, _ in triples.tolist()
    )


def test_questions_are_asked_from_both_ends():
    found = questions(np.array([[3, 0, 5]]), (0, 1))
    assert found.x.tolist() == [[3, 0, 0], [5, 0, 1]] and found.y.tolist() == [5, 3]


# Measuring


def by_hand(scores, asked, answer, links, candidates, tries=4000):
    """Rank by a loop over shuffled candidates, many times."""
    shuffle, total, hits = random.Random(0), 0.0, 0
    for _ in range(tries):
        for row, (entity, relation, back), y in zip(scores, asked, answer, strict=True):
            rivals = []
            for other in candidates:
                link = (other, relation, entity) if back else (entity, relation, other)
                if link not in links:
                    rivals.append(other)
            rivals.append(y)
            shuffle.shuffle(rivals)
            rivals.sort(key=lambda c: -row[c])
            rank = rivals.index(y) + 1
            total += 1 / rank
            hits += rank <= 3
    return total / tries / len(answer), hits / tries / len(answer)


def test_filtered_ranks_equal_those_of_a_slow_loop():
    generator = torch.Generator().manual_seed(0)
    links = {(0, 0, 1), (0, 0, 2), (3, 0, 1), (4, 1, 0), (2, 1, 2)}
    true: dict = {}
    for h, r, t in links:
        true.setdefault((h, r, 0), []).append(t)
        true.setdefault((t, r, 1), []).append(h)
    asked = [(0, 0, 0), (1, 0, 1), (0, 1, 1), (2, 1, 0)]
    answer = [1, 3, 4, 2]
    scores = torch.randint(0, 3, (4, 8), generator=generator).double()  # with many ties
    found = filtered_metrics(
        scores, torch.tensor(asked), torch.tensor(answer), true, torch.arange(6)
    )
    mrr, hits = by_hand(scores.tolist(), asked, answer, links, range(6))
    assert found["mrr"].item() == pytest.approx(mrr, abs=0.01)
    assert found["hits@3"].item() == pytest.approx(hits, abs=0.01)


@given(st.permutations(range(5)))
def test_without_ties_a_rank_is_a_place(order):
    scores = torch.tensor(order).double()[None]
    found = filtered_metrics(
        scores, torch.tensor([[0, 0, 0]]), torch.tensor([2]), {(0, 0, 0): [2]}, torch.arange(5)
    )
    rank = 5 - order[2]
    assert found["mrr"].item() == pytest.approx(1 / rank)
    assert [found[f"hits@{k}"].item() for k in (1, 3, 10)] == [rank <= 1, rank <= 3, 1]


def test_scores_that_say_nothing_are_worth_guessing(graph):
    query = EpisodeView(graph, shots=5, queries=60).dataset("target")[0].query
    found = graph.measure(query, torch.zeros(60, 30))
    links = {tuple(triple) for triple in graph.tasks("target")[0].triples.tolist()}
    among = sorted({end for h, _, t in links for end in (h, t)})
    mrr, _ = by_hand(
        torch.zeros(60, 30).tolist(), query.x.tolist(), query.y.tolist(), links, among, 300
    )
    assert found["mrr"].item() == pytest.approx(mrr, abs=0.01)
    right = torch.zeros(60, 30)
    right[torch.arange(60), query.y] = 1
    assert graph.measure(query, right)["mrr"].item() == pytest.approx(1)


def test_true_links_of_all_parts_are_set_aside(graph):
    """Scores that know every link and nothing of which one is asked are perfect."""
    scores = torch.zeros(10, 30)
    query = EpisodeView(graph, shots=5, queries=10).dataset("target")[0].query
    for h, r, t in graph.tasks("target")[0].triples.tolist():
        for row, (entity, relation, back) in enumerate(query.x.tolist()):
            if relation == r and entity == (t if back else h):
                scores[row, h if back else t] = 1
    assert graph.measure(Batch(*query), scores)["mrr"].item() == pytest.approx(1)


def test_the_state_of_its_files_is_told(tmp_path):
    options = {"root": str(write(tmp_path / "g", dense(40)))}
    before = tlml.domain("knowledge_graph", **options).fingerprint()
    assert before == tlml.domain("knowledge_graph", **options).fingerprint()
    (tmp_path / "g" / "notes").write_text("not read")
    assert before == tlml.domain("knowledge_graph", **options).fingerprint()
    write(tmp_path / "g", dense(40, seed=1))
    assert before != tlml.domain("knowledge_graph", **options).fingerprint()
