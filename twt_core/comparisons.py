"""Two models on the same questions: what their difference is, and how sure that is.

Everything is paired by question, so that what makes a question hard for both does not count as uncertainty. Several
answers to a question count together: its accuracy is the share of right ones, its tokens are their mean.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations
from statistics import fmean
from typing import TYPE_CHECKING, Literal, TypeAlias

from pydantic import BaseModel

from twt_core.errors import InputError
from twt_core.metrics import SIGNIFICANCE, AskedQuestion, by_question
from twt_core.records import Prediction
from twt_core.resampling import RESAMPLES, percentile_interval, resampled_means, sign_flip

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Predictions: TypeAlias = Sequence[Prediction]

#: Smaller p-values are not told apart in print.
LEAST_P = 0.001

_Key: TypeAlias = tuple[str, str]
_Pair: TypeAlias = tuple[AskedQuestion, AskedQuestion]


class Comparison(BaseModel):
    """Two models on the same questions. Accuracies are shares in [0, 1]; a difference is the second less the first.

    Attributes:
        first: the model that is compared against.
        second: the other one.
        questions: how many both answered; what the tokens are of.
        graded: those of them with a graded answer on both sides; what everything about accuracy is over.
        first_accuracy: None where nothing is graded, as all that follows from it.
        second_accuracy: likewise.
        accuracy_difference: `second_accuracy` - `first_accuracy`.
        accuracy_difference_ci: its 95 % interval: the percentile interval of a paired bootstrap over the questions and
            two more, one that only the first got right and one that only the second did (as Bonett and Price 2012 add
            them for their interval): without, it would be too narrow where few questions tell the two apart.
        first_better: questions that the first answered better: right where the second was wrong, or right more often.
        second_better: questions that the second answered better.
        test: what `p_value` is of. ``mcnemar``: the exact McNemar test (McNemar 1947). ``permutation``: its like for
            several answers a question, flipping signs at random (`twt_core.resampling.sign_flip`).
        p_value: two-sided: how likely a difference at least as large is, were there none.
        p_corrected: the same, corrected for all comparisons that were made together (Holm 1979).
        compared_together: how many those are.
        first_tokens: mean output tokens a question, over the questions whose tokens are known on both sides.
        second_tokens: likewise; both are None where there is no such question.
        token_ratio: `second_tokens` / `first_tokens`; below 1, the second is terser.
        token_ratio_ci: its 95 % percentile interval by paired bootstrap.
        resamples: how often the bootstrap drew questions.
    """

    first: str
    second: str
    questions: int
    graded: int
    first_accuracy: float | None
    second_accuracy: float | None
    accuracy_difference: float | None
    accuracy_difference_ci: tuple[float, float] | None
    first_better: int
    second_better: int
    test: Literal["mcnemar", "permutation"]
    p_value: float | None
    p_corrected: float | None
    compared_together: int
    first_tokens: float | None
    second_tokens: float | None
    token_ratio: float | None
    token_ratio_ci: tuple[float, float] | None
    resamples: int

    @property
    def significant(self) -> bool:
        """Whether their accuracies differ, by the corrected p."""
        return self.p_corrected is not None and self.p_corrected < SIGNIFICANCE

    def sentence(self) -> str:
        """What can be said of the two."""
        return f"{self._accuracy_sentence()}; {self._token_sentence()}."

    def _accuracy_sentence(self) -> str:
        difference, interval, p = self.accuracy_difference, self.accuracy_difference_ci, self.p_corrected
        if difference is None or interval is None or p is None:
            return f"No question has a graded answer of both {self.first} and {self.second}"
        numbers = f"95 % {100 * interval[0]:+.1f} to {100 * interval[1]:+.1f}"
        corrected = f", corrected for {self.compared_together} comparisons" if self.compared_together > 1 else ""
        sure = f"p {'' if p < LEAST_P else '= '}{show_p(p)}{corrected}"
        if not self.significant:
            return (
                f"That {self.second} and {self.first} differ in accuracy is not shown: {100 * difference:+.1f} points "
                f"({numbers}; {sure})"
            )
        more, points = "more" if difference > 0 else "less", abs(100 * difference)
        return f"{self.second} is {more} accurate than {self.first} by {points:.1f} points ({numbers}; {sure})"

    def _token_sentence(self) -> str:
        if self.token_ratio is None or self.token_ratio_ci is None:
            return "of no question are the tokens of both known"
        low, high = self.token_ratio_ci
        return f"{self.second} writes {self.token_ratio:.3g} times the tokens (95 % {low:.3g} to {high:.3g})"


def show_p(p_value: float) -> str:
    """A p-value to three digits; a smaller one as ``< 0.001``."""
    return f"{p_value:.3f}" if p_value >= LEAST_P else f"< {LEAST_P}"


def mcnemar(first: Sequence[bool], second: Sequence[bool]) -> float:
    """Two-sided p of the exact McNemar test: do two students differ on the same questions? (McNemar 1947)"""
    from scipy.stats import binomtest

    only_first = sum(a and not b for a, b in zip(first, second, strict=True))
    only_second = sum(b and not a for a, b in zip(first, second, strict=True))
    if only_first + only_second == 0:
        return 1.0
    return float(binomtest(only_first, only_first + only_second, 0.5).pvalue)


def compare(
    first: Predictions, second: Predictions, names: tuple[str, str] = ("first", "second"), *, seed: int = 0
) -> Comparison:
    """Two models' answers to the same questions, compared.

    Args:
        first: answers, one or several a question; matched by query id and by the question's fingerprint.
        second: answers to the same questions, in any order.
        names: what the two are called.
        seed: of the bootstrap; the same gives the same numbers.

    Raises:
        InputError: they are not the same questions, there are none, or one has the same sample of an answer twice.
    """
    pairs = _paired(first, second, names)
    graded = [(one, other) for a, b in pairs if (one := a.share) is not None and (other := b.share) is not None]
    tokens = [(fmean(a.tokens), fmean(b.tokens)) for a, b in pairs if all(a.tokens) and all(b.tokens)]
    p_value, test = _test(pairs, seed)
    first_accuracy, second_accuracy = _means(graded) or (None, None)
    first_tokens, second_tokens = _means(tokens) or (None, None)
    return Comparison(
        first=names[0],
        second=names[1],
        questions=len(pairs),
        graded=len(graded),
        first_accuracy=_rounded(first_accuracy),
        second_accuracy=_rounded(second_accuracy),
        accuracy_difference=_rounded(fmean(b - a for a, b in graded)) if graded else None,
        accuracy_difference_ci=_difference_interval(graded, seed),
        first_better=sum(a > b for a, b in graded),
        second_better=sum(b > a for a, b in graded),
        test=test,
        p_value=p_value,
        p_corrected=p_value,
        compared_together=1,
        first_tokens=_hundredths(first_tokens),
        second_tokens=_hundredths(second_tokens),
        token_ratio=_four_digits(second_tokens / first_tokens) if first_tokens and second_tokens else None,
        token_ratio_ci=_ratio_interval(tokens, seed),
        resamples=RESAMPLES,
    )


def compare_all(
    models: Mapping[str, Predictions], baselines: Sequence[str] | None = None, *, seed: int = 0
) -> list[Comparison]:
    """Several comparisons, their p corrected together (Holm 1979).

    Args:
        models: answers by the model's name, all to the same questions.
        baselines: names that the others are compared against, each pair once, the baseline first. None: all pairs.
        seed: of the bootstrap.

    Raises:
        InputError: as `compare`; or a baseline that is not there.
    """
    found = [compare(models[a], models[b], (a, b), seed=seed) for a, b in _pairs(list(models), baselines)]
    corrected = holm([one.p_value for one in found])
    return [
        one.model_copy(update={"p_corrected": p, "compared_together": len(found)})
        for one, p in zip(found, corrected, strict=True)
    ]


def _pairs(names: Sequence[str], baselines: Sequence[str] | None) -> list[tuple[str, str]]:
    if baselines is None:
        return list(combinations(names, 2))
    if unknown := [name for name in baselines if name not in names]:
        raise InputError(f"no model to compare against is called {unknown[0]!r}: there is {', '.join(names)}")
    pairs = [(baseline, name) for baseline in dict.fromkeys(baselines) for name in names if name != baseline]
    return [pair for place, pair in enumerate(pairs) if pair[::-1] not in pairs[:place]]


def on_shared_questions(models: Mapping[str, Predictions]) -> dict[str, list[Prediction]]:
    """The answers to those questions alone that every model answered."""
    keys = [{(p.query_id, p.question) for p in predictions} for predictions in models.values()]
    shared = set.intersection(*keys) if keys else set()
    return {name: [p for p in rows if (p.query_id, p.question) in shared] for name, rows in models.items()}


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """p-values corrected for being several, in the order given (Holm 1979). A None is no test, and stays None."""
    tests = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    corrected: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for rank, (p, place) in enumerate(tests):
        highest = max(highest, min(1.0, p * (len(tests) - rank)))
        corrected[place] = highest
    return corrected


def difference_p(first: Predictions, second: Predictions, names: tuple[str, str] = ("first", "second")) -> float | None:
    """`Comparison.p_value` alone, without a bootstrap.

    Raises:
        InputError: as `compare`.
    """
    return _test(_paired(first, second, names), seed=0)[0]


def _paired(first: Predictions, second: Predictions, names: tuple[str, str]) -> list[_Pair]:
    for name, predictions in zip(names, (first, second), strict=True):
        _refuse_repeats(name, predictions)
    one, other = by_question(first), by_question(second)
    if one.keys() != other.keys():
        raise InputError(_different(one, other, names))
    if not one:
        raise InputError(f"{names[0]} and {names[1]}: there are no answers to compare")
    return [(asked, other[key]) for key, asked in one.items()]


def _refuse_repeats(name: str, predictions: Predictions) -> None:
    seen = Counter((p.query_id, p.question, p.sample) for p in predictions)
    if twice := [key for key, count in seen.items() if count > 1]:
        query_id, _, sample = twice[0]
        raise InputError(
            f"{name}: sample {sample} of query {query_id!r} is there more than once, as are {len(twice) - 1} others: "
            "these are no answers of one evaluation"
        )


def _different(one: Mapping[_Key, AskedQuestion], other: Mapping[_Key, AskedQuestion], names: tuple[str, str]) -> str:
    mine, others = one.keys() - other.keys(), other.keys() - one.keys()
    changed = {query_id for query_id, _ in mine} & {query_id for query_id, _ in others}
    return (
        f"{names[0]} and {names[1]} were not asked the same questions: {len(one.keys() & other.keys())} are shared, "
        f"{len(mine) - len(changed)} only {names[0]} was asked, {len(others) - len(changed)} only {names[1]}, and "
        f"{len(changed)} have the same id and ask or accept something else. Evaluate both on one file, or compare on "
        "the shared questions alone"
    )


def _test(pairs: Sequence[_Pair], seed: int) -> tuple[float | None, Literal["mcnemar", "permutation"]]:
    import numpy as np

    graded = [(a, b) for a, b in pairs if a.right and b.right]
    single = all(len(side.right) == 1 for pair in graded for side in pair)
    if not graded:
        return None, "mcnemar"
    if single:
        return mcnemar([a.right[0] for a, _ in graded], [b.right[0] for _, b in graded]), "mcnemar"
    differences = np.array([fmean(b.right) - fmean(a.right) for a, b in graded])
    return sign_flip(differences, RESAMPLES, seed), "permutation"


def _means(pairs: Sequence[tuple[float, float]]) -> tuple[float, float] | None:
    return (fmean(a for a, _ in pairs), fmean(b for _, b in pairs)) if pairs else None


def _rounded(share: float | None) -> float | None:
    return None if share is None else round(share, 4)


def difference_interval(differences: NDArray[np.float64], resamples: int, seed: int) -> tuple[float, float]:
    """The 95 % interval of a mean difference, as `Comparison.accuracy_difference_ci` has it.

    Args:
        differences: one a question, in [-1, 1], shape (n,).
        resamples: how often the bootstrap draws.
        seed: of the drawing.
    """
    import numpy as np

    # By itself, a bootstrap of a few questions that differ holds the truth too rarely, and of none is sure of nought.
    smoothed = np.concatenate([differences, [1.0, -1.0]])
    return percentile_interval(resampled_means(smoothed[:, None], resamples, seed)[:, 0])


def _difference_interval(graded: Sequence[tuple[float, float]], seed: int) -> tuple[float, float] | None:
    import numpy as np

    if not graded:
        return None
    low, high = difference_interval(np.array([b - a for a, b in graded]), RESAMPLES, seed)
    return round(low, 4), round(high, 4)


def _ratio_interval(tokens: Sequence[tuple[float, float]], seed: int) -> tuple[float, float] | None:
    import numpy as np

    if not tokens:
        return None
    means = resampled_means(np.array(tokens), RESAMPLES, seed)
    low, high = percentile_interval(means[:, 1] / means[:, 0])
    return _four_digits(low), _four_digits(high)


def _hundredths(tokens: float | None) -> float | None:
    return None if tokens is None else round(tokens, 2)


def _four_digits(ratio: float) -> float:
    # Of a student that answers at once, the ratio may be far below 0.01.
    return float(f"{ratio:.4g}")
