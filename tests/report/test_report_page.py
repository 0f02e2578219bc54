"""The report of a run: what it says is what the files say, finished or not, and what is missing is told."""

from __future__ import annotations

import json
import re
import shutil

import made_run
import numpy as np
import project
import pytest
from html_texts import texts_of

from twt_core import embedding, report, session
from twt_core.errors import InputError
from twt_core.progress import Progress
from twt_core.report.texts import visible


def data_of(page: str) -> list[dict]:
    """The rows of the lists: training queries, then test questions."""
    return [json.loads(text) for text in re.findall(r'<script type="application/json">(.*?)</script>', page, re.DOTALL)]


def test_a_run_ends_with_its_report(finished):
    file = finished.folder / report.REPORT
    assert file.read_text(encoding="utf-8") == report.page(finished.folder)


def test_the_numbers_are_the_summarys(finished):
    said = texts_of(report.page(finished.folder))
    for stage in finished.summary.stages:
        row = said[said.index(stage.name) :][:6]
        low, high = stage.accuracy_ci
        assert row[1:4] == [f"{stage.accuracy:.1%}", f"{low:.1%} to {high:.1%}", str(stage.questions)]
        assert f"{stage.mean_output_tokens:.1f}" in row
    counts = finished.summary.annotations
    assert said[said.index("asked") + 1] == str(counts.asked)
    [(reason, number)] = counts.rejected.items()
    assert said[said.index(f"rejected: {reason}") + 1] == str(number)
    assert any(f"Recommended: {finished.summary.recommended_stage}." in text for text in said)
    assert "seed" in said and "0" in said


def test_every_annotation_and_answer_is_there(finished):
    queries, questions = data_of(report.page(finished.folder))
    kept = project.rows_of(finished.folder, "kept")
    shown = {(row[0], queries["teachers"][a[0]], a[1]): a for row in queries["rows"] for a in row[4]}
    assert {(a["query_id"], a["teacher"], a["sample"]): a["rationale"] for a in kept} == {
        k: a[8] for k, a in shown.items()
    }
    outcomes = {key: queries["outcomes"][a[2]] for key, a in shown.items()}
    for a in kept:
        outcome = outcomes[a["query_id"], a["teacher"], a["sample"]]
        assert (
            outcome == f"rejected: {a['rejection']}"
            if "rejection" in a
            else outcome in {"selected", "kept, not selected"}
        )
    assert all(a[4] == 1 for a in shown.values())  # whether the label is right
    assert [row[2] for row in queries["rows"]] == [[row["answer"]] for row in project.queries()]
    assert questions["stages"] == [stage.name for stage in finished.summary.stages]
    for place, stage in enumerate(questions["stages"]):
        answers = project.rows_of(finished.folder, f"{stage}-test-scores")
        assert [row[4][place][0][0] for row in questions["rows"]] == [visible(answer["text"]) for answer in answers]
    assert [row[2] for row in questions["rows"]] == [[row["answer"]] for row in project.queries(6, "t", step=2)]


def test_what_a_compression_left_is_shown_against_the_teachers_words(tmp_path):
    queries, _ = data_of(report.page(made_run.make(tmp_path / "run")))
    ann, ben, cai = queries["rows"][1][4]
    assert ann[8] == "ann adds 1 and 1. It is seen at once." and ann[10] == [[[37], "not shorter"]]
    assert ben[10] == [[[17, -20], None]] and cai[10] == [None]
    assert queries["rows"][1][6] == ["Own words: What is 1 plus 1?"]


def test_an_unfinished_run_shows_what_there_is(tmp_path):
    run = made_run.make(tmp_path / "run")
    said = texts_of(report.page(run))
    assert "Not finished: what there is so far." in said
    assert "the run is not finished, so there are no final numbers" in said
    assert said[said.index("answer_only") + 1] == "100.0%"  # from the answers themselves
    for name in (
        "kept",
        "selected",
        "traces",
        "compressed-traces",
        *(f"{stage}-test-scores" for stage in made_run.STAGES),
    ):
        [step] = run.glob(f"[0-9][0-9]-{name}")
        shutil.rmtree(step)
        report.page(run)
    said = texts_of(report.page(run))
    assert "No teacher has answered yet." in said and "No stage has answered the test questions yet." in said


