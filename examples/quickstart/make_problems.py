"""Write the quickstart's problems: ``queries.jsonl`` (to distil from) and ``test.jsonl`` (to measure with).

Ten families of everyday reasoning, made from a seed alone, so the files can be made again byte for byte.
The two sets share no problem, and the families take turns, so that any prefix of a file holds all of them.

    python examples/quickstart/make_problems.py
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

HERE = Path(__file__).parent
NAMES = ["Ann", "Ben", "Carl", "Dora", "Emma", "Finn", "Grace", "Hugo", "Iris", "Jack", "Kate", "Liam", "Mona", "Nick"]
OBJECTS = ["key", "coin", "ring", "letter", "pen", "ball", "watch", "stamp"]
PLACES = ["drawer", "box", "basket", "cupboard", "bucket", "jar", "suitcase", "pocket"]
ROOMS = ["kitchen", "garden", "attic", "garage", "cellar", "bedroom", "office", "hall"]
BAGS = ["purse", "bag", "backpack", "chest", "crate", "sack"]
DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
COMPASS = ["north", "east", "south", "west"]
MALE = ["Ben", "Carl", "Finn", "Hugo", "Jack", "Liam", "Nick"]
FEMALE = ["Ann", "Dora", "Emma", "Grace", "Iris", "Kate", "Mona"]


@dataclass(frozen=True)
class Problem:
    """A question with its one right answer."""

    family: str
    query: str
    answer: str


def ordering(random: Random) -> Problem:
    """Three people compared in pairs: who stands at an end?"""
    first, second, third = random.sample(NAMES, 3)
    more, most, least = random.choice(
        [("taller", "tallest", "shortest"), ("older", "oldest", "youngest"), ("faster", "fastest", "slowest")]
    )
    facts = [f"{first} is {more} than {second}.", f"{second} is {more} than {third}."]
    random.shuffle(facts)
    top = random.random() < 0.5
    return Problem("ordering", f"{' '.join(facts)} Who is the {most if top else least}?", first if top else third)


def moved_object(random: Random) -> Problem:
    """An object is put somewhere and then moved: where is it now?"""
    who, other = random.sample(NAMES, 2)
    thing, decoy = random.sample(OBJECTS, 2)
    start, end, elsewhere = random.sample(PLACES, 3)
    return Problem(
        "moved_object",
        f"{who} puts the {thing} in the {start} and the {decoy} in the {elsewhere}. "
        f"Then {other} moves the {thing} to the {end}. What is the {thing} in now?",
        end,
    )


def parity(random: Random) -> Problem:
    """A switch pressed a number of times."""
    thing, up, down, verb = random.choice(
        [
            ("lamp", "on", "off", "switched"),
            ("gate", "open", "closed", "toggled"),
            ("card", "face up", "face down", "turned over"),
        ]
    )
    state, other = random.sample([up, down], 2)
    times = random.randint(1, 6)
    count = "once" if times == 1 else "twice" if times == 2 else f"{times} times"
    place = random.choice(ROOMS)
    return Problem(
        "parity",
        f"The {thing} in the {place} is {state}. It is {verb} {count}. Is the {thing} now {up} or {down}?",
        other if times % 2 else state,
    )


def calendar(random: Random) -> Problem:
    """A day of the week, some days on or back."""
    today, shift = random.randrange(7), random.randint(1, 5)
    forward = random.random() < 0.6
    days = "1 day" if shift == 1 else f"{shift} days"
    who = random.choice(NAMES)
    event = random.choice(["leaves", "sings", "runs a race", "bakes", "plays chess"])
    when = f"{days} from today" if forward else f"{days} ago"
    question = f"{who} {event} {when}." if forward else f"{who} arrived {when}."
    return Problem(
        "calendar",
        f"Today is {DAYS[today]}. {question} Which day of the week is that?",
        DAYS[(today + shift if forward else today - shift) % 7],
    )


def turns(random: Random) -> Problem:
    """Someone faces a direction and turns once or twice."""
    who, start = random.choice(NAMES), random.randrange(4)
    steps = [
        random.choice([("turns right", 1), ("turns left", 3), ("turns around", 2)]) for _ in range(random.randint(1, 2))
    ]
    path = ", then ".join(words for words, _ in steps)
    end = (start + sum(quarter for _, quarter in steps)) % 4
    return Problem(
        "turns", f"{who} faces {COMPASS[start]} and {path}. Which direction does {who} face now?", COMPASS[end]
    )


def kinship(random: Random) -> Problem:
    """Two family ties, put together."""
    man, other_man = random.sample(MALE, 2)
    woman, other_woman = random.sample(FEMALE, 2)
    query, answer = random.choice(
        [
            (
                f"{man} is the father of {woman}. {woman} is the mother of {other_man}. What is {man} to {other_man}?",
                "grandfather",
            ),
            (
                f"{woman} is the mother of {man}. {man} is the father of {other_woman}. "
                f"What is {woman} to {other_woman}?",
                "grandmother",
            ),
            (
                f"{woman} is the sister of {man}. {man} is the father of {other_man}. What is {woman} to {other_man}?",
                "aunt",
            ),
            (
                f"{man} is the brother of {woman}. {woman} is the mother of {other_man}. What is {man} to {other_man}?",
                "uncle",
            ),
            (f"{man} and {woman} have the same parents. What is {woman} to {man}?", "sister"),
            (
                f"{other_man} is the son of {woman}. {woman} is the sister of {man}. What is {other_man} to {man}?",
                "nephew",
            ),
        ]
    )
    return Problem("kinship", query, answer)


def containment(random: Random) -> Problem:
    """A thing in a bag in another, carried to a room."""
    who, thing = random.choice(NAMES), random.choice(OBJECTS)
    inner, outer = random.sample(BAGS, 2)
    start, end = random.sample(ROOMS, 2)
    return Problem(
        "containment",
        f"The {thing} is in the {inner}, and the {inner} is in the {outer}. The {outer} stands in the {start}. "
        f"{who} carries the {outer} to the {end}. Which room is the {thing} in?",
        end,
    )


def units(random: Random) -> Problem:
    """Two quantities in different units: which is more?"""
    more, big, small, factor = random.choice(
        [
            ("longer", "hours", "minutes", 60),
            ("longer", "metres", "centimetres", 100),
            ("heavier", "kilograms", "grams", 1000),
        ]
    )
    count = random.randint(2, 6)
    other = factor * count + random.choice([-1, 1]) * factor // 10 * random.randint(2, 9)
    pair = [f"{count} {big}", f"{other} {small}"]
    answer = pair[0] if count * factor > other else pair[1]
    random.shuffle(pair)
    return Problem("units", f"Which is {more}: {pair[0]} or {pair[1]}?", answer)


def swaps(random: Random) -> Problem:
    """Three people, three colours, one or two swaps."""
    people = random.sample(NAMES, 3)
    colours = random.sample(["red", "blue", "green", "white", "black"], 3)
    held = dict(zip(people, colours, strict=True))
    facts = ", ".join(f"{who} has the {colour} hat" for who, colour in held.items())
    one, two = random.sample(people, 2)
    held[one], held[two] = held[two], held[one]
    asked = random.choice(people)
    return Problem("swaps", f"{facts}. {one} and {two} swap hats. What colour is {asked}'s hat now?", held[asked])


def queue(random: Random) -> Problem:
    """A line of four people: who is next to whom?"""
    line = random.sample(NAMES, 4)
    place = random.randrange(3)
    behind = random.random() < 0.5
    asked, answer = (line[place], line[place + 1]) if behind else (line[place + 1], line[place])
    where = "right behind" if behind else "right in front of"
    return Problem("queue", f"In a queue, from first to last, stand {', '.join(line)}. Who is {where} {asked}?", answer)


FAMILIES: tuple[Callable[[Random], Problem], ...] = (
    ordering, moved_object, parity, calendar, turns, kinship, containment, units, swaps, queue
)  # fmt: skip


def make(count: int, seed: int) -> list[Problem]:
    """``count`` different problems, the families taking turns."""
    random = Random(seed)
    seen: set[str] = set()
    problems: list[Problem] = []
    while len(problems) < count:
        problem = FAMILIES[len(problems) % len(FAMILIES)](random)
        words = " ".join(sorted(problem.query.split()))  # the same facts in another order are the same problem
        if words not in seen:
            seen.add(words)
            problems.append(problem)
    return problems


def write(path: Path, prefix: str, problems: list[Problem]) -> None:
    """One JSON object a line: id, query, answer."""
    rows = [
        json.dumps({"id": f"{prefix}-{number:03d}-{problem.family}", "query": problem.query, "answer": problem.answer})
        for number, problem in enumerate(problems)
    ]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")


def main() -> None:
    """Make both sets in one draw, so that they share nothing, and write them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--queries", type=int, default=100, help="problems to distil from (100)")
    parser.add_argument("--test", type=int, default=100, help="problems to measure with (100)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=HERE)
    arguments = parser.parse_args()
    problems = make(arguments.queries + arguments.test, arguments.seed)
    write(arguments.out / "queries.jsonl", "q", problems[: arguments.queries])
    write(arguments.out / "test.jsonl", "t", problems[arguments.queries :])


if __name__ == "__main__":
    main()
