"""The arms of a bench: runs that differ in the seed alone, as one; and how each compares with the baseline's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from twt_core.bench.grid import Grid, GridRun, arm_name, stages_of
from twt_core.bench.result import Arm, Combination
from twt_core.bench.runs import Done
from twt_core.bench.settings import EACH, LAST, RECOMMENDED, STAGE
from twt_core.comparisons import Comparison, compare, holm
from twt_core.metrics import StageScore, on_frontier, score_stage, score_stages
from twt_core.records import Prediction
from twt_core.seeds import spread
from twt_core.summary import Summary


@dataclass(frozen=True)
class Answers:
    """An arm, and the test answers that its score is of."""

    arm: Arm
    predictions: list[Prediction]


def arms_of(
    grid: Grid, combinations: Sequence[Combination], finished: Sequence[Done], groups: Mapping[str, str]
) -> list[Answers]:
    """Every arm of a grid, in order; one without a finished run has no score.

    Args:
        grid: the grid.
        combinations: its runs, for what they cost.
        finished: those that are done.
        groups: the group of each run, by its name.
    """
    found: list[Answers] = []
    for values in _distinct([run.values for run in grid.runs]):
        own = [run for run in grid.runs if run.values == values]
        runs = [one for one in finished if one.run.values == values]
        spent = [one for one in combinations if one.values == values]
        base = Arm(
            name=arm_name(list(values.values())) or grid.name,
            values=values,
            group=groups.get(own[0].name, ""),
            teacher_calls=sum(one.teacher_calls for one in spent),
            cost_usd=round(sum(one.cost_usd for one in spent), 6),
            seconds=round(sum(one.seconds for one in spent), 3),
        )
        found += _by_stage(grid, base, own[0], runs) if grid.stage == EACH else [_answers(grid.stage, base, runs)]
    return found


def _by_stage(grid: Grid, base: Arm, first: GridRun, runs: Sequence[Done]) -> list[Answers]:
    """An arm for each stage that its runs have, or may have while none is done."""
    may_have = _stages(runs) or stages_of(first)
    return [
        _answers(stage, base.model_copy(update={
            "name": f"{base.name}+{stage}" if base.values else stage, "values": {**base.values, STAGE: stage},
        }), runs)
        for stage in grid.axes[STAGE] if stage in may_have
    ]  # fmt: skip


def _answers(stage: str, arm: Arm, runs: Sequence[Done]) -> Answers:
    chosen = {one.run.config.seed: _stage(stage, one.summary) for one in runs}
    having = [one for one in runs if chosen[one.run.config.seed] is not None]
    if not having:
        return Answers(arm, [])
    names = {seed: name for seed, name in chosen.items() if name is not None}
    predictions = pooled([one.predictions(names[one.run.config.seed]) for one in having])
    scores = [_score_of(one.summary, names[one.run.config.seed]) for one in having]
    accuracies = [score.accuracy for score in scores if score.accuracy is not None]
    stages = _scores(having)
    same = next((score for score in stages if set(names.values()) == {score.name}), None)
    filled = arm.model_copy(
        update={
            "seeds": list(names),
            "runs": [f"../{one.run.folder}" for one in having],
            "stage": names,
            "score": same or score_stage(arm_name(sorted(set(names.values()))), predictions),
            "accuracy_spread": spread(accuracies) if accuracies else None,
            "tokens_spread": spread([score.mean_output_tokens for score in scores]),
            "stages": stages,
            **_of_sampling([one.summary for one in having]),
        }
    )
    return Answers(filled, predictions)


def _stage(rule: str, summary: Summary) -> str | None:
    """The stage that stands for a run; None where it has none of that name."""
    names = [score.name for score in summary.stages]
    if rule == LAST:
        return names[-1]
    if rule == RECOMMENDED:
        return summary.recommended_stage
    return rule if rule in names else None


def _score_of(summary: Summary, stage: str) -> StageScore:
    return next(score for score in summary.stages if score.name == stage)


def _stages(runs: Sequence[Done]) -> list[str]:
    """The stages that all runs have, in the order of the first."""
    having = [{score.name for score in one.summary.stages} for one in runs]
    return [score.name for one in runs[:1] for score in one.summary.stages if all(score.name in n for n in having)]


def _scores(runs: Sequence[Done]) -> list[StageScore]:
    stages = {stage: pooled([one.predictions(stage) for one in runs]) for stage in _stages(runs)}
    return score_stages(stages, runs[0].run.config.evaluation)


def pooled(runs: Sequence[Sequence[Prediction]]) -> list[Prediction]:
    """The answers of several runs to the same questions, as several answers to each question."""
    if len(runs) == 1:
        return list(runs[0])
    found, first = [], 0
    for rows in runs:
        found += [row.model_copy(update={"sample": first + row.sample}) for row in rows]
        first += 1 + max((row.sample for row in rows), default=0)
    return found


def _of_sampling(summaries: Sequence[Summary]) -> dict[str, float | None]:
    """What was kept, how much of it is right, and what compression did: means over the runs."""
    shortened = [next(iter(one.compression.values())) for one in summaries if one.compression]
    return {
        "kept": _mean([one.annotations.kept for one in summaries]),
        "kept_right": _mean([share for one in summaries if (share := _kept_right(one)) is not None], 4),
        "words_before": _mean([one.mean_words_before for one in shortened]),
        "words_after": _mean([one.mean_words_after for one in shortened]),
    }


def _kept_right(summary: Summary) -> float | None:
    rows = [(row.kept, row.kept_label_accuracy) for row in summary.teachers if row.kept_label_accuracy is not None]
    total = sum(kept for kept, _ in rows)
    return sum(kept * share for kept, share in rows) / total if total else None


def _mean(values: Sequence[float], digits: int = 2) -> float | None:
    return round(fmean(values), digits) if values else None


def _distinct(values: Sequence[dict[str, str]]) -> list[dict[str, str]]:
    return [one for place, one in enumerate(values) if one not in values[:place]]


def on_frontiers(arms: Sequence[Answers]) -> list[Answers]:
    """The arms, each with its place among those of its group."""
    found = []
    for one in arms:
        scores = [other.arm.score for other in arms if other.arm.group == one.arm.group and other.arm.score is not None]
        place = None if one.arm.score is None else on_frontier(one.arm.score, scores)
        found.append(Answers(one.arm.model_copy(update={"on_frontier": place}), one.predictions))
    return found


def with_baselines(arms: Sequence[Answers], baseline: Mapping[str, str]) -> list[Answers]:
    """The arms, each with the name of the one that it is compared against."""
    names = {tuple(sorted(one.arm.values.items())): one.arm for one in arms if one.arm.score is not None}
    found = []
    for one in arms:
        against = names.get(tuple(sorted({**one.arm.values, **baseline}.items())))
        fit = one.arm.score is not None and against is not None and against.name != one.arm.name
        name = against.name if fit and against is not None and against.group == one.arm.group else None
        found.append(Answers(one.arm.model_copy(update={"baseline": name}), one.predictions))
    return found


def comparisons(arms: Sequence[Answers]) -> list[Comparison]:
    """Each arm against its baseline, the p corrected over all of them (Holm 1979)."""
    by_name = {one.arm.name: one for one in arms}
    found = [
        compare(by_name[one.arm.baseline].predictions, one.predictions, (one.arm.baseline, one.arm.name))
        for one in arms
        if one.arm.baseline is not None
    ]
    corrected = holm([one.p_value for one in found])
    return [
        one.model_copy(update={"p_corrected": p, "compared_together": len(found)})
        for one, p in zip(found, corrected, strict=True)
    ]
