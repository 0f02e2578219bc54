import pytest
from rich.console import Console

from twt_core import score_tables, terminal
from twt_core.comparisons import compare_all
from twt_core.evaluation.config import EvaluationConfig
from twt_core.metrics import score_stages, score_tasks
from twt_core.records import Prediction

PRICES = EvaluationConfig(input_usd_per_million=0.1, output_usd_per_million=0.4)


def answers(verdicts, tokens, **more):
    right = {"+": True, "-": False, "?": None}
    return [
        Prediction(
            **{
                "query_id": str(n), "text": "", "tokens": tokens, "prompt_tokens": 90, "seconds": 12.5,
                "correct": right[letter], "verdict": "infra" if letter == "?" else "", **more,
            }
        )
        for n, letter in enumerate(verdicts)
    ]  # fmt: skip


def printed(stages, evaluation=PRICES, recommended=None):
    console = Console(width=100)
    with console.capture() as found:
        score_tables.print_scores(
            console, score_stages(stages, evaluation), score_tasks(stages, evaluation), recommended
        )
    return found.get()


STAGES = {
    "untouched": answers("-" * 50, 1234),
    "compressed_2": answers("+" * 40 + "-" * 10, 456),
    "answer_only": answers("+" * 50, 12),
}


def test_all_columns_fit_a_hundred():
    lines = printed(STAGES, recommended="compressed_2").splitlines()
    assert len(lines) == 4
    assert max(map(len, lines)) <= 100
    assert lines[0].split() == [
        "stage", "accuracy", "95", "%", "interval", "output", "tokens", "median", "p95", "saved", "seconds", "$/1000",
    ]  # fmt: skip
    assert lines[2].split() == [
        "compressed_2", "80.0%", "67.0%", "to", "88.8%", "456.0", "456", "456", "63%", "12.50", "0.1914", "<",
    ]  # fmt: skip
    assert lines[3].split()[-1] == "*"


def test_what_is_not_known_has_no_column():
    text = printed({"a": answers("+-", 5), "b": answers("+-", 5)}, EvaluationConfig())
    assert "$/1000" not in text
    assert "saved" not in text


def test_each_task_stands_below():
    mixed = {name: [*answers("+-", 9, task="math"), *answers("++", 3, task="code")] for name in ("untouched", "full")}
    text = printed(mixed)
    assert text.index("75.0%") < text.index("task math") < text.index("50.0%") < text.index("task code")


def test_what_was_not_graded_is_told():
    text = printed({"full": [*answers("+??", 9), *answers("?", 9, query_id="9", verdict="no_reference")]})
    assert "full: 3 of 4 answers not graded (2 infra, 1 no_reference)" in text
    assert "nothing graded" in printed({"full": answers("??", 9)})


def test_opinions_and_missing_walls_are_loud():
    text = printed({"full": [*answers("+", 9, graded_by="gpt"), *answers("-", 9, unsandboxed=True)]})
    assert "JUDGED by gpt: right or wrong is that model's opinion" in text
    assert "UNSANDBOXED: programs written by models ran without walls" in text
    assert "JUDGED" not in printed(STAGES)


def test_pass_at_k_where_it_was_asked_for():
    rows = [row.model_copy(update={"sample": k}) for k in range(4) for row in answers("+-"[k % 2] * 3, 9)]
    text = printed({"full": rows}, EvaluationConfig(samples=4, pass_at=(1, 2)))
    assert "full: pass@2 83.3% (" in text
    assert "pass@" not in printed(STAGES)


def test_comparisons_in_a_table():
    console = Console(width=100)
    with console.capture() as found:
        console.print(score_tables.comparison_table(compare_all(STAGES, ["untouched", "compressed_2"])))
    lines = found.get().splitlines()
    assert len(lines) == 4
    assert max(map(len, lines)) <= 100
    assert lines[1].split()[:4] == ["compressed_2", "to", "untouched", "+80.0"]
    assert "! < 0.001" in lines[1]
    assert "x 0.369 (0.369 to 0.369)" in lines[1]
    assert "x 0.00972 (0.00972 to 0.00972)" in lines[2]


@pytest.mark.parametrize("text", ["\x1b[2Jgone", "a\rb", "\x9b31m", "line\nbreak"])
def test_no_command_reaches_the_terminal(text):
    rows = [answers("+", 9, task=text)[0], *answers("?", 9, query_id="1", verdict=text, graded_by=text)]
    shown = printed({"full": rows})
    assert text not in shown
    assert "\x1b[2J" not in shown


def test_what_a_model_wrote_commands_no_terminal():
    assert terminal.plain_lines("def f():\n\treturn 1\x1b[2J\r\n") == "def f():\n\treturn 1\ufffd[2J\ufffd\n"
