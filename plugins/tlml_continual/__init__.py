"""Continual learning: learners of streams of tasks that come one after the other."""

from __future__ import annotations

from tlml import Spec, hookimpl


@hookimpl
def tlml_learners() -> list[Spec]:
    """Return the learners."""
    return [_spec(*row) for row in _LEARNERS]


def _spec(name: str, kind: str, needs: str, summary: str, paper: str) -> Spec:
    """Declare a row, whose module is called as it is."""
    return Spec(
        name,
        f"tlml_continual.{name}:{kind}",
        summary,
        paper=paper,
        approach="continual learning",
        gives=frozenset({"loss"}),
        needs=("stream", *needs.split()),
    )


_ANY = "regression|classification"
_RATES = f"{_ANY} maml:rates"  # which the strategy meta_sgd gives
_GUPTA = "Gupta, Yadav & Paull 2020, arXiv 2007.13904"
# Name, class, a word or two, summary and paper.
_LEARNERS: tuple[tuple[str, str, str, str, str], ...] = (
    ("naive", "Naive", _ANY, "plain steps on what comes: the floor", ""),
    ("joint", "Joint", _ANY, "all tasks shuffled into one: the upper bound", ""),
    ("er", "Er", _ANY, "experience replay: batches beside examples of a uniform memory",
     "Chaudhry et al. 2019, arXiv 1902.10486"),
    ("der", "Der", _ANY, "DER++: replay of targets and of what the network gave for them",
     "Buzzega et al. 2020, arXiv 2004.07211"),
    ("mer", "Mer", _ANY, "Reptile over single examples, new and old, within batches and across",
     "Riemer et al. 2019, arXiv 1810.11910"),
    ("icarl", "Icarl", "classification", "nearest mean of exemplars, on distilled features",
     "Rebuffi et al. 2017, arXiv 1611.07725"),
    ("gdumb", "GDumb", "classification", "a balanced memory, and training from scratch on it alone",
     "Prabhu et al. 2020, ECCV"),
    ("ncm", "Ncm", "classification", "running class means of features that stay: no gradient",
     "Janson et al. 2022, arXiv 2210.04428"),
    ("ranpac", "Ranpac", "classification", "random projection and a running ridge: no gradient",
     "McDonnell et al. 2023, arXiv 2307.02251"),
    ("ewc", "Ewc", _ANY, "elastic weights, online: pulled to where they were by Fisher information",
     "Kirkpatrick et al. 2017, arXiv 1612.00796; Schwarz et al. 2018, arXiv 1805.06370"),
    ("si", "Si", _ANY, "elastic weights by how much each lowered the loss on its way",
     "Zenke et al. 2017, arXiv 1703.04200"),
    ("lwf", "Lwf", _ANY, "distils what the network gave before the task into it",
     "Li & Hoiem 2016, arXiv 1606.09282"),
    ("agem", "Agem", _ANY, "gradients projected against that on a memory of old tasks",
     "Chaudhry et al. 2019, arXiv 1812.00420"),
    ("gem", "Gem", _ANY, "gradients projected against those on each old task",
     "Lopez-Paz & Ranzato 2017, arXiv 1706.08840"),
    ("lamaml", "Lamaml", _RATES, "La-MAML: looks ahead by learned rates, and at a memory",
     _GUPTA),
    ("sync_lamaml", "SyncLamaml", _RATES, "La-MAML that steps weights by a rate of their own",
     _GUPTA),
    ("cmaml", "Cmaml", _RATES, "C-MAML: La-MAML with fixed rates", _GUPTA),
)  # fmt: skip
