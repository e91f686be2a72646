"""Model-agnostic meta-learning: learners and the inner loops that they learn through."""

from __future__ import annotations

from tlml import Spec, hookimpl

_FINN = "Finn, Abbeel & Levine 2017, arXiv 1703.03400"
_ANIL = "Raghu, Raghu, Bengio & Vinyals 2020, arXiv 1909.09157"
_BOIL = "Oh, Yoo, Kim & Yun 2021, arXiv 2008.08882"
_LI = "Li, Zhou, Chen & Li 2017, arXiv 1707.09835"
_MAML_PP = "Antoniou, Edwards & Storkey 2019, arXiv 1810.09502"
_CURVATURE = "Park & Oliva 2019, arXiv 1902.03356"
_IMAML = "Rajeswaran, Finn, Kakade & Levine 2019, arXiv 1909.04630"


@hookimpl
def tlml_learners() -> list[Spec]:
    """Return the meta-learners."""
    return [
        *(
            _spec(row, "meta-learning", "loss", f"episodes {row[2]} regression|classification")
            for row in _THROUGH
        ),
        *(_spec(row, "meta-learning", "", f"{row[2]} classification") for row in _COMPUTED),
    ]


@hookimpl
def tlml_strategies() -> list[Spec]:
    """Return the inner loops."""
    return [_spec(row, "model-transfer", row[2], "loss") for row in _INNER_LOOPS]


Row = tuple[str, str, str, str, str]


def _spec(row: Row, approach: str, gives: str, needs: str) -> Spec:
    """Declare a row, whose module is called as it is."""
    name, kind, _, summary, paper = row
    return Spec(
        name,
        f"tlml_maml.{name}:{kind}",
        summary,
        paper=paper,
        approach=approach,
        gives=frozenset(gives.split()),
        needs=tuple(needs.split()),
    )


# Name, class, a word or two, summary and paper.
# Learners that are trained through an inner loop; the words are what that must give.
_THROUGH: tuple[Row, ...] = (
    ("maml", "Maml", "differentiable",
     "MAML: an initialisation from which a few gradient steps suffice", _FINN),
    ("anil", "Anil", "differentiable maml:head",
     "ANIL: MAML whose inner loop adapts the head only", _ANIL),
    ("boil", "Boil", "differentiable maml:body",
     "BOIL: MAML whose inner loop adapts all but the head", _BOIL),
    ("meta_sgd", "MetaSgdLearner", "differentiable maml:rates",
     "Meta-SGD: MAML that learns a rate for each entry of each parameter", _LI),
    ("maml_pp", "MamlPlusPlus", "differentiable",
     "MAML++: rates and BatchNorm per step, a loss after each step, annealed orders", _MAML_PP),
    ("meta_curvature", "MetaCurvatureLearner", "differentiable maml:curvature",
     "MAML that learns matrices which multiply the inner gradients", _CURVATURE),
    ("imaml", "Imaml", "maml:implicit",
     "iMAML: implicit gradients of a regularised inner problem, at the memory of one step", _IMAML),
    # Reptile differentiates no inner step. It asks for this word so that suites train it anew for
    # each inner loop, and not with strategies that only act when adapting.
    ("reptile", "Reptile", "differentiable",
     "Reptile: moves the initialisation towards where the inner loop ends, first order",
     "Nichol, Achiam & Schulman 2018, arXiv 1803.02999"),
)  # fmt: skip
# Learners whose head is computed from the support's features; the words are their views.
_COMPUTED: tuple[Row, ...] = (
    ("protonet", "ProtoNet", "episodes",
     "prototypical networks: the nearest mean of a class's features",
     "Snell, Swersky & Zemel 2017, arXiv 1703.05175"),
    ("matching", "Matching", "episodes",
     "matching networks: attention over the support's examples",
     "Vinyals et al. 2016, arXiv 1606.04080"),
    ("relation", "Relation", "episodes",
     "relation networks: a learned measure between query and class",
     "Sung et al. 2018, arXiv 1711.06025"),
    ("baseline_pp", "BaselinePlusPlus", "pair episodes",
     "Baseline++: pretraining with a cosine classifier, and a new one for each task",
     "Chen, Liu, Kira, Wang & Huang 2019, arXiv 1904.04232"),
    ("r2d2", "R2D2", "episodes",
     "R2-D2: ridge regression on the support's labels, in closed form",
     "Bertinetto, Henriques, Torr & Vedaldi 2019, arXiv 1805.08136"),
    ("metaoptnet", "MetaOptNet", "episodes",
     "MetaOptNet: a support vector machine on the support, differentiated at its optimum",
     "Lee, Maji, Ravichandran & Soatto 2019, arXiv 1904.03758"),
)  # fmt: skip
# Inner loops; the words are what they give.
_INNER_LOOPS: tuple[Row, ...] = (
    ("sgd", "Sgd", "differentiable",
     "k gradient steps that can be differentiated: MAML's inner loop", _FINN),
    ("head_sgd", "HeadSgd", "differentiable maml:head", "gradient steps of the head only", _ANIL),
    ("body_sgd", "BodySgd", "differentiable maml:body",
     "gradient steps of all but the head", _BOIL),
    ("meta_sgd", "MetaSgd", "differentiable maml:rates",
     "gradient steps with a learned rate for each entry of each parameter", _LI),
    ("per_step_sgd", "PerStepSgd", "differentiable",
     "gradient steps with learned rates per layer and step, and BatchNorm per step", _MAML_PP),
    ("meta_curvature", "MetaCurvature", "differentiable maml:curvature",
     "gradient steps along a gradient multiplied by learned matrices", _CURVATURE),
    # Its derivative is that of the minimum, not of the steps: exact where they come close.
    ("implicit", "Implicit", "maml:implicit",
     "gradient steps to a regularised minimum, with the implicit gradient", _IMAML),
)  # fmt: skip
