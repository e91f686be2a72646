"""Errors in suite files: one line, with its number and path."""

from __future__ import annotations

from pathlib import Path

import pytest
from suite_files import error_of, load
from suite_stubs import EXAMPLE

from tlml.registry import Registry


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


NAME = "a name is made of letters, digits, '_', '-' and '.', and starts with a letter or a digit"


SHOTS = "must be a whole number, a share such as 0.1, or all"
TUNE = "must be [low, high, log], [low, high, linear] or {values: [...]}"


SCRATCH = "  scratch: {strategy: scratch}"


# An option of a fit that is to be chosen, its values, and what is wrong.
TUNED_FITS = [
    ("learner.lrr", "[1, 2, log]",
     "tune: learner maml: no option is called 'lrr'; did you mean lr?"),
    ("learner.seed", "{values: [1]}",
     "tune: 'seed' is not an option here, it is set by seeds"),
    ("trainer.max_epoch", "{values: [1]}",
     "tune: Trainer: no option is called 'max_epoch'; did you mean max_epochs?"),
    ("trainer.max_epochs", "{values: [1, -2]}",
     "tune: Trainer: 'max_epochs' must be a whole number of at least 0, or -1 where something else "
     "ends the training, is -2"),
    ("trainer.devices", "{values: [1, 2]}",
     "tune: 'devices' is not an option here, it is set by the suite: a cell is one process, and "
     "--jobs says how many run side by side"),
    ("strategy.lrr", "[1, 2, log]",
     "tune: strategy sgd: no option is called 'lrr'; did you mean lr?"),
    ("view.ways", "{values: [1, 2]}",
     "tune: 'view.ways' is of none that can be tuned: learner, trainer and strategy"),
    ("lr", "[1, 2, log], strategy.lr: [1, 3, log]", "tune: 'lr' and 'strategy.lr' are the "
     "same option"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "to", "message"),
    [
        # Keys
        ("view: {", "veiw: {", "4: domains.waves: unknown key 'veiw'; did you mean 'view'?"),
        ("name: quick", "nam: quick", "1: unknown key 'nam'; did you mean 'name'?"),
        ("fit: pre", "fti: pre", "11: methods.full: unknown key 'fti'; did you mean 'fit'?"),
        ("fit: pre", "learner: maml, fit: pre",
         "11: methods.full.learner: the learner is that of the fit pre; leave it out"),
        ("seeds: 2", "seeds: 2\nseeds: 3", "3: duplicate key 'seeds' (first on line 2)"),
        ("waves:", "letters14: {shots: 1}\n  letters14:",
         "5: domains: duplicate key 'letters14' (first on line 4)"),
        ("name: quick", "episodes: 3", "1: the key 'name' is missing"),
        ("shots: 1, ", "", "5: domains.letters14: what to compare over is missing: give one of "
         "shots, stream, env_steps"),
        # Values
        ("shots: 1", "shots: -1", "5: domains.letters14.shots: must be at least 0, is -1"),
        ("[5, 10]", "[5,\n   -1]", "5: domains.waves.shots[1]: must be at least 0, is -1"),
        ("shots: 1", "shots: []", "5: domains.letters14.shots: must not be empty"),
        ("shots: 1", "shots: [1, 1]", "5: domains.letters14.shots: holds 1 twice"),
        ("shots: 1", "shots: few",
         f"5: domains.letters14.shots: {SHOTS}, is 'few'"),
        ("shots: 1", "shots: 1.5",
         f"5: domains.letters14.shots: {SHOTS}, is 1.5"),
        ("seeds: 2", "seeds: 0", "2: seeds: must be greater than 0, is 0"),
        ("seeds: 2", "seeds: -1", "2: seeds: must be greater than 0, is -1"),
        ("seeds: 2", "seeds: []", "2: seeds: must not be empty"),
        ("seeds: 2", "seeds: [0, -1]", "2: seeds[1]: must be at least 0, is -1"),
        ("seeds: 2", "seeds: [0, x]", "2: seeds[1]: must be a whole number, is 'x'"),
        ("seeds: 2", "seeds: [1, 1]", "2: seeds: holds 1 twice"),
        ("seeds: 2", "seeds: true",
         "2: seeds: must be a whole number or a list of them, is True"),
        ("seeds: 2", "episodes: 0", "2: episodes: must be greater than 0, is 0"),
        ("shots: 1", "episodes: 0, shots: 1",
         "5: domains.letters14.episodes: must be greater than 0, is 0"),
        ("name: quick", "name: ../x", f"1: name: '../x' is not a name; {NAME}"),
        ("name: quick", "name: 5", "1: name: must be text, is 5"),
        ("name: quick", "name: " + "x" * 65, "1: name: must have at most 64 characters"),
        (SCRATCH, "  a b: {}", f"10: methods.a b: 'a b' is not a name; {NAME}"),
        (SCRATCH, "  scratch: scratch", "10: methods.scratch: must be a mapping, is 'scratch'"),
        (SCRATCH, "  scratch:", "10: methods.scratch: must be a mapping, is None"),
        ("strategy: full", "head: old",
         "11: methods.full.head: must be 'kept' or 'new', is 'old'"),
        ("learner: maml", "learner: ''", "8: fits.maml.learner: must not be empty"),
        ("options: {size: 14}", "options: 14",
         "5: domains.letters14.options: must be a mapping, is 14"),
        # References
        ("fit: pre", "fit: per", "11: methods.full.fit: no fit is called 'per'; did you mean pre?"),
        ("sgd, strategy_options", "sgd, fit: per, strategy_options",
         "8: fits.maml.fit: no fit is called 'per'; did you mean pre?"),
        ("sgd, strategy_options", "sgd, fit: maml, strategy_options",
         "8: fits.maml.fit: maml would start from itself"),
        ("sgd, strategy_options", "sgd, fit: pre, strategy_options",
         "8: fits.maml.fit: learner maml has no option pretrained to start from it; centroid can"),
        ("learner: supervised, options: {lr: 1e-3}",
         "learner: centroid, fit: maml, options: {pretrained: last.ckpt}",
         "7: fits.pre.options: 'pretrained' is not an option here, it is set by fit, beside "
         "options"),
        ("seeds: 2", "baseline: scrach",
         "2: baseline: no method is called 'scrach'; did you mean scratch?"),
        (SCRATCH, "  scratch: {}",
         "10: methods.scratch: needs a strategy, or a fit to start from"),
        ("strategy: full", "strategy: full, shots: [5, 3]",
         "11: methods.full.shots: no domain is compared at 3 shots, but at 1, 5, 10"),
        ("{strategy: scratch}", "{strategy: scratch, shots: 5}",
         "10: methods.scratch.shots: the others are compared with this method, at all shots: "
         "leave it out"),
        # Registered names
        ("waves:", "waves2:",
         "4: domains.waves2: no domain is called 'waves2'; did you mean waves?"),
        ("domain: letters", "domain: leters",
         "5: domains.letters14.domain: no domain is called 'leters'; did you mean letters?"),
        ("learner: maml", "learner: mamal",
         "8: fits.maml.learner: no learner is called 'mamal'; did you mean maml?"),
        ("strategy: sgd,", "strategy: sdg,",
         "8: fits.maml.strategy: no strategy is called 'sdg'; did you mean sgd?"),
        ("strategy: full", "strategy: ful",
         "11: methods.full.strategy: no strategy is called 'ful'; did you mean full?"),
        # Options
        ("size: 14", "siz: 14",
         "5: domains.letters14.options: domain letters: no option is called 'siz'; "
         "did you mean size?"),
        ("size: 14", "size: big",
         "5: domains.letters14.options: domain letters: option 'size' must be int, "
         "is 'big' (str)"),
        ("queries: 3", "querys: 3",
         "4: domains.waves.view: views: no option is called 'querys'; did you mean queries?"),
        ("queries: 3", "split: source",
         "4: domains.waves.view: 'split' is not an option here, it is set by the suite: fits see "
         "source and validation, tests the target"),
        ("network:", "netwrk:",
         "5: domains.letters14.learner: learners maml, supervised: no option is called 'netwrk'; "
         "did you mean network?"),
        ("network: conv4", "seed: 4",
         "5: domains.letters14.learner: 'seed' is not an option here, it is set by seeds"),
        ("lr: 1e-3", "lr: fast",
         "7: fits.pre.options: learner supervised: option 'lr' must be float, is 'fast' (str)"),
        ("{lr: 1e-3}", "{\n   lr: 1,\n   l: 1}",
         "9: fits.pre.options: learner supervised: no option is called 'l'; did you mean lr?"),
        ("strategy: sgd, strategy_options", "options: {strategy: sgd}, strategy_options",
         "8: fits.maml.options: 'strategy' is not an option here, it is set by strategy, "
         "beside options"),
        ("lr: 0.4", "lrs: 0.4",
         "8: fits.maml.strategy_options: strategy sgd: no option is called 'lrs'; "
         "did you mean lr?"),
        ("options: {lr: 1e-3}", "strategy_options: {lr: 1}",
         "7: fits.pre.strategy_options: are options of no strategy: name one beside "
         "strategy_options"),
        ("options: {lr: 1e-3}", "view: {batch: 64}",
         "7: fits.pre.view: view of learner supervised: no option is called 'batch'; "
         "did you mean batch_size?"),
        ("{fit: maml, strategy: sgd, options: {steps: 5}}", "{fit: pre, options: {steps: 5}}",
         "12: methods.maml.options: are options of no strategy: name one beside options"),
        ("steps: 5", "stesp: 5",
         "12: methods.maml.options: strategy sgd: no option is called 'stesp'; "
         "did you mean steps?"),
        ("strategy: full", "strategy: mmd",
         "11: methods.full: strategy mmd: option 'weight' is missing (float)"),
        ("max_epochs", "max_epoch",
         "7: fits.pre.trainer: Trainer: no option is called 'max_epoch'; "
         "did you mean max_epochs?"),
        ("seeds: 2", "trainer: {max_step: 5}",
         "2: trainer: Trainer: no option is called 'max_step'; did you mean max_steps?"),
        # The Trainer's
        ("max_epochs: 10", "max_epochs: -7",
         "7: fits.pre.trainer: Trainer: 'max_epochs' must be a whole number of at least 0, or -1 "
         "where something else ends the training, is -7"),
        ("max_epochs: 10", "max_epochs: -1",
         "7: fits.pre.trainer: Trainer: 'max_epochs' must be a whole number of at least 0, or -1 "
         "where something else ends the training, is -1"),
        ("seeds: 2", "trainer: {max_steps: many}",
         "2: trainer: Trainer: option 'max_steps' must be int, is 'many' (str)"),
        ("max_epochs: 10", "callbacks: [x]",
         "7: fits.pre.trainer: 'callbacks' is not an option here, it is set by the suite: it shows "
         "the progress of all cells, and keeps their checkpoints"),
        ("seeds: 2", "trainer: {enable_progress_bar: true}",
         "2: trainer: 'enable_progress_bar' is not an option here, it is set by the suite: it "
         "shows the progress of all cells, and keeps their checkpoints"),
        ("seeds: 2", "trainer: {enable_model_summary: true}",
         "2: trainer: 'enable_model_summary' is not an option here, it is set by the suite: it "
         "shows the progress of all cells, and keeps their checkpoints"),
        ("seeds: 2", "trainer: {logger: true}",
         "2: trainer: 'logger' is not an option here, it is set by the suite: each fit logs to its "
         "own folder"),
        ("shots: 1, ", "trainer: {devices: 9}, shots: 1, ",
         "5: domains.letters14.trainer: 'devices' is not an option here, it is set by the suite: a "
         "cell is one process, and --jobs says how many run side by side"),
        # What is absurd
        ("seeds: 2", "seeds: 1000000000", "2: seeds: must be at most 1000, is 1000000000"),
        ("seeds: 2", f"seeds: {10**80}", f"2: seeds: must be at most 1000, is 1{'0' * 59}..."),
        ("seeds: 2", f"seeds: [{10**30}]", f"2: seeds[0]: must be at most 4294967295, is {10**30}"),
        ("seeds: 2", f"episodes: {10**30}",
         f"2: episodes: must be at most 4294967295, is {10**30}"),
        ("name: quick", "name: [" + "x" * 10_000 + "]", "1: name: must be text, is ['"
         + "x" * 58 + "..."),
        ("name: quick", "name: quick\n" + "x" * 100 + ": 1", "2: unknown key '" + "x" * 60
         + "...'; choose from 'baseline', 'domains', 'episodes', 'fits', "
         "'methods', 'name', 'seeds', 'trainer'"),
        ("strategy: sgd,", "strategy: " + "x" * 10_000 + ",",
         "8: fits.maml.strategy: no strategy is called '" + "x" * 60 + "...'; "
         "choose from full, hidden, mmd, scratch, sgd"),
        ("size: 14", "size: " + "x" * 10_000,
         "5: domains.letters14.options: domain letters: option 'size' must be int, is '" + "x" * 59
         + "... (str)"),
        # Ranges
        ("log]", "lgo]", f"11: methods.full.tune.lr: {TUNE}, is [0.001, 0.1, 'lgo']"),
        ("[0.001, 0.1, log]", "[0.1]", f"11: methods.full.tune.lr: {TUNE}, is [0.1]"),
        ("[0.001, 0.1, log]", "{values: []}",
         f"11: methods.full.tune.lr: {TUNE}, is {{'values': []}}"),
        ("[0.001, 0.1, log]", "0.1", f"11: methods.full.tune.lr: {TUNE}, is 0.1"),
        ("[0.001, 0.1, log]", "[true, 2, log]",
         f"11: methods.full.tune.lr: {TUNE}, is [True, 2, 'log']"),
        ("[0.001, 0.1, log]", "[0.1, 0.001, log]",
         "11: methods.full.tune.lr: low 0.1 is not below high 0.001"),
        ("[0.001, 0.1, log]", "[0, 0.1, log]",
         "11: methods.full.tune.lr: a log range must start above 0, starts at 0"),
        ("{lr: [0", "{lrr: [0",
         "11: methods.full.tune: strategy full: no option is called 'lrr'; did you mean lr?"),
        ("{lr: [0.001, 0.1, log]}", "{steps: {values: [5, 0.5]}}",
         "11: methods.full.tune: strategy full: option 'steps' must be int, is 0.5 (float)"),
        ("{lr: [0.001, 0.1, log]}", "{steps: [5, 50, linear]}",
         "11: methods.full.tune: strategy full: option 'steps' must be int, is 5.0 (float)"),
        # What is to be chosen in fits
        *(("strategy_options: {lr: 0.4}}", f"tune: {{{key}: {values}}}}}",
           f"8: fits.maml.{message}") for key, values, message in TUNED_FITS),
        ("options: {lr: 1e-3}", "tune: {lr: [1, 2, log]}",
         "7: fits.pre.tune: are options of no strategy: name one beside tune"),
        ("options: {lr: 1e-3}", "strategy: full, tune: {lr: [1, 2, log]}",
         "7: fits.pre.tune: strategy full takes no part in this training; tune it in methods"),
        ("strategy_options: {lr: 0.4}", "criterion: entropy",
         "8: fits.maml.criterion: 'entropy' cannot judge: learner maml trains on no pairs of "
         "source and target: leave it out, or take validation tasks"),
        ("strategy_options: {lr: 0.4}", "criterion: stream",
         "8: fits.maml.criterion: 'stream' cannot judge: learner maml learns no stream"),
        ("[0.001, 0.1, log]", "{values: [slow, fast]}",
         "11: methods.full.tune: strategy full: option 'lr' must be float, is 'slow' (str)"),
    ],
)  # fmt: skip
def test_each_error_is_one_line_with_the_line_and_the_path(
    here: Path, registry: Registry, change: str, to: str, message: str
) -> None:
    assert change in EXAMPLE
    assert error_of(EXAMPLE.replace(change, to), registry) == f"bad.yaml:{message}"


def test_the_first_error_in_the_file_is_reported(here: Path, registry: Registry) -> None:
    text = EXAMPLE.replace("shots: 1", "shots: -1").replace("fit: pre", "ft: pre")
    message = "bad.yaml:5: domains.letters14.shots: must be at least 0, is -1"
    assert error_of(text, registry) == message


def test_options_that_cannot_be_read_are_accepted(here: Path, registry: Registry) -> None:
    text = EXAMPLE.replace("{strategy: scratch}", "{strategy: hidden, options: {any: [1, {b: 2}]}}")
    assert load(text, registry).methods["scratch"].options == {"any": [1, {"b": 2}]}


def test_a_whole_number_serves_as_a_float(here: Path, registry: Registry) -> None:
    assert load(EXAMPLE.replace("lr: 1e-3", "lr: 1"), registry).fits["pre"].options == {"lr": 1}


def test_without_the_learner_of_untrained_methods_they_are_refused(here: Path) -> None:
    blocked = Registry(block=["transfer"])
    text = "name: x\ndomains: {glyphs: {shots: 1}}\nmethods: {a: {strategy: sgd}}\n"
    assert error_of(text, blocked).startswith("bad.yaml:3: methods.a: no learner is called 'super")