def test_steps_after_the_one_that_a_run_stopped_at_are_told(finished, tmp_path):
    """A changed filter, and a stop before the selection: the students are still those of the old one."""
    run = shutil.copytree(finished.folder, tmp_path / "run")
    (run / "summary.json").unlink()
    told = json.loads((run / "progress.json").read_text(encoding="utf-8"))
    for step, later in (("03-kept", "04-selected, 05-traces"), (None, ""), ("99-last", "")):
        (run / "progress.json").write_text(json.dumps({**told, "state": "stopped", "step": step}), encoding="utf-8")
        marks = [text for text in texts_of(report.page(run)) if text.startswith("NOT LOOKED AT")]
        assert len(marks) == bool(later) and later in "".join(marks)


def test_a_run_that_waits_for_the_filter_is_pending(tmp_path):
    run = made_run.make(tmp_path / "run", queries=2)
    [kept], [selected] = run.glob("*-kept"), run.glob("*-selected")
    shutil.rmtree(selected)
    manifest = json.loads((kept / "manifest.json").read_text())
    kept.rename(run / "01-scored")
    (run / "01-scored" / "manifest.json").write_text(json.dumps({**manifest, "step": "scored"}))
    text = report.page(run)
    queries, _ = data_of(text)
    assert "pending" in queries["outcomes"]
    said = texts_of(text)
    assert said[said.index("confidence") + 1] == "not judged yet"  # the columns of the histogram's numbers


def test_an_older_folder_says_what_is_missing(finished, tmp_path):
    run = shutil.copytree(finished.folder, tmp_path / "old")
    for name in ("test_queries.jsonl", "known_answers.jsonl", "label_grades.jsonl"):
        (run / name).unlink()
    page = report.page(run)
    said = texts_of(page)
    missing = "is not there: the run was made by an earlier version. `twt run` writes it anew"
    assert {f"{name} {missing}" for name in ("test_queries.jsonl", "known_answers.jsonl", "label_grades.jsonl")} <= {
        *said
    }
    queries, questions = data_of(page)
    assert all(a[4] is None for row in queries["rows"] for a in row[4])
    assert {row[1] for row in questions["rows"]} == {"(the question is not in the run folder)"}


@pytest.mark.parametrize(
    "name",
    ["summary.json", "config.json", "calibration.json", "queries.jsonl", "label_grades.jsonl", "03-kept/rows.jsonl"],
)
def test_damage_is_told_and_ends_nothing(finished, tmp_path, name):
    run = shutil.copytree(finished.folder, tmp_path / "damaged")
    (run / name).write_bytes(b"\xff{")
    said = texts_of(report.page(run))
    assert any(name.rpartition("/")[2] in text for text in said if "damaged" in text or "cannot be read" in text), said[
        :20
    ]


def test_no_run_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="no run folder"):
        report.page(tmp_path)


def test_a_report_that_fails_ends_no_run(again, monkeypatch, capfd):
    monkeypatch.setattr(report, "page", lambda _: 1 / 0)
    assert session.run(again.config, (), again.runs, None, Progress()).stages == again.summary.stages
    assert "its report could not be written: ZeroDivisionError" in capfd.readouterr().err


def test_the_similarity_of_a_selected_pair_is_that_of_its_kept_vectors(tmp_path, embedder, model):
    chosen = "diversity_selector: {{use: min_similarity_pair, embedder: " + str(embedder) + "}}"
    config = project.make(tmp_path, model, project.CONFIG.replace("diversity_selector: {{use: random_pair}}", chosen))
    session.run(config, (), tmp_path / "runs", None, Progress(quiet=True))
    queries, _ = data_of(report.page(tmp_path / "runs" / "tiny"))
    embed = embedding.Embeddings(tmp_path / "runs" / "embeddings.sqlite", Progress(quiet=True))
    compared = [(row, pair) for row in queries["rows"] if len(row[4]) == 3 for pair in row[5] if pair[2] is not None]
    assert compared
    for row, (i, j, cosine, _) in compared:
        one, other = embed(str(embedder), [row[4][i][8], row[4][j][8]])
        assert cosine == pytest.approx(float(np.dot(one, other)), abs=1e-4)


def test_a_long_text_is_cut_and_says_so(tmp_path):
    queries, _ = data_of(report.page(made_run.make(tmp_path / "run", ["x" * 300_000])))
    rationale = queries["rows"][0][4][0][8]
    assert len(rationale) < 21_000 and rationale.endswith("[cut here: 20,000 of 300,000 characters are shown]")
