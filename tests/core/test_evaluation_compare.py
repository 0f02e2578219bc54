"""`twt compare`: from what is on disk, on the same questions, and nothing that a file says moves the cursor."""

from __future__ import annotations

import json
from pathlib import Path

import project
import pytest

from twt_core.errors import InputError, TwtError
from twt_core.evaluation.compare import compare
from twt_core.evaluation.folder import IDENTITY, PREDICTIONS, RESULT
from twt_core.evaluation.printing import print_compared
from twt_core.evaluation.result import Evaluation
from twt_core.metrics import score_stage
from twt_core.records import Prediction


def rows(verdicts: str, tokens: int = 10, **more: object) -> list[Prediction]:
    right = {"+": True, "-": False, "?": None}
    return [
        Prediction(**{
            "query_id": f"q{n}", "question": f"{n:016x}", "text": "", "tokens": tokens, "seconds": 0.1,
            "correct": right[letter], "verdict": {"+": "right", "-": "wrong", "?": "infra"}[letter], **more,
        })
        for n, letter in enumerate(verdicts)
    ]  # fmt: skip


def evaluation(folder: Path, predictions: list[Prediction], **more: object) -> str:
    """A folder as `twt evaluate` leaves it."""
    folder.mkdir(parents=True)
    (folder / PREDICTIONS).write_text("".join(row.model_dump_json() + "\n" for row in predictions), encoding="utf-8")
    found = Evaluation(**{
        "subject": folder.name, "kind": "model", "stage": None, "folder": str(folder), "queries": "test.jsonl",
        "queries_sha256": "", "questions": len(predictions), "trained_on": 0, "missing": {},
        "tokens_counted_by": "tokenizer", "tokens_unknown": 0, "settings": {}, "task": {}, "cost_usd": 0,
        "teacher_calls": 0, "versions": {}, "score": score_stage(folder.name, predictions), "tasks": {}, **more,
    })  # fmt: skip
    (folder / RESULT).write_text(found.model_dump_json(), encoding="utf-8")
    (folder / IDENTITY).write_text("{}", encoding="utf-8")
    return str(folder)


@pytest.fixture
def two(tmp_path) -> list[str]:
    """One that is right on 30 of 40, tersely, and one that is on 15 of them."""
    good = evaluation(tmp_path / "good", rows("+" * 30 + "-" * 10, tokens=4))
    return [evaluation(tmp_path / "bad", rows("+" * 15 + "-" * 25, tokens=20)), good]


def test_two_evaluations(two):
    found = compare(two)
    assert [(one.name, one.accuracy, one.mean_output_tokens, one.on_frontier) for one in found.models] == [
        ("bad", 0.375, 20, False),
        ("good", 0.75, 4, True),
    ]
    [one] = found.comparisons
    assert (one.first, one.second, one.accuracy_difference, one.token_ratio) == ("bad", "good", 0.375, 0.2)
    assert one.p_value == pytest.approx(2 / 2**15)
    assert found.notes == []


def test_three_are_corrected_together(two, tmp_path):
    found = compare([*two, evaluation(tmp_path / "same", rows("+" * 15 + "-" * 25, tokens=20))])
    assert [(one.first, one.second) for one in found.comparisons] == [
        ("bad", "good"),
        ("bad", "same"),
        ("good", "same"),
    ]
    assert {one.compared_together for one in found.comparisons} == {3}
    assert found.comparisons[0].p_corrected == pytest.approx(3 * 2 / 2**15)


def test_stages_of_a_run_against_each_other_and_all_of_them(finished):
    found = compare([str(finished.folder)])
    assert [one.name for one in found.models] == ["untouched", "full", "compressed", "answer_only"]
    assert len(found.comparisons) == 6
    assert [one.model_dump() for one in found.models] == [one.model_dump() for one in finished.summary.stages]
    found = compare([f"{finished.folder}:full", str(finished.folder)])
    assert [one.name for one in found.models] == ["tiny:full", f"tiny:{finished.summary.recommended_stage}"]


def test_other_questions_are_refused_with_the_way_out(two, tmp_path):
    fewer = evaluation(tmp_path / "fewer", rows("+" * 9))
    with pytest.raises(InputError, match=r"9 are shared, 31 only good .*--shared"):
        compare([two[1], fewer])
    found = compare([two[1], fewer], shared=True)
    assert [one.answers for one in found.models] == [9, 9]
    assert "only the 9 questions that all were asked count; there are: good 40, fewer 9" in found.notes
    others = evaluation(tmp_path / "others", [row.model_copy(update={"question": "f" * 16}) for row in rows("+-")])
    with pytest.raises(InputError, match="no question was asked of all: good 40, others 2"):
        compare([two[1], others], shared=True)


