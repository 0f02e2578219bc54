import json
from pathlib import Path

import pytest

from twt_core import seeds, tables
from twt_core.errors import InputError
from twt_core.ledger import Ledger
from twt_core.progress import Progress
from twt_core.seeds import run_seeds, spread_of
from twt_core.session import LEDGER

QUICK = ["stage_scheduler.use=standard_kd", "student.max_new_tokens=4"]


@pytest.fixture(scope="module")
def spread(tmp_path_factory, model):
    """Two seeds of the tiny project."""
    import project

    config = project.make(tmp_path_factory.mktemp("seeds"), model)
    runs = config.parent / "runs"
    return config, runs, run_seeds(config, 2, [*QUICK, "seed=7"], runs, None, Progress(quiet=True))


def test_each_seed_is_a_run_of_its_own(spread):
    _, runs, found = spread
    assert (found.seeds, found.runs) == ([7, 8], ["tiny-seed-7", "tiny-seed-8"])
    summaries = [json.loads((runs / run / "summary.json").read_text(encoding="utf-8")) for run in found.runs]
    assert [summary["seed"] for summary in summaries] == [7, 8]
    for stage in found.stages:
        scores = [next(s for s in summary["stages"] if s["name"] == stage.name) for summary in summaries]
        assert stage.runs == 2
        assert stage.accuracy.values == [score["accuracy"] for score in scores]
        assert stage.output_tokens.values == [score["mean_output_tokens"] for score in scores]
    assert sum(found.recommended.values()) == 2


def test_the_seed_is_of_the_training(spread):
    _, runs, found = spread
    weights = [next((runs / run).glob("*-student/*.safetensors")).read_bytes() for run in found.runs]
    assert weights[0] != weights[1]


def test_no_answer_is_bought_twice(spread):
    _, runs, found = spread
    ledger = Ledger(runs / LEDGER)
    try:
        calls = [sum(row.calls for row in ledger.spending(run)) for run in found.runs]
    finally:
        ledger.close()
    assert calls == [36, 0]
    assert found.teacher_calls == 36


def test_the_same_call_again_makes_nothing(spread, twt):
    config, runs, found = spread
    options = [argument for change in QUICK for argument in ("--set", change)]
    said = twt("run", config, "--seeds", 2, *options, "--set", "seed=7", "--runs-dir", runs)
    assert said.code == 0
    assert said.err.count("nothing to do: every step is on disk") == 2
    for part in ("deviation", "untouched", "of 2 seeds", "tiny-seed-7, tiny-seed-8", "tiny-seeds.json"):
        assert part in said.out, part
    assert max(map(len, said.out.splitlines())) <= 100
    as_json = twt("run", config, "--seeds", 2, *options, "--set", "seed=7", "--runs-dir", runs, "--json", "--quiet")
    assert json.loads(as_json.out) == found.model_dump(mode="json")
    assert json.loads(as_json.out) == json.loads((runs / "tiny-seeds.json").read_text(encoding="utf-8"))


def test_a_third_seed_is_added_to_two(spread):
    config, runs, found = spread
    more = run_seeds(config, 3, [*QUICK, "seed=6"], runs, None, Progress(quiet=True))
    assert more.seeds == [6, 7, 8]
    assert more.stages[-1].accuracy.values[1:] == found.stages[-1].accuracy.values


@pytest.mark.parametrize("count", [1, 0, -1])
def test_one_seed_has_no_spread(fresh, twt, count):
    with pytest.raises(InputError, match="two runs or more"):
        run_seeds(fresh, count)
    assert twt("run", fresh, "--seeds", count).code == 2


def test_a_folder_of_another_config_is_refused_before_the_first_run(fresh, tmp_path, monkeypatch, finished):
    recipe = (finished.folder / "config.json").read_text(encoding="utf-8")
    other = tmp_path / "runs" / "mine-seed-1"
    other.mkdir(parents=True)
    (other / "config.json").write_text(recipe.replace('"name": "tiny"', '"name": "another"'), encoding="utf-8")
    monkeypatch.setattr(seeds.session, "run", lambda *_: pytest.fail("a run began"))
    with pytest.raises(InputError, match="mine-seed-1: made by another config, 'another'"):
        run_seeds(fresh, 2, (), tmp_path / "runs", "mine", Progress(quiet=True))


