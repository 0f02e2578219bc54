"""Questions that the kit tries a task evaluator on, where its author gives none."""

from __future__ import annotations

from collections.abc import Iterator

from twt_core import contract
from twt_core.components import TaskEvaluator
from twt_core.records import Query
from twt_core.testing.checks import NotTried

#: One of each sort: letters, numbers, words, yes or no, programs.
QUESTIONS: tuple[Query, ...] = (
    Query(id="letter", query="Which is it?\nA) 3\nB) 7", choices=("3", "7"), answer="B"),
    Query(id="number", query="What is 3 plus 4?", answer="7"),
    Query(id="word", query="Which city is the capital of France?", answer="Paris"),
    Query(id="yes_or_no", query="Does ice float?", answer="yes"),
    Query(
        id="program",
        query="Write a function add(a, b) that adds two numbers.",
        tests=("assert add(1, 2) == 3",),
        answer="def add(a, b):\n    return a + b",
    ),
)


def questions_for(task: TaskEvaluator) -> list[Query]:
    """The questions of a sort that an evaluator is for: it takes them, and reads back what it writes.

    Raises:
        NotTried: it is for none of these sorts.
    """
    names = task.task_names or (None,)
    tried = [question.model_copy(update={"id": f"{question.id}{place or ''}", "task": name})
             for place, name in enumerate(names) for question in QUESTIONS]  # fmt: skip
    found = list(_that_suit(task, tried))
    if not found:
        raise NotTried(
            "it takes none of the kit's own questions (a letter, a number, a word, yes or no, a program): give queries "
            "of its kind"
        )
    return found


def _that_suit(task: TaskEvaluator, questions: list[Query]) -> Iterator[Query]:
    for question in questions:
        try:
            if _reads_back(task, question):
                yield question
        except Exception:  # noqa: BLE001  # what it makes of a question that is not of its kind is no finding
            continue


def _reads_back(task: TaskEvaluator, question: Query) -> bool:
    contract.check_query(task, question)
    contract.check_query(task, question.unlabeled())
    label = question.answer or ""
    text = contract.completion(task, None, label, question.unlabeled())
    read = contract.read(task, text, question.unlabeled()).label
    return read is not None and contract.same(task, read, label, question)
