"""Loss terms in anybody's training step: what is watched, and how a batch is divided."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from pytorch_lightning import LightningModule
from torch import Tensor, nn

from tlml import Batch, Context, Pair, Strategy, TlmlError
from tlml.finetuning.batch_terms import StepTerms, submodule


class Distance(Strategy):
    """The squared distance of the sides' mean features."""

    terms_in = "fit"
    sees = frozenset({"features"})

    def terms(self, context: Context) -> Mapping[str, Tensor]:
        gap = context.features_source.mean(0) - context.features_target.mean(0)
        return {"distance": (gap**2).sum()}


class Module(LightningModule):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Linear(2, 3), nn.Tanh())
        self.head = nn.Linear(3, 2)


SOURCE, TARGET = torch.randn(5, 2), torch.randn(4, 2)
BATCH = {"source": (SOURCE, torch.zeros(5)), "target": TARGET}


def terms(module: Module, features: str | None = "body", **options: Any) -> StepTerms:
    strategy = options.get("strategy", Distance())
    return StepTerms(strategy, module, "", features, None, lambda: 0.5)


def stepped(module: Module, made: StepTerms, *passes: Tensor) -> None:
    made.begin_step()
    for x in passes:
        module.body(x)


@pytest.mark.parametrize("together", [True, False])
def test_features_are_the_sides_in_one_pass_or_in_two(together: bool) -> None:
    module = Module()
    made = terms(module)
    stepped(module, made, *([torch.cat([SOURCE, TARGET])] if together else [SOURCE, TARGET]))
    expected = ((module.body(SOURCE).mean(0) - module.body(TARGET).mean(0)) ** 2).sum()
    stepped(module, made, *([torch.cat([SOURCE, TARGET])] if together else [SOURCE, TARGET]))
    torch.testing.assert_close(module.adapt(BATCH), expected)


def test_a_pair_is_divided_likewise() -> None:
    module = Module()
    made = terms(module)
    pair = Pair(
        Batch(SOURCE, torch.zeros(5)), Batch(TARGET[:0], torch.zeros(0)), TARGET, torch.arange(5)
    )
    stepped(module, made, SOURCE, TARGET)
    one = module.adapt(pair)
    stepped(module, made, SOURCE, TARGET)
    torch.testing.assert_close(one, module.adapt(BATCH))


def test_a_strategy_without_terms_adds_nothing() -> None:
    module = Module()
    made = terms(module, features=None, strategy=Strategy())
    made.begin_step()
    assert float(module.adapt(BATCH)) == 0.0
    made.end_step()


def message(run: Any, *arguments: Any) -> str:
    with pytest.raises(TlmlError) as caught:
        run(*arguments)
    return str(caught.value)


def test_what_was_not_called_or_does_not_fit_is_named() -> None:
    module = Module()
    made = terms(module)
    made.begin_step()
    assert message(module.adapt, BATCH) == (
        "adapt: 'body' was not called in this training step; call self.adapt(batch) once for each "
        "pass, after it"
    )
    stepped(module, made, SOURCE)
    assert message(module.adapt, BATCH) == (
        "adapt: 'body' gave 5 features in this training step, and the batch has 5 + 4 examples; "
        "pass the source and then the target through it"
    )
    assert message(module.adapt, SOURCE) == (
        "adapt: Distance needs source and target; give it a tlml.Pair, or a dict with 'source' and "
        "'target', not Tensor"
    )


def test_a_step_that_asks_for_no_term_is_told_how() -> None:
    module = Module()
    made = terms(module)
    made.begin_step()
    assert message(made.end_step) == (
        "Distance adds a loss, and training_step of Module doesn't ask for it; write there: "
        "loss = loss + self.adapt(batch)"
    )


def test_terms_need_a_name_for_what_they_look_at() -> None:
    assert message(terms, Module(), None) == (
        "features: Distance looks at features; name the submodule that gives them, as in "
        "tlml.Adapt(..., features='backbone')"
    )


def test_an_attribute_of_that_name_is_left_alone() -> None:
    module = Module()
    module.adapt = 1
    assert message(terms, module) == (
        "Module has an attribute 'adapt' of its own, which is what tlml.Adapt puts there; give it "
        "another name"
    )


def test_two_that_add_losses_are_refused() -> None:
    module = Module()
    terms(module)
    assert message(terms, module) == "adapt: two tlml.Adapt callbacks add losses; one can"


def test_released_it_leaves_nothing() -> None:
    module = Module()
    terms(module).release()
    assert not hasattr(module, "adapt") and not module.body._forward_hooks


def test_a_submodule_is_found_by_its_path_or_near_ones_are_told() -> None:
    module = Module()
    assert submodule(module, "body.0", "features") is module.body[0]
    assert submodule(module, "", "network") is module
    assert message(submodule, module, "bdoy", "features") == (
        "features: Module has no module 'bdoy'; did you mean body?"
    )