def test_a_folder_that_is_damaged_says_so(fresh, tmp_path, twt):
    (tmp_path / "runs" / "tiny-seed-1").mkdir(parents=True)
    (tmp_path / "runs" / "tiny-seed-1" / "config.json").write_bytes(b"\xff{")
    with pytest.raises(InputError, match=r"config.json: damaged"):
        run_seeds(fresh, 2, (), tmp_path / "runs", None, Progress(quiet=True))
    said = twt("run", fresh, "--name", "tiny-seed-1", "--runs-dir", tmp_path / "runs")
    assert (said.code, "config.json: damaged" in said.err) == (2, True)


def test_whose_opinion_a_grade_is_and_what_is_not_graded_is_said(finished, capfd):
    judged = finished.summary.stages[0].model_copy(update={"judged_by": ["judith"]})
    summary = finished.summary.model_copy(update={"stages": [judged], "ungraded": 3})
    found = spread_of("x", [0, 1], [summary, finished.summary])
    assert (found.judged_by, found.ungraded) == (["judith"], 3)
    tables.print_seeds(found, Path("runs"))
    said = capfd.readouterr().out
    assert "JUDGED by judith" in said
    assert "3 answers not graded" in said


def test_a_seed_out_of_range_is_refused_before_the_first_run(fresh, tmp_path, monkeypatch):
    monkeypatch.setattr(seeds.session, "run", lambda *_: pytest.fail("a run began"))
    with pytest.raises(InputError, match="seed"):
        run_seeds(fresh, 2, ["seed=4294967295"], tmp_path / "runs", None, Progress(quiet=True))
    with pytest.raises(InputError, match="--name is empty"):
        run_seeds(fresh, 2, (), tmp_path / "runs", "", Progress(quiet=True))


def test_the_spread_of_numbers(finished):
    def made(accuracy, tokens, recommended):
        stage = finished.summary.stages[-1].model_copy(update={"accuracy": accuracy, "mean_output_tokens": tokens})
        changes = {"stages": [*finished.summary.stages[:1], stage], "recommended_stage": recommended, "cost_usd": 0.25}
        return finished.summary.model_copy(update=changes)

    runs = [made(0.5, 10.0, "full"), made(0.75, 13.0, "answer_only"), made(None, 10.0, "answer_only")]
    found = spread_of("x", [0, 1, 2], runs)
    last = found.stages[-1]
    assert (last.accuracy.mean, last.accuracy.lowest, last.accuracy.highest) == (0.625, 0.5, 0.75)
    assert last.accuracy.deviation == pytest.approx(0.1768, abs=5e-5)
    assert (last.output_tokens.mean, last.output_tokens.deviation) == (11.0, pytest.approx(1.7321, abs=5e-5))
    assert list(found.recommended.items()) == [("answer_only", 2), ("full", 1)]
    assert found.cost_usd == 0.75


def test_a_stage_that_only_one_seed_entered_has_no_deviation(finished):
    short = finished.summary.model_copy(update={"stages": finished.summary.stages[:2]})
    found = spread_of("x", [0, 1], [finished.summary, short])
    assert [stage.runs for stage in found.stages] == [2, 2, 1, 1]
    assert found.stages[-1].output_tokens.deviation is None


def test_a_call_that_failed_goes_on_where_it_was(fresh, tmp_path, monkeypatch):
    real, begun = seeds.session.run, []

    def failing(config, overrides, runs_dir, name, progress, beside):
        begun.append(name)
        if name == "tiny-seed-1" and begun.count(name) == 1:
            raise InputError("a full disk")
        return real(config, overrides, runs_dir, name, progress, beside)

    monkeypatch.setattr(seeds.session, "run", failing)
    with pytest.raises(InputError, match="a full disk"):
        run_seeds(fresh, 2, QUICK, tmp_path / "runs", None, Progress(quiet=True))
    assert not (tmp_path / "runs" / "tiny-seeds.json").exists()
    first = (tmp_path / "runs" / "tiny-seed-0" / "summary.json").stat().st_mtime_ns
    adapter = next((tmp_path / "runs" / "tiny-seed-0").glob("*-student/manifest.json")).stat().st_mtime_ns
    assert run_seeds(fresh, 2, QUICK, tmp_path / "runs", None, Progress(quiet=True)).seeds == [0, 1]
    assert begun == ["tiny-seed-0", "tiny-seed-1", "tiny-seed-0", "tiny-seed-1"]
    assert next((tmp_path / "runs" / "tiny-seed-0").glob("*-student/manifest.json")).stat().st_mtime_ns == adapter
    assert (tmp_path / "runs" / "tiny-seed-0" / "summary.json").stat().st_mtime_ns > first
