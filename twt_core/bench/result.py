"""What a bench came to: `bench.json`."""

from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import BaseModel

from twt_core.comparisons import Comparison
from twt_core.metrics import StageScore
from twt_core.run import BENCH
from twt_core.seeds import Spread

#: In a bench's folder: all its numbers, and the arms as a table.
RESULT, TABLE = BENCH, "bench.csv"
#: The arms' accuracy against their tokens.
FIGURE = "frontier.svg"

#: ``done``: its run came to its end. ``failed``: it ended in an error. ``stopped``: the budget stopped it. ``waiting``:
#: batches are under way at a provider. ``running``: it is being made, or its process was killed. ``interrupted``: by
#: Ctrl-C. ``not_begun``: this time; there may be steps of an earlier one. From all of them the same command goes on.
State: TypeAlias = Literal["done", "failed", "stopped", "waiting", "running", "interrupted", "not_begun"]


class Combination(BaseModel):
    """One run of a bench.

    Attributes:
        name: the labels of its values, in the order of the axes, and its seed.
        run: its folder, relative to the bench's own.
        values: its label on each axis; the seed is no axis.
        seed: of the run.
        state: how far it is.
        error: why it failed or was stopped, as it was told; else None.
        steps: how many steps its run has so far.
        taken: those of them that another combination had made, by the step's folder: the combination.
        seconds: what making its other steps took.
        teacher_calls: answers that this run was the first to ask for.
        cost_usd: what those cost, calls that may have been billed at their worst case.
        maybe_billed_usd: how much of it nobody knows whether it was billed.
    """

    name: str
    run: str
    values: dict[str, str]
    seed: int
    state: State
    error: str | None = None
    steps: int = 0
    taken: dict[str, str] = {}
    seconds: float = 0.0
    teacher_calls: int = 0
    cost_usd: float = 0.0
    maybe_billed_usd: float = 0.0


class Arm(BaseModel):
    """The runs of a bench that differ in the seed alone, as one: each question's answers of all seeds count together.

    Attributes:
        name: the labels of its values, and of the stage where each stage is an arm.
        values: its label on each axis.
        group: the arms of one group were asked the same questions, so that they can be compared: the labels that chose
            the questions. Empty where all were asked the same.
        seeds: those whose run is done.
        runs: the folders of those runs, relative to the bench's own.
        stage: whose answers `score` is of, by seed; empty where no run is done.
        score: None where no run is done.
        accuracy_spread: over the seeds; None where nothing was graded.
        tokens_spread: of mean output tokens, over the seeds; None where no run is done.
        on_frontier: whether no other arm of the group is at least as accurate with no more mean tokens, one of both
            better; None where there is none to compare with.
        baseline: the arm that it is compared against; None for a baseline, and where it is not done.
        kept: annotations that passed the filter, the mean over the seeds.
        kept_right: the share of right labels among them, where the queries have answers.
        words_before: of a rationale before compression, the mean over what the first compressed stage was given.
        words_after: likewise after it.
        stages: every stage that all of its runs have, the untouched student first.
        teacher_calls: of its runs together; an answer counts in the run that was the first to ask for it.
        cost_usd: likewise.
        seconds: what making the steps took that were not taken from another combination.
    """

    name: str
    values: dict[str, str]
    group: str = ""
    seeds: list[int] = []
    runs: list[str] = []
    stage: dict[int, str] = {}
    score: StageScore | None = None
    accuracy_spread: Spread | None = None
    tokens_spread: Spread | None = None
    on_frontier: bool | None = None
    baseline: str | None = None
    kept: float | None = None
    kept_right: float | None = None
    words_before: float | None = None
    words_after: float | None = None
    stages: list[StageScore] = []
    teacher_calls: int = 0
    cost_usd: float = 0.0
    seconds: float = 0.0


class BenchResult(BaseModel):
    """All numbers of a bench, as far as it is. Prices are in US dollars.

    Attributes:
        name: the bench's.
        reduced: whether it was made at the reduced size that its config gives.
        axes: the labels of each axis, in order.
        seeds: of each combination of the axes' values.
        stage: whose student stands for an arm: ``last``, ``recommended``, ``each``, or a stage's name.
        baseline: the labels that make an arm one to compare against.
        combinations: every run, in the order in which they are made.
        arms: those that differ in more than the seed.
        comparisons: each arm against the baseline's that has the same labels on the other axes, on the same questions:
            the baseline is the first, p corrected over all of them.
        budget_usd: the most that all combinations together may cost; None: unlimited.
        teacher_calls: of all combinations.
        cost_usd: likewise.
        maybe_billed_usd: how much of it nobody knows whether it was billed.
        unsandboxed_code: whether a program of a model ran without walls for a grade.
        simulated: teachers whose answers are made up.
        notes: what is to be said of the numbers.
        versions: of what made them.
    """

    name: str
    reduced: bool
    axes: dict[str, list[str]]
    seeds: list[int]
    stage: str
    baseline: dict[str, str]
    combinations: list[Combination]
    arms: list[Arm]
    comparisons: list[Comparison]
    budget_usd: float | None
    teacher_calls: int
    cost_usd: float
    maybe_billed_usd: float
    unsandboxed_code: bool
    simulated: list[str]
    notes: list[str]
    versions: dict[str, str]
