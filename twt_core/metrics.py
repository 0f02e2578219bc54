"""How one student did: its accuracy, its tokens and its price, with their uncertainty."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import fmean, median
from typing import NamedTuple

from pydantic import BaseModel

from twt_core.errors import InputError
from twt_core.evaluation.config import EvaluationConfig
from twt_core.records import Prediction

#: Two students differ when a paired test gives less than this.
SIGNIFICANCE = 0.05

UNTOUCHED = "untouched"

#: The two-sided 95 % point of the normal distribution.
_Z = 1.959963984540054


class StageScore(BaseModel):
    """How a stage's student did on a set of queries. Shares are in [0, 1]; tokens are the student's own, the end token
    included; prices are in US dollars.

    Attributes:
        name: the stage, or the model.
        accuracy: the mean over questions of the share of their graded answers that are right. None: nothing is graded.
        accuracy_ci: its 95 % interval: `share_interval`, which for one answer a question is Wilson's.
        questions: the questions with a graded answer: what `accuracy` is over.
        answers: all answers = graded + ungraded.
        graded: those that are right or wrong.
        ungraded: those that are neither, by verdict: ``infra`` where grading itself failed, ``no_reference`` where the
            right answer is not known. They count nowhere as wrong; their tokens and seconds count.
        verdicts: all answers by verdict.
        mean_output_tokens: over all answers whose tokens are known; 0 where none are.
        median_output_tokens: likewise.
        p95_output_tokens: the length that 95 % of the answers do not pass, interpolated linearly.
        tokens_unknown: answers whose tokens are not known, as of a server that does not count them, or that are
            missing. One is enough for no price, nothing saved, and no place on the frontier.
        seconds_per_answer: mean, of its batch's time.
        usd_per_thousand: what a thousand answers cost at the prices of ``evaluation``. None where a price, or the
            length of a prompt, is not known.
        tokens_saved_vs_untouched: 1 - mean / the untouched student's mean; negative for one that writes more. None
            where there is no untouched student or it wrote nothing.
        tokens_saved_vs_first_stage: likewise, against the first stage that was trained.
        pass_at: by k, the chance that one of k answers is right, the unbiased estimator (Chen et al. 2021, eq. 1),
            over the questions with at least k graded answers. None where there is none.
        pass_at_ci: its 95 % interval, made as `accuracy_ci` is.
        judged_by: the models whose opinion the grades are.
        unsandboxed: whether a program of a model ran without walls for a grade.
        on_frontier: whether no other stage is at least as accurate with no more mean tokens, one of both better. None
            where there is none to compare with.
    """

    name: str
    accuracy: float | None
    accuracy_ci: tuple[float, float] | None
    mean_output_tokens: float
    median_output_tokens: float
    p95_output_tokens: float
    tokens_unknown: int = 0
    seconds_per_answer: float
    usd_per_thousand: float | None
    tokens_saved_vs_untouched: float | None = None
    tokens_saved_vs_first_stage: float | None = None
    questions: int
    answers: int
    graded: int
    ungraded: dict[str, int]
    verdicts: dict[str, int]
    pass_at: dict[int, float | None]
    pass_at_ci: dict[int, tuple[float, float] | None]
    judged_by: list[str]
    unsandboxed: bool
    on_frontier: bool | None = None


class AskedQuestion(NamedTuple):
    """What became of a question: its graded answers, right or wrong, and the tokens of all."""

    right: list[bool]
    tokens: list[int]

    @property
    def share(self) -> float | None:
        """The share of right answers; None where none is graded."""
        return fmean(self.right) if self.right else None


def by_question(predictions: Sequence[Prediction]) -> dict[tuple[str, str], AskedQuestion]:
    """The answers by query id and fingerprint, in order of appearance."""
    found: dict[tuple[str, str], AskedQuestion] = {}
    for one in predictions:
        asked = found.setdefault((one.query_id, one.question), AskedQuestion([], []))
        asked.tokens.append(one.tokens)
        if one.correct is not None:
            asked.right.append(one.correct)
    return found


def wilson_interval(right: float, total: float) -> tuple[float, float]:
    """The 95 % score interval of a share (Wilson 1927). `total` is above 0; neither need be whole."""
    share = right / total
    middle = (share + _Z**2 / (2 * total)) / (1 + _Z**2 / total)
    half = _Z / (1 + _Z**2 / total) * math.sqrt(share * (1 - share) / total + _Z**2 / (4 * total**2))
    return max(0.0, middle - half), min(1.0, middle + half)


def share_interval(shares: Sequence[float], answers: int) -> tuple[float, float]:
    """The 95 % interval of a mean of shares, one a question, over all questions that could have been asked.

    Wilson's, with the number of answers that would be worth as much if each were to a question of its own: share x (1 -
    share) / the variance of the mean (the design effect of clustered samples: Kish 1965; with Wilson's interval: Dean
    and Pagano 2015). For one answer a question that is the number of questions, and the interval is Wilson's own.

    Args:
        shares: at least one, each in [0, 1].
        answers: how many answers they are of: the most that the number can be.
    """
    mean, questions = fmean(shares), len(shares)
    variance = fmean((share - mean) ** 2 for share in shares) / questions
    # All right or all wrong says nothing about how alike the answers to one question are, nor does one question alone:
    # take them as one.
    worth = questions if mean in {0.0, 1.0} or questions == 1 else mean * (1 - mean) / max(variance, 1e-12)
    worth = min(max(worth, questions), answers)
    return wilson_interval(mean * worth, worth)


def pass_at_k(answers: int, right: int, k: int) -> float:
    """The unbiased estimate of pass@k from one question's answers (Chen et al. 2021, eq. 1); `answers` >= `k` >= 1."""
    return 1 - math.comb(answers - right, k) / math.comb(answers, k)


