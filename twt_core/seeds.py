"""One config with several seeds: how much of a result is chance."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, stdev

from pydantic import BaseModel

from twt_core import session
from twt_core.config import RunConfig, load_config
from twt_core.errors import InputError
from twt_core.progress import Progress
from twt_core.recipe import Recipe
from twt_core.run import write_whole
from twt_core.summary import Summary


class Spread(BaseModel):
    """One number of several runs. `deviation` is the sample standard deviation; None for a single run."""

    mean: float
    deviation: float | None
    lowest: float
    highest: float
    values: list[float]


class StageSpread(BaseModel):
    """One stage over the runs that have it; an adaptive schedule need not enter a stage with every seed.

    Attributes:
        name: the stage.
        runs: how many runs have it.
        accuracy: on the test queries, over the runs in which an answer was graded; None where there is none.
        output_tokens: the mean of each run.
    """

    name: str
    runs: int
    accuracy: Spread | None
    output_tokens: Spread


class SeedsSummary(BaseModel):
    """Several runs of one config that differ in the seed alone.

    Attributes:
        name: what the runs are called, without their seed.
        seeds: the seed of each run.
        runs: the folder name of each run.
        stages: the spread of each stage, in the order of training.
        recommended: how many runs recommend a stage, by stage, the most frequent first.
        teacher_calls: of all runs together. What one run paid for, no other pays for again.
        cost_usd: likewise.
        ungraded: answers to test queries, of all runs, that are neither right nor wrong.
        judged_by: the models whose opinion the grades are.
        unsandboxed_code: whether a program of a model ran without walls in any of them.
    """

    name: str
    seeds: list[int]
    runs: list[str]
    stages: list[StageSpread]
    recommended: dict[str, int]
    teacher_calls: int
    cost_usd: float
    ungraded: int
    judged_by: list[str]
    unsandboxed_code: bool


def run_seeds(
    config_path: Path,
    count: int,
    overrides: Sequence[str] = (),
    runs_dir: Path = Path("runs"),
    name: str | None = None,
    progress: Progress | None = None,
) -> SeedsSummary:
    """Do, or go on with, one run a seed: the config's own and those after it. What `twt run --seeds` calls.

    The run with seed S is the folder ``NAME-seed-S`` and like any other run; the result is ``NAME-seeds.json`` beside
    them. The seed is of the student: of its training and, above temperature 0, its answers. Teachers are asked the
    same, so their answers come from the ledger; a rewrite that follows the student's own text may be another request.
    Steps that do not depend on the seed are made once and shared.

    Args:
        config_path: the config file.
        count: how many runs, at least two.
        overrides: ``KEY=VALUE`` texts, as `--set` takes them.
        runs_dir: the project's folder of runs.
        name: what the runs are called before their seed; the config's name by default.
        progress: told how the work goes.

    Raises:
        InputError: bad input, or a folder of another config, found before the first run begins.
        TwtError: a run failed; the same call goes on with it, and with those after it.
    """
    progress = progress or Progress()
    if count < 2:
        raise InputError(f"--seeds {count}: a spread takes two runs or more")
    if name == "":
        raise InputError("--name is empty: give a plain folder name")
    first = load_config(config_path, overrides)
    name = name or first.name
    seeds = list(range(first.seed, first.seed + count))
    changes = {seed: [*overrides, f"seed={seed}"] for seed in seeds}
    for seed in seeds:
        refuse_other_run(runs_dir / run_name(name, seed), load_config(config_path, changes[seed]))
    found = []
    for place, seed in enumerate(seeds, start=1):
        progress.say(f"seed {seed}, run {place} of {count}: {run_name(name, seed)}")
        own = run_name(name, seed)
        beside = [runs_dir / run_name(name, other) for other in seeds if other != seed]
        found.append(session.run(config_path, changes[seed], runs_dir, own, progress, beside))
    result = spread_of(name, seeds, found)
    write_whole(runs_dir / f"{name}-seeds.json", result.model_dump_json(indent=2) + "\n")
    return result


def run_name(name: str, seed: int) -> str:
    """The folder of the run with a seed."""
    return f"{name}-seed-{seed}"


def refuse_other_run(folder: Path, config: RunConfig) -> None:
    """Make sure that a run folder is not of another config.

    Raises:
        InputError: it is, or its recipe is damaged.
    """
    before = Recipe.in_folder(folder)
    if before is not None and (made_by := before.identity.get("name")) != config.name:
        raise InputError(f"{folder}: made by another config, {made_by!r}. Give another --name, or remove the folder")


def spread_of(name: str, seeds: Sequence[int], summaries: Sequence[Summary]) -> SeedsSummary:
    """What the finished runs of several seeds have in common, and how far they are apart."""
    stages = dict.fromkeys(score.name for summary in summaries for score in summary.stages)
    return SeedsSummary(
        name=name,
        seeds=list(seeds),
        runs=[run_name(name, seed) for seed in seeds],
        stages=[_stage(stage, summaries) for stage in stages],
        recommended=dict(Counter(summary.recommended_stage for summary in summaries).most_common()),
        teacher_calls=sum(summary.teacher_calls for summary in summaries),
        cost_usd=round(sum(summary.cost_usd for summary in summaries), 6),
        ungraded=sum(summary.ungraded for summary in summaries),
        judged_by=sorted({judge for summary in summaries for score in summary.stages for judge in score.judged_by}),
        unsandboxed_code=any(summary.unsandboxed_code for summary in summaries),
    )


def _stage(name: str, summaries: Sequence[Summary]) -> StageSpread:
    scores = [score for summary in summaries for score in summary.stages if score.name == name]
    accuracies = [score.accuracy for score in scores if score.accuracy is not None]
    return StageSpread(
        name=name,
        runs=len(scores),
        accuracy=spread(accuracies) if accuracies else None,
        output_tokens=spread([score.mean_output_tokens for score in scores]),
    )


def spread(values: Sequence[float]) -> Spread:
    """How far values are apart; at least one."""
    return Spread(
        mean=round(fmean(values), 4),
        deviation=round(stdev(values), 4) if len(values) > 1 else None,
        lowest=min(values),
        highest=max(values),
        values=list(values),
    )
