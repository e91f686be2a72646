"""Transfer: pretraining on pooled source tasks, and ways to carry the model to a target task."""

from __future__ import annotations

from typing import NamedTuple

from tlml import Spec, hookimpl


@hookimpl
def tlml_learners() -> list[Spec]:
    """Return the learners of transfer."""
    return [
        Spec(
            "supervised",
            "tlml_transfer.supervised:Supervised",
            "pretrains on all source tasks pooled, with target examples beside them if given",
            paper="Pan & Yang 2010, doi 10.1109/TKDE.2009.191",
            gives=frozenset({"loss", "features"}),
            needs=("pair", "regression|classification"),
        )
    ]


@hookimpl
def tlml_strategies() -> list[Spec]:
    """Return the ways to carry knowledge over."""
    return [
        Spec(
            name,
            f"tlml_transfer.{section.folder}.{name}:{kind}",
            summary,
            paper=paper,
            approach=section.approach,
            gives=frozenset(section.gives.split()),
            needs=tuple(section.needs.split()),
        )
        for section in _SECTIONS
        for name, kind, summary, paper in section.rows
    ]


class _Section(NamedTuple):
    """Strategies of one folder that give and need the same words.

    Args:
        folder: Where their modules are, each called as its strategy.
        approach: As of `Spec`.
        gives: Words, as of `Spec`.
        needs: Likewise.
        rows: Name, class, summary and paper of each.
    """

    folder: str
    approach: str
    gives: str
    needs: str
    rows: tuple[tuple[str, str, str, str], ...]