def score_stage(name: str, predictions: Sequence[Prediction], evaluation: EvaluationConfig | None = None) -> StageScore:
    """One student's answers, as numbers; its place among other stages is left open (see `score_stages`).

    Args:
        name: what the stage is called.
        predictions: its answers, one or several a question.
        evaluation: prices, and the k of pass@k; by default no prices, and pass@1.

    Raises:
        InputError: there are no answers.
    """
    if not predictions:
        raise InputError(f"{name}: there are no answers to score")
    evaluation = evaluation or EvaluationConfig()
    asked = [question for question in by_question(predictions).values() if question.right]
    graded = [p for p in predictions if p.correct is not None]
    # The end token counts, so that whoever answered wrote one.
    tokens = [p.tokens for p in predictions if p.tokens] or [0]
    passes = {k: _pass_at(asked, k) for k in evaluation.pass_at}
    accuracy, interval = _mean_share([fmean(question.right) for question in asked], len(graded))
    return StageScore(
        name=name,
        accuracy=accuracy,
        accuracy_ci=interval,
        mean_output_tokens=round(fmean(tokens), 2),
        median_output_tokens=round(float(median(tokens)), 2),
        p95_output_tokens=_p95(tokens),
        tokens_unknown=sum(not p.tokens for p in predictions),
        seconds_per_answer=round(fmean(p.seconds for p in predictions), 4),
        usd_per_thousand=_price(predictions, evaluation),
        questions=len(asked),
        answers=len(predictions),
        graded=len(graded),
        ungraded=_verdicts([p for p in predictions if p.correct is None]),
        verdicts=_verdicts(predictions),
        pass_at={k: value for k, (value, _) in passes.items()},
        pass_at_ci={k: interval for k, (_, interval) in passes.items()},
        judged_by=sorted({p.graded_by for p in predictions if p.graded_by is not None}),
        unsandboxed=any(p.unsandboxed for p in predictions),
    )