def test_what_is_not_graded_is_left_out_in_pairs_and_counted(tmp_path, capfd):
    names = [evaluation(tmp_path / "a", rows("++?-+")), evaluation(tmp_path / "b", rows("+?-++"))]
    found = compare(names)
    assert [one.ungraded for one in found.models] == [{"infra": 1}, {"infra": 1}]
    assert found.comparisons[0].graded == 3
    print_compared(found)
    said = capfd.readouterr().out
    assert "a: 1 of 5 answers not graded (1 infra)" in said
    assert "a and b: 3 of 5 questions are graded for both" in said


def test_tasks_of_a_mixture_are_shown_each(tmp_path, capfd):
    mixed = [row.model_copy(update={"task": "odd" if n % 2 else "even"}) for n, row in enumerate(rows("+-+-"))]
    found = compare([evaluation(tmp_path / "a", mixed), evaluation(tmp_path / "b", mixed[::-1])])
    assert {task: [one.accuracy for one in scores] for task, scores in found.tasks.items()} == {
        "even": [1, 1], "odd": [0, 0],
    }  # fmt: skip
    print_compared(found)
    assert "task even" in capfd.readouterr().out


def test_what_has_to_be_known_is_said(two, tmp_path, capfd):
    marked = evaluation(
        tmp_path / "marked", rows("+" * 40, graded_by="judith", unsandboxed=True), trained_on=3,
        missing={"HTTP 500": 2}, tokens_counted_by="server",
    )  # fmt: skip
    print_compared(compare([two[0], marked]))
    said = capfd.readouterr().out
    for part in ("JUDGED by judith", "UNSANDBOXED", "marked: 3 of 40 questions are among those it was DISTILLED FROM",
                 "marked: 2 answers are MISSING: 2 x HTTP 500", "marked: tokens are as the server counts"):  # fmt: skip
        assert part in said, part


def test_prices_are_each_ones_own(two, tmp_path):
    priced = {"evaluation": {"input_usd_per_million": 0, "output_usd_per_million": 10}}
    dear = evaluation(tmp_path / "dear", rows("+" * 40, tokens=20), settings=priced)
    assert [one.usd_per_thousand for one in compare([two[0], dear]).models] == [None, 0.2]


def test_nothing_in_a_file_reaches_the_terminal_raw(two, tmp_path, capfd):
    evil = "\x1b]0;owned\x07\x9b2J\u202e"
    folder = evaluation(
        tmp_path / "evil", rows("?" + "+" * 39, graded_by=evil, verdict=evil, task=evil, text=evil), missing={evil: 1}
    )
    found = compare([two[0], folder])
    print_compared(found)
    said = capfd.readouterr().out
    assert "]0;owned" in said
    assert not set(evil) & set("\x1b\x07\x9b\u202e") & set(said)
    assert not set("\x1b\x07\x9b\u202e") & set(found.model_dump_json())


def test_short_names_that_are_the_same_are_given_whole(tmp_path):
    names = [evaluation(tmp_path / part / "test", rows("+-")) for part in ("a", "b")]
    assert [one.name for one in compare(names).models] == names


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["{run}:ful", "{good}"], "no stage is called 'ful'. Did you mean \"full\"?"),
        (["{good}", "{good}"], "is given twice"),
        (["{run}:full", "{run}:full"], "is given twice"),
        (["{good}", "{good}/../good"], "is given twice"),
        (["{good}"], "name two or more to compare"),
        (["{good}", "nowhere"], "nowhere: no evaluation's folder, and no run's. Make one: twt evaluate"),
        (["{good}", "{good}:full"], "no evaluation's folder, and no run's"),
    ],
)
def test_what_cannot_be_compared(two, finished, names, said):
    places = {"run": finished.folder, "good": two[1]}
    with pytest.raises(InputError) as error:
        compare([name.format(**places) for name in names])
    assert said in str(error.value)


def test_a_bare_name_leads_to_the_run_of_that_name(two, finished, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").symlink_to(finished.runs)
    with pytest.raises(InputError, match=r'and no run.s\. Did you mean "runs/tiny:full"\?'):
        compare([two[0], "tiny:full"])


def test_an_evaluation_that_is_not_finished_or_damaged(two):
    (Path(two[0]) / RESULT).rename(Path(two[0]) / "away")
    with pytest.raises(InputError, match="this evaluation is not finished"):
        compare(two)
    (Path(two[0]) / RESULT).write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match="damaged, or of another version of TwT"):
        compare(two)
    (Path(two[0]) / "away").rename(Path(two[0]) / RESULT)
    file = Path(two[0]) / PREDICTIONS
    file.write_text("".join(file.read_text(encoding="utf-8").splitlines(keepends=True)[:-1]), encoding="utf-8")
    with pytest.raises(TwtError, match="39 of 40 predictions are there"):
        compare(two)


def test_a_run_whose_answers_were_changed(again):
    [file] = again.folder.glob("*-full-test-scores/rows.jsonl")
    changed = [{**row, "correct": True} for row in project.rows_of(again.folder, "full-test-scores")]
    file.write_text("".join(json.dumps(row) + "\n" for row in changed), encoding="utf-8")
    with pytest.raises(TwtError, match="damaged since it was made"):
        compare([str(again.folder)])
