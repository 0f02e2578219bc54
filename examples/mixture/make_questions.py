"""Write a mixture of three tasks: ``queries.jsonl`` (to distil from) and ``test.jsonl`` (to measure with).

Sums to work out, riddles with options (the quickstart's problems) and Python functions with tests; made from a seed
alone, so the files can be made again byte for byte. The two sets share no question; the tasks take turns.

    python examples/mixture/make_questions.py
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "quickstart"))

import make_problems  # noqa: E402

LETTERS = "ABCD"
#: Questions that are drawn for a task at most, those that were there before included.
MOST_TRIES = 20_000
GOODS = ["apples", "pens", "stamps", "candles", "tickets", "stones", "cards", "eggs"]
WORDS = ["garden", "window", "river", "lantern", "pepper", "marble", "harbour", "kettle",
         "bottle", "candle", "forest", "island", "mirror", "pocket", "saddle", "ticket"]  # fmt: skip
#: What may stand among a riddle's options, by the quickstart's family.
OPTIONS: dict[str, list[str]] = {
    "calendar": make_problems.DAYS,
    "turns": make_problems.COMPASS,
    "containment": make_problems.ROOMS,
    "moved_object": make_problems.PLACES,
    "kinship": ["grandfather", "grandmother", "aunt", "uncle", "sister", "nephew"],
    "ordering": make_problems.NAMES,
    "queue": make_problems.NAMES,
}
RIDDLES = [family for family in make_problems.FAMILIES if family.__name__ in OPTIONS]


@dataclass(frozen=True)
class Question:
    """A question of one task, with its right answer."""

    task: str
    kind: str
    query: str
    answer: str
    choices: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()

    def row(self, name: str) -> dict[str, Any]:
        """Its line in a file: what it has, and nothing else."""
        row = {"id": name, "task": self.task, "query": self.query, "answer": self.answer}
        return row | {key: list(value) for key in ("choices", "tests") if (value := getattr(self, key))}


def bought(random: Random) -> Question:
    """So many packs, some given away."""
    who, other = random.sample(make_problems.NAMES, 2)
    packs, each, thing = random.randint(3, 9), random.randint(4, 12), random.choice(GOODS)
    given = random.randint(2, packs * each - 2)
    query = f"{who} buys {packs} packs of {each} {thing} and gives {given} of them to {other}. How many has {who} left?"
    return Question("sums", "bought", query, str(packs * each - given))


def shared(random: Random) -> Question:
    """An equal share, and a bit more."""
    who, people = random.choice(make_problems.NAMES), random.randint(3, 8)
    share, more, thing = random.randint(4, 15), random.randint(2, 9), random.choice(GOODS)
    query = (
        f"{people} friends share {people * share} {thing} equally. {who}, one of them, then finds {more} more. "
        f"How many {thing} has {who}?"
    )
    return Question("sums", "shared", query, str(share + more))


def travelled(random: Random) -> Question:
    """Two speeds, two times."""
    first, second = random.sample(range(20, 95, 5), 2)
    hours, rest = random.randint(2, 5), random.randint(1, 4)
    query = (
        f"A train goes {first} km in each of {hours} hours, and then {second} km in each of {rest} hours. "
        "How many kilometres is that together?"
    )
    return Question("sums", "travelled", query, str(first * hours + second * rest))


def riddle(random: Random) -> Question:
    """One of the quickstart's problems, with four options."""
    problem = random.choice(RIDDLES)(random)
    others = [option for option in OPTIONS[problem.family] if option != problem.answer]
    # People who are named in the question come first: who else could it be?
    named = [option for option in others if option in problem.query]
    wrong = (named + random.sample([option for option in others if option not in named], len(others) - len(named)))[:3]
    choices = random.sample([problem.answer, *wrong], 4)
    answer = LETTERS[choices.index(problem.answer)]
    return Question("riddles", problem.family, problem.query, answer, choices=tuple(choices))


def _function(kind: str, query: str, program: str, *arguments: str) -> Question:
    """A function to write; its tests compare with what the program gives."""
    space: dict[str, Any] = {}
    exec(program, space)
    name = program.partition("(")[0].removeprefix("def ")
    calls = [f"{name}({given})" for given in arguments]
    tests = tuple(f"assert {call} == {eval(call, space)!r}" for call in calls)
    return Question("code", kind, query, program, tests=tests)


