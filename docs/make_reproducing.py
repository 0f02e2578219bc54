"""Write ``docs/reproducing.md``: what each table of the paper takes in money and GPU hours.

python docs/make_reproducing.py           # write it
python docs/make_reproducing.py --check   # say whether it is current

Worst cases are those of `twt plan`. Expected prices and hours are sums over calls and tokens, under the assumptions
that the page states; they are the constants of `paper_costs.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import fsum
from pathlib import Path

from generated import write_or_check  # a module beside this one
from paper_costs import (
    A100,
    ALL,
    QUESTIONS,
    STUDENTS,
    TABLES,
    TASKS,
    TESTED,
    WRITTEN,
    Before,
    Cost,
    PaperRun,
    cost_of,
)

TARGET = Path(__file__).parent / "reproducing.md"
#: By task and row.
Costs = dict[tuple[str, str], list[Cost]]
ROWS = {**TABLES, "all, each run once": ALL}
INTRODUCTION = """\
# Reproducing the paper

Made by `make docs` (`docs/make_reproducing.py`); do not edit. What each table of
[arXiv 2503.24198](https://arxiv.org/abs/2503.24198) takes with the configs of
[examples/paper](../examples/paper/README.md), which says what each config is, what the paper got, and what is ours
where the paper is silent. **Nobody here has run them at full size**: these are estimates, and
[what is assumed](#what-is-assumed) is below them.

```bash
twt bench examples/paper/table6.yaml --plan   # steps, calls, and their price at worst; no key, no network
twt bench examples/paper/table6.yaml          # asks, trains, measures, compares; the same command goes on
twt bench examples/paper/table6.yaml --reduced   # here and now, at toy size, with small recorded teachers
twt plan examples/paper/cqa/twt.yaml          # one run
```

The untouched student of any run is the vanilla student of table 1, and the stages of `twt.yaml` are table 2.
"""
MONEY = """\
## Money

US dollars, expected (at worst, by `twt plan`). The runs of a row share a `--runs-dir`: each answer is bought once.
"""
WORST = """
The worst case takes a prompt for one token a byte, of the longest row let through, and an answer for its 2,048 tokens.
`budget_usd` (100 in these configs) is held against what was paid and the worst case of the calls under way, not against
this sum. With `batch: true` the OpenAI teachers' part is half.
"""
HOURS = f"""\
## GPU hours

Hours of one {A100.name}, training + generating; the paper used four. Runs of a row that begin alike share those steps,
as in `twt bench`.
"""
EACH = """\
## Each run by itself

Alone in its `--runs-dir`: expected dollars, millions of tokens trained on and generated, GPU hours.
"""


def page() -> str:
    """The whole page."""
    costs = {(task, row): list(_costs(task, runs)) for task in TASKS for row, runs in ROWS.items()}
    return "\n".join([INTRODUCTION, *_money(costs), *_hours(costs), *_runs(), *_assumptions()])


def _costs(task: str, runs: Iterable[PaperRun]) -> Iterable[Cost]:
    """Runs one after the other in one runs folder: what an earlier one asked, a later one does not."""
    before = Before()
    for run in runs:
        yield cost_of(task, run, before)


def _money(costs: Costs) -> Iterable[str]:
    yield MONEY
    yield from _head(["table", "runs a task", *(TASKS[task].title for task in TASKS)])
    for row, runs in ROWS.items():
        yield _row([row, str(len(runs)), *(_paid(costs[task, row]) for task in TASKS)])
    yield WORST


def _paid(costs: list[Cost]) -> str:
    return f"{_usd(fsum(c.expected_usd for c in costs))} ({_usd(fsum(c.worst_usd for c in costs))})"


def _hours(costs: Costs) -> Iterable[str]:
    yield HOURS
    yield from _head(["table", *(TASKS[task].title for task in TASKS)])
    for row in ROWS:
        yield _row([row, *(_busy(costs[task, row]) for task in TASKS)])
    yield ""


def _busy(costs: list[Cost]) -> str:
    return f"{fsum(c.train_hours for c in costs):,.1f} + {fsum(c.generate_hours for c in costs):,.1f}"


def _runs() -> Iterable[str]:
    yield EACH
    for task in TASKS:
        yield f"### {TASKS[task].title}\n"
        yield from _head(["run", "student", "calls", "expected", "at worst", "trained on", "generated", "GPU hours"])
        for run in ALL:
            yield _run_row(task, run)
        yield ""


def _run_row(task: str, run: PaperRun) -> str:
    cost = cost_of(task, run, Before())
    return _row(
        [
            f"`{task}/{run.config}.yaml`",
            STUDENTS[run.student].title,
            f"{cost.calls:,}",
            _usd(cost.expected_usd),
            _usd(cost.worst_usd),
            f"{cost.trained_tokens / 1e6:,.1f} M",
            f"{cost.generated_tokens / 1e6:,.1f} M",
            f"{cost.train_hours + cost.generate_hours:,.1f}",
        ]
    )


def _assumptions() -> Iterable[str]:
    asked = ", ".join(f"{QUESTIONS[task]} ({TASKS[task].title})" for task in TASKS)
    tested = ", ".join(f"{TESTED[task]:,} ({TASKS[task].title})" for task in TASKS)
    speeds = ", ".join(
        f"{one.title} ({one.parameters / 1e9:.2f} B parameters) {A100.train_tokens_per_second(one.parameters):,.0f}"
        for one in STUDENTS.values()
    )
    yield f"""\
## What is assumed

- **Calls** are those of `twt plan`: every question to every teacher; a rewrite for each row of G and compressed stage;
  a grade for each answer in hard rejection.
- **Rewrites are counted for each run**, though table 3's two runs begin with the same ones, which the ledger then has.
- **Every row passes** the filter, and the pair selection keeps two of three: the paper does not say how many remain.
  Fewer rows cost less of everything but the first answers.
- **A token is four characters.** Prompts are the configs' own, rendered; the mean question is taken to have so many
  characters: {asked}; beside them MBPP's three tests have 60 each,
  and CommonsenseQA's five options 8.
- **Prices** are LiteLLM's (of the version in requirements/constraints.txt) for the names in `paper.yaml`, which are not
  the paper's snapshots.
- **Students are tested** on {tested} questions,
  untouched and after each stage. Before a compressed stage they answer the training questions.
- **Training** takes 6 operations a parameter and token: forward, forward again (gradient checkpointing), and backward
  through the activations; LoRA's own weights are few. At {A100.utilisation:.0%} of {A100.tflops:g} TFLOP/s that is,
  in tokens a second: {speeds}.
- **Generating** makes {A100.steps_per_second:g} tokens a second of each of {A100.batch} questions at once:
  our guess for `student.generator: transformers`, not measured; vllm should be faster.
- **Not counted**: loading models, embedding, table 5's compressor, checkpoints, running MBPP's programs.
- **Teachers and students write** as many tokens as in the paper, on average (tables 1 to 3), and a rewrite has the
  length of what the student of stage 2 writes. What table 5 cuts to half is half of what the teachers write. Students
  of the baselines are asked for the answer alone, by its prefix; the paper's wrote 129 to 397 tokens:
"""
    yield from _head(["", *(TASKS[task].title for task in TASKS)])
    for name, tokens in WRITTEN.items():
        yield _row([name, *(str(count) for count in tokens)])
    yield "\nChange a constant of `docs/paper_costs.py`, and `make docs` writes the page anew.\n"


def _head(names: list[str]) -> Iterable[str]:
    yield _row(names)
    yield "|" + "---|" * len(names)


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _usd(amount: float) -> str:
    return f"${amount:,.0f}" if amount >= 10 else f"${amount:,.2f}"


if __name__ == "__main__":
    write_or_check(TARGET, page(), __doc__)
