"""The quickstart's problems: made again byte for byte, disjoint, and right by a second opinion."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from collections import Counter
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "examples" / "quickstart"
DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]


def load(name):
    spec = importlib.util.spec_from_file_location(f"quickstart_{name}", FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


problems = load("make_problems")
ROWS = {
    name: [json.loads(line) for line in (FOLDER / name).read_text(encoding="utf-8").splitlines()]
    for name in ("queries.jsonl", "test.jsonl")
}
MANY = problems.make(600, seed=7)


def family(name):
    return [problem for problem in MANY if problem.family == name]


def test_the_committed_files_are_what_the_script_makes(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["make_problems.py", "--out", str(tmp_path)])
    problems.main()
    for name in ROWS:
        assert (tmp_path / name).read_bytes() == (FOLDER / name).read_bytes()


def test_at_least_eight_families_in_each_set_in_equal_parts():
    for rows in ROWS.values():
        counts = Counter(row["id"].split("-")[2] for row in rows)
        assert len(counts) >= 8
        assert max(counts.values()) - min(counts.values()) <= 1


def test_no_problem_is_in_both_sets_nor_twice():
    every = [" ".join(sorted(row["query"].split())) for rows in ROWS.values() for row in rows]
    assert len(set(every)) == len(every)
    ids = [row["id"] for rows in ROWS.values() for row in rows]
    assert len(set(ids)) == len(ids)


def test_another_seed_makes_other_problems():
    assert problems.make(20, 1) == problems.make(20, 1) != problems.make(20, 2)


def test_no_answer_is_always_the_same():
    for name in {problem.family for problem in MANY}:
        assert len({problem.answer for problem in family(name)}) > 1


def test_orderings():
    for problem in family("ordering"):
        facts = re.findall(r"(\w+) is \w+ than (\w+)\.", problem.query)
        people = {who for fact in facts for who in fact}
        top = (people - {low for _, low in facts}).pop()
        bottom = (people - {high for high, _ in facts}).pop()
        assert problem.answer == (top if re.search(r"(tall|old|fast)est\?", problem.query) else bottom)


def test_calendars():
    for problem in family("calendar"):
        today = DAYS.index(re.search(r"Today is (\w+)\.", problem.query)[1])
        days = int(re.search(r"(\d+) days?", problem.query)[1])
        assert problem.answer == DAYS[(today + (-days if "ago" in problem.query else days)) % 7]


def test_turns():
    for problem in family("turns"):
        facing = ["north", "east", "south", "west"]
        at = facing.index(re.search(r"faces (\w+)", problem.query)[1])
        for turn in re.findall(r"turns (right|left|around)", problem.query):
            at += {"right": 1, "left": -1, "around": 2}[turn]
        assert problem.answer == facing[at % 4]


def test_units():
    in_small = {"hours": 60, "minutes": 1, "metres": 100, "centimetres": 1, "kilograms": 1000, "grams": 1}
    for problem in family("units"):
        sizes = {f"{n} {unit}": int(n) * in_small[unit] for n, unit in re.findall(r"(\d+) (\w+)", problem.query)}
        assert len(set(sizes.values())) == 2
        assert problem.answer == max(sizes, key=sizes.get)


def test_parities():
    for problem in family("parity"):
        state, times = re.search(r"is ([\w ]+)\. It is [\w ]+? (once|twice|\d+ times)\.", problem.query).groups()
        one, other = re.search(r"now ([\w ]+) or ([\w ]+)\?", problem.query).groups()
        odd = {"once": 1, "twice": 2}.get(times) or int(times.split()[0])
        assert problem.answer == ({one: other, other: one}[state] if odd % 2 else state)


def test_queues():
    for problem in family("queue"):
        line = re.search(r"stand ([\w, ]+)\.", problem.query)[1].split(", ")
        where, who = re.search(r"right (behind|in front of) (\w+)\?", problem.query).groups()
        assert problem.answer == line[line.index(who) + (1 if where == "behind" else -1)]


@pytest.mark.parametrize("name", ["moved_object", "containment"])
def test_the_last_place_counts(name):
    for problem in family(name):
        assert re.search(r"to the (\w+)\.", problem.query)[1] == problem.answer


def test_swaps():
    for problem in family("swaps"):
        held = dict(re.findall(r"(\w+) has the (\w+) hat", problem.query))
        one, two = re.search(r"(\w+) and (\w+) swap", problem.query).groups()
        held[one], held[two] = held[two], held[one]
        assert problem.answer == held[re.search(r"colour is (\w+)'s", problem.query)[1]]
