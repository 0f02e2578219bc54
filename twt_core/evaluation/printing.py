"""What `twt evaluate` and `twt compare` print. Words of files and models are shown as `terminal.plain` lets them."""

from __future__ import annotations

from rich.text import Text

from twt_core import score_tables, terminal
from twt_core.evaluation.compare import Compared
from twt_core.evaluation.folder import PREDICTIONS
from twt_core.evaluation.result import Evaluation


def print_evaluation(found: Evaluation) -> None:
    """The result of an evaluation, and what has to be said beside it."""
    console = terminal.console()
    score_tables.print_scores(console, [found.score], {name: [score] for name, score in found.tasks.items()}, None)
    console.print()
    lines = [*found.notes(), f"{found.score.questions} questions graded; answers: {_verdicts(found)}"]
    if found.teacher_calls:
        lines.append(f"calls: {found.teacher_calls}, ${found.cost_usd:.4f}")
    lines.append(f"each answer: {found.folder}/{PREDICTIONS}")
    lines.append(f"compare it: twt compare {found.folder} OTHER")
    for line in lines:
        console.print(Text(terminal.plain(line)))


def _verdicts(found: Evaluation) -> str:
    return ", ".join(f"{count} {verdict}" for verdict, count in found.score.verdicts.items())


def print_compared(compared: Compared) -> None:
    """Models on the same questions: each one's numbers, each pair's difference, and that in a sentence."""
    console = terminal.console()
    score_tables.print_scores(console, compared.models, compared.tasks, None)
    console.print()
    console.print(score_tables.comparison_table(compared.comparisons))
    console.print(Text(score_tables.LEGEND))
    console.print()
    for line in [*(one.sentence() for one in compared.comparisons), *compared.notes]:
        console.print(Text(terminal.plain(line)))