def _mean_share(shares: Sequence[float], answers: int) -> tuple[float | None, tuple[float, float] | None]:
    if not shares:
        return None, None
    low, high = share_interval(shares, answers)
    return round(fmean(shares), 4), (round(low, 4), round(high, 4))


def _pass_at(asked: Sequence[AskedQuestion], k: int) -> tuple[float | None, tuple[float, float] | None]:
    enough = [question.right for question in asked if len(question.right) >= k]
    shares = [pass_at_k(len(right), sum(right), k) for right in enough]
    return _mean_share(shares, sum(map(len, enough)) // k)


def _p95(tokens: Sequence[int]) -> float:
    import numpy as np

    return round(float(np.quantile(tokens, 0.95)), 2)


def _price(predictions: Sequence[Prediction], evaluation: EvaluationConfig) -> float | None:
    per_input, per_output = evaluation.input_usd_per_million, evaluation.output_usd_per_million
    if per_input is None or per_output is None or (per_input and not all(p.prompt_tokens for p in predictions)):
        return None
    if per_output and not all(p.tokens for p in predictions):
        return None
    mean = fmean(p.prompt_tokens * per_input + p.tokens * per_output for p in predictions)
    return round(mean * 1000 / 1_000_000, 6)


def _verdicts(predictions: Sequence[Prediction]) -> dict[str, int]:
    return dict(sorted(Counter(p.verdict or _plain_verdict(p.correct) for p in predictions).items()))


def _plain_verdict(correct: bool | None) -> str:
    return "ungraded" if correct is None else "right" if correct else "wrong"


def score_stages(
    stages: Mapping[str, Sequence[Prediction]], evaluation: EvaluationConfig | None = None
) -> list[StageScore]:
    """Stages on the same queries, each with what it saves and whether it is on the accuracy-per-token frontier.

    Args:
        stages: each stage's answers by its name, in the order of training. One called ``untouched`` is what the others
            are held against, and the first other one is the first stage.
        evaluation: as for `score_stage`.
    """
    scores = [score_stage(name, predictions, evaluation) for name, predictions in stages.items()]
    untouched = next((score for score in scores if score.name == UNTOUCHED), None)
    first = next((score for score in scores if score.name != UNTOUCHED), None)
    return [
        score.model_copy(
            update={
                "tokens_saved_vs_untouched": _saved(score, untouched),
                "tokens_saved_vs_first_stage": _saved(score, first),
                "on_frontier": on_frontier(score, scores),
            }
        )
        for score in scores
    ]


def _saved(score: StageScore, reference: StageScore | None) -> float | None:
    if reference is None or reference.tokens_unknown or score.tokens_unknown:
        return None
    return round(1 - score.mean_output_tokens / reference.mean_output_tokens, 4)


def on_frontier(score: StageScore, scores: Sequence[StageScore]) -> bool | None:
    """Whether none of `scores` beats one of them in accuracy or tokens without losing the other; see `StageScore`."""
    if len(scores) < 2 or score.tokens_unknown:
        return None
    return score.accuracy is not None and not any(_beats(other, score, score.accuracy) for other in scores)


def _beats(other: StageScore, score: StageScore, accuracy: float) -> bool:
    if other.accuracy is None or other.accuracy < accuracy or other.tokens_unknown:
        return False
    if other.mean_output_tokens > score.mean_output_tokens:
        return False
    return other.accuracy > accuracy or other.mean_output_tokens < score.mean_output_tokens


def score_tasks(
    stages: Mapping[str, Sequence[Prediction]], evaluation: EvaluationConfig | None = None
) -> dict[str, list[StageScore]]:
    """`score_stages` for each of a mixture's tasks, in order of appearance; empty where queries name no task."""
    tasks = dict.fromkeys(p.task for predictions in stages.values() for p in predictions if p.task is not None)
    return {
        task: score_stages({name: [p for p in rows if p.task == task] for name, rows in stages.items()}, evaluation)
        for task in tasks
    }
