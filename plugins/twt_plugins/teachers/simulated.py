"""A teacher whose faults are known, for benchmarks of what is to find them."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from hashlib import sha256
from random import Random
from statistics import NormalDist
from typing import Annotated, ClassVar, NamedTuple

from pydantic import Field

from twt_core.components import Teacher
from twt_core.errors import InputError, TeacherError
from twt_core.records import Completion, Query, Request, TokenLogprob, Usage
from twt_core.settings import ConfigPath, Json
from twt_core.suggest import did_you_mean
from twt_plugins.task_evaluators.fenced import fenced
from twt_plugins.teachers.known_answers import KnownAnswer, known_answers

Share = Annotated[float, Field(ge=0, le=1)]

_MOST_SHOWN = 10
_TOKEN = re.compile(r"\s*\S+")
_LEAST_CONFIDENCE = 1e-6  # a log-probability must be finite
_NORMAL = NormalDist()
_TEXT = (
    "first we take the given parts then each one is counted again with care because it adds to what came before while "
    "the rest stays as it was so that both sides agree and nothing is left over since every step follows from another "
    "now compare this value against that case next look at how many remain here they split in order once more"
)
_WORDS = _TEXT.split()


class _Said(NamedTuple):
    label: str
    confidence: float
    thinking: str
    is_code: bool

    @property
    def answer(self) -> str:
        """The answer, announced as the tasks' prompts ask for it."""
        return f"Code:\n{fenced(self.label)}" if self.is_code else f"The answer is: {self.label}"