def linear(random: Random) -> Question:
    """Times something, plus something."""
    factor, summand = random.randint(2, 9), random.randint(1, 20)
    name = f"times_{factor}_plus_{summand}"
    query = f"Write a function {name} that multiplies a number by {factor} and adds {summand}."
    return _function("linear", query, f"def {name}(x):\n    return x * {factor} + {summand}", "0", "1", "-3")


def greater(random: Random) -> Question:
    """A list's large numbers."""
    border = random.randint(3, 80)
    name = f"greater_than_{border}"
    query = f"Write a function {name} that keeps the numbers of a list that are greater than {border}."
    numbers = str([border + random.choice([-2, -1, 0, 1, 2, 5]) for _ in range(5)])
    return _function(
        "greater", query, f"def {name}(numbers):\n    return [n for n in numbers if n > {border}]", numbers, "[]"
    )


def repeated(random: Random) -> Question:
    """A text again and again."""
    times, mark = random.randint(2, 9), random.choice("-+_*/=.,:")
    name = f"repeat_{times}"
    query = f"Write a function {name} that writes a text {times} times, with {mark!r} between."
    program = f"def {name}(text):\n    return {mark!r}.join([text] * {times})"
    return _function("repeated", query, program, repr(random.choice(WORDS)), "''")


def multiples(random: Random) -> Question:
    """Divisible or not."""
    number = random.randint(3, 80)
    name = f"count_multiples_of_{number}"
    query = f"Write a function {name} that counts the numbers of a list that are divisible by {number}."
    program = f"def {name}(numbers):\n    return sum(n % {number} == 0 for n in numbers)"
    some = str([number * random.randint(0, 5) + random.choice([0, 0, 1]) for _ in range(5)])
    return _function("multiples", query, program, some, f"[{number}, {number + 1}]")


def from_the_end(random: Random) -> Question:
    """A letter, counted from the end."""
    place = random.randint(1, 5)
    name = f"letter_{place}_from_end"
    word = random.choice(WORDS)
    query = f"Write a function {name} that gives letter {place} of a word, counted from the end, as in {word}."
    program = f"def {name}(word):\n    return word[-{place}]"
    return _function("from_the_end", query, program, repr(word), "'python'")


TASKS: dict[str, tuple[Callable[[Random], Question], ...]] = {
    "sums": (bought, shared, travelled),
    "riddles": (riddle,),
    "code": (linear, greater, repeated, multiples, from_the_end),
}


def questions(task: str, seed: int) -> Iterator[Question]:
    """A task's questions, no two the same, its kinds taking turns."""
    random, kinds = Random(f"{seed}/{task}"), TASKS[task]
    seen: set[str] = set()
    for _ in range(MOST_TRIES):
        question = kinds[len(seen) % len(kinds)](random)
        words = " ".join(sorted(question.query.split()))
        if words not in seen:
            seen.add(words)
            yield question
    sys.exit(f"there are not so many different questions of the task {task}: ask for fewer")


def make(count: int, seed: int) -> list[Question]:
    """``count`` questions of each task, the tasks taking turns."""
    sources = [questions(task, seed) for task in TASKS]
    return [next(source) for _ in range(count) for source in sources]


def write(path: Path, prefix: str, found: list[Question]) -> None:
    """One JSON object a line."""
    rows = [json.dumps(one.row(f"{prefix}-{n:03d}-{one.task}-{one.kind}")) + "\n" for n, one in enumerate(found)]
    path.write_text("".join(rows), encoding="utf-8")


def main() -> None:
    """Make both sets in one draw, so that they share nothing, and write them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--queries", type=int, default=30, help="questions of each task to distil from (30)")
    parser.add_argument("--test", type=int, default=20, help="questions of each task to measure with (20)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=HERE)
    arguments = parser.parse_args()
    found = make(arguments.queries + arguments.test, arguments.seed)
    border = arguments.queries * len(TASKS)
    write(arguments.out / "queries.jsonl", "q", found[:border])
    write(arguments.out / "test.jsonl", "t", found[border:])


if __name__ == "__main__":
    main()
