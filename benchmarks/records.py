"""Which command makes each record of `results/`, and what code it measures.

A command's own module counts where it holds settings or sides of what is compared, and not where it
only measures and writes.
"""

from __future__ import annotations

from dataclasses import dataclass

SPEED = "benchmarks/speed"
LEARNING = ("tlml/data", "tlml/learners", "tlml/networks", "tlml/metrics/losses.py", "tlml/views")
META = (*LEARNING, "tlml/meta", "tlml/strategies", "plugins/tlml_maml")
AGENTS = (*LEARNING, "plugins/tlml_rl")


@dataclass(frozen=True, slots=True)
class Claim:
    """A record and where it comes from.

    Args:
        record: Its file in `results/`.
        command: What makes it.
        measures: Files and folders, from the root of the checkout; where one changed, the record
            is older than what it tells of.
    """

    record: str
    command: str
    measures: tuple[str, ...]


CLAIMS = (
    Claim(
        "meta.json", "python -m benchmarks.speed.meta",
        (*META, f"{SPEED}/cases.py", f"{SPEED}/peer.py", f"{SPEED}/sides.py",
         f"{SPEED}/workload.py"),
    ),
    Claim(
        "training.json", "python -m benchmarks.speed.training",
        (*META, "plugins/tlml_synthetic", f"{SPEED}/peer.py", f"{SPEED}/training.py"),
    ),
    Claim(
        "continual.json", "python -m benchmarks.speed.continual",
        (*LEARNING, "tlml/meta", "plugins/tlml_continual", f"{SPEED}/continual_sides.py",
         f"{SPEED}/continual_trainer.py", f"{SPEED}/lamaml_by_hand.py"),
    ),
    Claim(
        "rl_speed.json", "python -m benchmarks.speed.rl",
        (*LEARNING, "plugins/tlml_rl/base", "plugins/tlml_rl/ppo.py",
         "plugins/tlml_rl/returns.py", "plugins/tlml_rl/worlds", f"{SPEED}/rl_sides.py"),
    ),
    Claim(
        "replay_speed.json", "python -m benchmarks.speed.replay",
        (*AGENTS, f"{SPEED}/replay_sides.py", f"{SPEED}/rl_sides.py"),
    ),
    Claim(
        "transfer.json", "python -m benchmarks.transfer.compare",
        (*LEARNING, "plugins/tlml_synthetic", "plugins/tlml_transfer", "plugins/tlml_vision",
         "benchmarks/transfer/arrays.py", "benchmarks/transfer/cases.py",
         "benchmarks/transfer/deep.py", "benchmarks/transfer/sides.py"),
    ),
    Claim(
        "report_speed.json", "python -m benchmarks.speed.report",
        ("tlml/reports", "tlml/presentation", "tlml/metrics/intervals.py",
         f"{SPEED}/report_folders.py"),
    ),
    Claim("agents.json", "python -m benchmarks.rl", (*AGENTS, "benchmarks/rl.py")),
    Claim("cheetah.json", "python -m benchmarks.cheetah", (*AGENTS, "benchmarks/cheetah.py")),
    Claim(
        "meta_rl.json", "python -m benchmarks.meta_rl",
        (*AGENTS, "tlml/meta", "tlml/strategies", "benchmarks/meta_rl.py"),
    ),
    Claim(
        "quickstart.json", "python -m benchmarks.quickstart",
        (*META, "tlml/finetuning", "tlml/selection", "tlml/suites",
         "plugins/tlml_transfer/finetune", "plugins/tlml_transfer/supervised.py",
         "plugins/tlml_vision", "benchmarks/quickstart.py", "benchmarks/quickstart_grids.yaml"),
    ),
    # Games were stopped by hand, as results/agents.md tells.
    Claim(
        "pixels.json", "python -m benchmarks.rl ppo_minigrid_rgb; games by hand",
        (*AGENTS, "benchmarks/rl.py"),
    ),
)  # fmt: skip