_SECTIONS = (
    _Section("finetune", "none", "", "loss|policy", (
        ("scratch", "Scratch",
         "no transfer: a fresh network trained on the target's support alone", ""),
        ("as_trained", "AsTrained", "adapts nothing: what training found predicts as it is", ""),
    )),
    _Section("finetune", "model-transfer", "", "loss|policy", (
        ("full", "Full",
         "fine-tunes every parameter on the target's support",
         "Yosinski et al. 2014, arXiv 1411.1792"),
        ("linear_probe", "LinearProbe",
         "keeps the features and trains the head on the target's support",
         "Kumar et al. 2022, arXiv 2202.10054"),
        ("lp_ft", "LpFt",
         "trains the head, then fine-tunes everything from there",
         "Kumar et al. 2022, arXiv 2202.10054"),
        ("gradual_unfreeze", "GradualUnfreeze",
         "fine-tunes the head first, and one more layer at a time",
         "Howard & Ruder 2018, arXiv 1801.06146"),
        ("freeze_generic", "FreezeGeneric",
         "freezes the first, generic layers and fine-tunes the specific ones",
         "Yosinski et al. 2014, arXiv 1411.1792"),
        ("discriminative_lr", "DiscriminativeLr",
         "fine-tunes every layer, the more generic the slower",
         "Howard & Ruder 2018, arXiv 1801.06146"),
        ("l2_sp", "L2Sp",
         "fine-tunes every parameter, pulled back to where it started",
         "Li, Grandvalet & Davoine 2018, arXiv 1802.01483"),
    )),
    _Section("finetune", "model-transfer", "", "loss", (
        ("bss", "Bss",
         "fine-tunes every parameter, shrinking the features that transfer least",
         "Chen et al. 2019, NeurIPS (batch spectral shrinkage)"),
        ("lora", "Lora",
         "keeps the weights and learns changes of low rank, and the head",
         "Hu et al. 2021, arXiv 2106.09685"),
    )),
    _Section("finetune", "model-transfer", "unlabelled", "loss", (
        ("batchnorm", "AdaBn",
         "replaces BatchNorm's statistics by those of the target's inputs",
         "Li et al. 2016, arXiv 1603.04779"),
    )),
    _Section("finetune", "model-transfer", "unlabelled", "loss classification", (
        ("tent", "Tent",
         "makes predictions on the target's inputs certain, by scales and shifts",
         "Wang et al. 2021, arXiv 2006.10726"),
    )),
    _Section("align", "feature-representation-transfer", "aligns", "pair features", (
        ("coral", "Coral",
         "trains on features whose covariance is the target's",
         "Sun & Saenko 2016, arXiv 1607.01719"),
        ("mmd", "Mmd",
         "trains on features whose distribution is the target's, by kernels",
         "Long, Cao, Wang & Jordan 2015, arXiv 1502.02791"),
        ("dann", "Dann",
         "trains on features that a discriminator cannot tell the side of",
         "Ganin et al. 2016, arXiv 1505.07818"),
    )),
    _Section("align", "feature-representation-transfer", "aligns", "pair features classification", (
        ("cdan", "Cdan",
         "trains on features that a discriminator cannot tell the side of, class by class",
         "Long, Cao, Wang & Jordan 2018, arXiv 1705.10667"),
        ("mcc", "Mcc",
         "trains on target inputs to be of one class or another, not of two at once",
         "Jin, Wang, Long & Wang 2020, arXiv 1912.03699"),
    )),
    _Section("align", "feature-representation-transfer", "aligns", "pair features", (
        ("jdot", "Jdot",
         "trains target inputs to be like the source examples that they are transported to",
         "Damodaran et al. 2018, arXiv 1803.10081"),
    )),
    _Section(
        "maps", "feature-representation-transfer",
        "maps unlabelled", "pair regression|classification estimates", (
        ("coral_map", "CoralMap",
         "whitens the source's inputs and recolours them as the target's",
         "Sun, Feng & Saenko 2016, arXiv 1511.05547"),
        ("subspace_alignment", "SubspaceAlignment",
         "turns the source's principal axes into the target's",
         "Fernando, Habrard, Sebban & Tuytelaars 2013, doi 10.1109/ICCV.2013.368"),
        ("tca", "Tca",
         "maps both sides to components of a kernel along which their means agree",
         "Pan, Tsang, Kwok & Yang 2011, doi 10.1109/TNN.2010.2091281"),
        ("optimal_transport", "OptimalTransport",
         "carries the source's inputs to the target's at the least cost",
         "Courty, Flamary, Tuia & Rakotomamonjy 2017, arXiv 1507.00504"),
    )),
    _Section(
        "weigh", "instance-transfer",
        "unlabelled weighs", "pair regression|classification features|estimates", (
        ("kmm", "Kmm",
         "weighs the source so that its mean under a kernel is the target's",
         "Huang et al. 2006, NeurIPS 19"),
        ("kliep", "Kliep",
         "weighs the source by the density ratio nearest to the target's",
         "Sugiyama et al. 2008, doi 10.1007/s10463-008-0197-x"),
        ("domain_classifier", "DomainClassifier",
         "weighs the source by the odds of a classifier of the domains",
         "Bickel, Brückner & Scheffer 2009, JMLR 10:2137–2155"),
    )),
    _Section(
        "weigh", "instance-transfer",
        "weighs", "pair regression|classification features|estimates", (
        ("balanced", "Balanced",
         "weighs the source so that its classes count equally",
         "King & Zeng 2001, doi 10.1093/oxfordjournals.pan.a004868"),
    )),
    _Section(
        "weigh", "instance-transfer",
        "estimates", "pair regression|classification estimates", (
        ("tradaboost", "Tradaboost",
         "boosts a model on source and target, and drops the source examples that mislead",
         "Dai et al. 2007, doi 10.1145/1273496.1273521; Pardoe & Stone 2010"),
    )),
    _Section(
        "relational", "relational-knowledge-transfer",
        "estimates relates", "pair estimates triples", (
        ("relational_rules", "RelationalRules",
         "tells links of a graph by rules of another, between relations that play the same part",
         "Mihalkova, Huynh & Mooney 2007, AAAI (TAMAR)"),
    )),
    _Section("relational", "relational-knowledge-transfer", "", "loss", (
        ("rkd", "Rkd",
         "fine-tunes every parameter, keeping how examples lie to each other",
         "Park et al. 2019, arXiv 1904.05068"),
    )),
    _Section("unsupervised", "unsupervised", "estimates maps", "estimates reconstruction", (
        ("transfer_pca", "TransferPca",
         "principal components of few target samples, with the source's covariance as prior", ""),
        ("transfer_kmeans", "TransferKmeans",
         "clusters of few target samples, with the source's centres as prior", ""),
        ("transfer_autoencoder", "TransferAutoencoder",
         "an autoencoder for few target samples, drawn to the source's weights",
         "Li, Grandvalet & Davoine 2018, arXiv 1802.01483 (the pull)"),
    )),
)  # fmt: skip