class Simulated(Teacher):
    """Made-up answers to questions whose answers are known, with known faults. No model is asked.

    For each query a chance of being right is drawn from a beta distribution with the mean ``1 - error_rate`` and the
    variance ``resolution * error_rate * (1 - error_rate)``; with it each sample is right or wrong, and of it the stated
    confidence speaks. So, over many queries, and with e for the error rate, r for resolution, o for overconfidence:

    - the share of wrong answers is e, in each family its own;
    - the confidence is calibrated at o = 0. Above 0 it is ``chance + o * (1 - chance)`` and the expected calibration
      error is ``o * e``; below, it is ``(1 + o) * chance`` and the error is ``-o * (1 - e)``;
    - r is the share of the uncertainty that the confidence resolves (A. H. Murphy, "A new vector partition of the
      probability score", 1973): at 0 it is the same for right and wrong, at 1 it separates them.

    Wrongness that goes with the query (`shared_difficulty`) is a one-factor Gaussian copula between teachers. Texts are
    made of common words: their vectors are those of noise. Tokens are words with the space before them.
    """

    simulated: ClassVar[bool] = True

    answers: ConfigPath = Field(
        description="JSONL, gzipped or not: id, answer; optional choices, tests, task, family. Queries with answers "
        "will do; with tests the answer is a program."
    )
    error_rate: Share = Field(default=0.2, description="Share of wrong answers.")
    family_error_rates: dict[str, Share] = Field(
        default={}, description="Shares of wrong answers by family, where they differ."
    )
    resolution: Share = Field(
        default=0.3, description="How well the confidence separates right from wrong: 0 not at all, 1 completely."
    )
    overconfidence: float = Field(
        default=0.0, ge=-1, le=1, description="0 is calibrated, 1 always certain, -1 never confident."
    )
    shared_errors: Share = Field(
        default=0.0, description="Share of wrong answers that are the one on which all simulated teachers agree."
    )
    shared_difficulty: Share = Field(
        default=0.0,
        description="Correlation between simulated teachers in which queries they get wrong, as a copula's.",
    )
    words: float = Field(default=60, ge=2, description="Mean words of a rationale; the deviation is a quarter of it.")
    rewrite_share: float = Field(default=0.5, gt=0, lt=1, description="Words of a rewrite, as a share of the original.")
    logprobs: bool = Field(
        default=False, description="Give each token a log-probability; their geometric mean is the confidence."
    )
    seed: int = Field(default=0, description="Of all draws. What is shared is so between teachers of the same seed.")

    async def complete(self, request: Request) -> Completion:
        """See `Teacher.complete`. The same for the same seed, name, query, sample and purpose."""
        return self._completion(request)

    def canonical_request(self, request: Request) -> dict[str, Json]:
        """The text itself: more rows in the file leave known answers known."""
        try:
            said: Json = sha256(self._completion(request).model_dump_json().encode()).hexdigest()
        except TeacherError:
            said = None
        key: dict[str, Json] = {"id": request.query_id, "purpose": request.purpose, "sample": request.sample}
        return {"use": self.use, "name": self.name, **key, "text": said}

    def preflight(self, queries: Sequence[Query]) -> None:
        """Refuse queries without a known answer, and families that no answer is of."""
        known = known_answers(self.answers)
        if missing := [query.id for query in queries if query.id not in known.by_id]:
            more = f" and {len(missing) - _MOST_SHOWN} more" if len(missing) > _MOST_SHOWN else ""
            raise InputError(
                f"{self.answers}: simulated teacher {self.name!r} knows no answer to {len(missing)} of {len(queries)} "
                f"queries: {', '.join(missing[:_MOST_SHOWN])}{more}. Add them, or leave the queries out"
            )
        for family in self.family_error_rates:
            if family not in known.families:
                raise InputError(
                    f"simulated teacher {self.name!r}: family_error_rates: {self.answers} has no row of the family "
                    f"{family!r}. {did_you_mean(family, known.families)}"
                )

    def _completion(self, request: Request) -> Completion:
        if request.purpose == "grade":
            raise TeacherError("a simulated teacher cannot judge: name another one as the judge", retry="never")
        known = known_answers(self.answers).by_id.get(request.query_id)
        if known is None:
            raise TeacherError(f"no answer to this query is known in {self.answers.name}", retry="never")
        said = self._say(known, request.sample)
        text = self._rewritten(said) if request.purpose == "rewrite" else _answered(said)
        tokens = _TOKEN.findall(text)
        prompt = sum(len(message.content.split()) for message in request.messages)
        return Completion(
            text=text,
            logprobs=self._logprobs(tokens, said.confidence, request) if self.logprobs else None,
            usage=Usage(prompt_tokens=prompt, completion_tokens=len(tokens)),
            cost_usd=0.0,
            finish_reason="stop",
        )

    def _say(self, known: KnownAnswer, sample: int) -> _Said:
        chance = self._chance(known)
        label = known.label or ""
        if self._luck(known, sample) >= chance:
            label = self._wrong(known, sample)
        is_code = bool(known.tests)
        thinking = self._thinking(
            self._random("thinking", self.name, known.id, sample), "the code" if is_code else label
        )
        return _Said(label, round(self._stated(chance), 3), thinking, is_code)

    def _chance(self, known: KnownAnswer) -> float:
        """The chance of a right answer: Beta(mean 1 - error rate; a + b = 1/resolution - 1)."""
        right = 1 - self.family_error_rates.get(known.family or "", self.error_rate)
        random = self._random("chance", self.name, known.id)
        if self.resolution == 1:
            return float(random.random() < right)
        if self.resolution == 0 or right in (0, 1):
            return right
        total = 1 / self.resolution - 1
        return random.betavariate(right * total, (1 - right) * total)

    def _stated(self, chance: float) -> float:
        towards = 1.0 if self.overconfidence > 0 else 0.0
        return chance + abs(self.overconfidence) * (towards - chance)

    def _luck(self, known: KnownAnswer, sample: int) -> float:
        """Uniform from 0 to 1, and correlated between teachers."""
        common = self._random("difficulty", known.id).gauss()
        own = self._random("luck", self.name, known.id, sample).gauss()
        rho = self.shared_difficulty
        return _NORMAL.cdf(math.sqrt(rho) * common + math.sqrt(1 - rho) * own)

    def _wrong(self, known: KnownAnswer, sample: int) -> str:
        wrong = known_answers(self.answers).wrong(known)
        shared = self._random("wrong", known.id).choice(wrong)
        own = self._random("wrong", self.name, known.id, sample)
        others = [answer for answer in wrong if answer != shared]
        return shared if own.random() < self.shared_errors or not others else own.choice(others)

    def _thinking(self, random: Random, label: str) -> str:
        count = max(2, round(random.gauss(self.words, self.words / 4)))
        sentences, left = [], count - 1 - len(label.split())  # the last sentence: "So" and the label
        while left > 0:
            length = min(left, random.randint(6, 12))
            sentences.append(" ".join(random.choices(_WORDS, k=length)).capitalize() + ".")
            left -= length
        return " ".join([*sentences, f"So {label}."])

    def _rewritten(self, said: _Said) -> str:
        words = said.thinking.split()
        short = " ".join(words[: max(1, int(len(words) * self.rewrite_share))])
        return f"Thinking: {short.rstrip('.')}.\n{said.answer}"

    def _logprobs(self, tokens: list[str], confidence: float, request: Request) -> tuple[TokenLogprob, ...]:
        mean = math.log(max(confidence, _LEAST_CONFIDENCE))
        random = self._random("tokens", self.name, request.query_id, request.sample, request.purpose)
        weights = [random.expovariate(1.0) for _ in tokens]
        scale = mean * len(tokens) / sum(weights)
        return tuple(TokenLogprob(token, scale * weight) for token, weight in zip(tokens, weights, strict=True))

    def _random(self, *what: str | int) -> Random:
        return Random(repr((self.seed, *what)))


def _answered(said: _Said) -> str:
    return f"Thinking: {said.thinking}\n{said.answer}\nScore: {said.confidence:.3f}"
