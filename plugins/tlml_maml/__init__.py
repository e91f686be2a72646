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
        _learner(
            "maml",
            "maml:Maml",
            "MAML: an initialisation from which a few gradient steps suffice",
            _FINN,
        ),
        _learner(
            "anil",
            "anil:Anil",
            "ANIL: MAML whose inner loop adapts the head only",
            _ANIL,
            inner=("differentiable", "maml:head"),
        ),
        _learner(
            "boil",
            "boil:Boil",
            "BOIL: MAML whose inner loop adapts all but the head",
            _BOIL,
            inner=("differentiable", "maml:body"),
        ),
        _learner(
            "meta_sgd",
            "meta_sgd:MetaSgdLearner",
            "Meta-SGD: MAML that learns a rate for each entry of each parameter",
            _LI,
            inner=("differentiable", "maml:rates"),
        ),
        _learner(
            "maml_pp",
            "maml_pp:MamlPlusPlus",
            "MAML++: rates and BatchNorm per step, a loss after each step, annealed orders",
            _MAML_PP,
        ),
        _learner(
            "meta_curvature",
            "meta_curvature:MetaCurvatureLearner",
            "MAML that learns matrices which multiply the inner gradients",
            _CURVATURE,
            inner=("differentiable", "maml:curvature"),
        ),
        _learner(
            "imaml",
            "imaml:Imaml",
            "iMAML: implicit gradients of a regularised inner problem, at the memory of one step",
            _IMAML,
            inner=("maml:implicit",),
        ),
        # Reptile differentiates no inner step. It asks for this word so that suites train it anew
        # for each inner loop, and not with strategies that only act when adapting.
        _learner(
            "reptile",
            "reptile:Reptile",
            "Reptile: moves the initialisation towards where the inner loop ends, first order",
            "Nichol, Achiam & Schulman 2018, arXiv 1803.02999",
        ),
        _computed_head(
            "protonet",
            "protonet:ProtoNet",
            "prototypical networks: the nearest mean of a class's features",
            "Snell, Swersky & Zemel 2017, arXiv 1703.05175",
        ),
        _computed_head(
            "matching",
            "matching:Matching",
            "matching networks: attention over the support's examples",
            "Vinyals et al. 2016, arXiv 1606.04080",
        ),
        _computed_head(
            "relation",
            "relation:Relation",
            "relation networks: a learned measure between query and class",
            "Sung et al. 2018, arXiv 1711.06025",
        ),
        _computed_head(
            "baseline_pp",
            "baseline_pp:BaselinePlusPlus",
            "Baseline++: pretraining with a cosine classifier, and a new one for each task",
            "Chen, Liu, Kira, Wang & Huang 2019, arXiv 1904.04232",
            view="pair",
        ),
        _computed_head(
            "r2d2",
            "r2d2:R2D2",
            "R2-D2: ridge regression on the support's labels, in closed form",
            "Bertinetto, Henriques, Torr & Vedaldi 2019, arXiv 1805.08136",
        ),
        _computed_head(
            "metaoptnet",
            "metaoptnet:MetaOptNet",
            "MetaOptNet: a support vector machine on the support, differentiated at its optimum",
            "Lee, Maji, Ravichandran & Soatto 2019, arXiv 1904.03758",
        ),
    ]


@hookimpl
def tlml_strategies() -> list[Spec]:
    """Return the inner loops."""
    return [
        _inner_loop(
            "sgd",
            "sgd:Sgd",
            "k gradient steps that can be differentiated: MAML's inner loop",
            _FINN,
        ),
        _inner_loop(
            "head_sgd",
            "head_sgd:HeadSgd",
            "gradient steps of the head only",
            _ANIL,
            gives=("differentiable", "maml:head"),
        ),
        _inner_loop(
            "body_sgd",
            "body_sgd:BodySgd",
            "gradient steps of all but the head",
            _BOIL,
            gives=("differentiable", "maml:body"),
        ),
        _inner_loop(
            "meta_sgd",
            "meta_sgd:MetaSgd",
            "gradient steps with a learned rate for each entry of each parameter",
            _LI,
            gives=("differentiable", "maml:rates"),
        ),
        _inner_loop(
            "per_step_sgd",
            "per_step_sgd:PerStepSgd",
            "gradient steps with learned rates per layer and step, and BatchNorm per step",
            _MAML_PP,
        ),
        _inner_loop(
            "meta_curvature",
            "meta_curvature:MetaCurvature",
            "gradient steps along a gradient multiplied by learned matrices",
            _CURVATURE,
            gives=("differentiable", "maml:curvature"),
        ),
        # Its derivative is that of the minimum, not of the steps: exact where they come close.
        _inner_loop(
            "implicit",
            "implicit:Implicit",
            "gradient steps to a regularised minimum, with the implicit gradient",
            _IMAML,
            gives=("maml:implicit",),
        ),
    ]


def _learner(
    name: str, target: str, summary: str, paper: str, inner: tuple[str, ...] = ("differentiable",)
) -> Spec:
    """Declare a learner that is trained through an inner loop which gives what is asked."""
    return Spec(
        name,
        f"tlml_maml.{target}",
        summary,
        paper=paper,
        approach="meta-learning",
        gives=frozenset({"loss"}),
        needs=("episodes", *inner, "regression|classification"),
    )


def _computed_head(
    name: str, target: str, summary: str, paper: str, view: str = "episodes"
) -> Spec:
    """Declare a learner whose head is computed from the support's features."""
    return Spec(
        name,
        f"tlml_maml.{target}",
        summary,
        paper=paper,
        approach="meta-learning",
        needs=(*dict.fromkeys((view, "episodes")), "classification"),
    )


def _inner_loop(
    name: str, target: str, summary: str, paper: str, gives: tuple[str, ...] = ("differentiable",)
) -> Spec:
    """Declare an inner loop."""
    return Spec(
        name,
        f"tlml_maml.{target}",
        summary,
        paper=paper,
        approach="model-transfer",
        gives=frozenset(gives),
        needs=("loss",),
    )
