"""What does not stop a bench, what does, and that it goes on from there."""

from __future__ import annotations

import signal
import sys
from contextlib import suppress

import benches
import project
import pytest
from scripted_server import well
from test_resume import DYING, LIVE, TWT, start, until

from twt_core import session
from twt_core.bench import execution
from twt_core.bench.planning import plan_bench
from twt_core.bench.result import BenchResult
from twt_core.errors import BatchPending, InputError, TwtError
from twt_core.ledger import Ledger
from twt_core.run import open_run
from twt_core.session import LEDGER

pytestmark = pytest.mark.usefixtures("without_reports")

#: The second keeps nothing, so that its run fails.
FAILING = "grid:\n  quality_filter.minimum: {usual: 0.95, none: 1.0, low: 0.1}\n"
SELECTORS = "grid:\n  diversity_selector: [{use: random_pair}, {use: all}]\n"


def states(found):
    return {one.name: one.state for one in found.combinations}


def test_one_that_fails_does_not_stop_the_others(fresh, twt):
    benches.write(fresh, benches.QUICK + FAILING)
    runs = fresh.parent / "runs"
    said = twt("bench", fresh, "--runs-dir", runs)
    assert said.code == 1
    assert said.err.splitlines()[-1] == "twt: 1 of 3 runs failed: none"
    assert "none failed: " in said.out  # with what was wrong
    found = benches.bench(fresh)
    assert states(found) == {"usual": "done", "none": "failed", "low": "done"}
    assert found.combinations[1].error
    assert [arm.score is None for arm in found.arms] == [False, True, False]
    assert [one.second for one in found.comparisons] == ["low"]
    fresh.write_text(fresh.read_text(encoding="utf-8").replace("none: 1.0", "none: 0.9"), encoding="utf-8")
    assert set(states(benches.bench(fresh)).values()) == {"done"}


def test_a_bug_in_one_does_not_stop_the_others(fresh, monkeypatch, capfd):
    benches.write(fresh, benches.QUICK + SELECTORS)
    real = session.carry_out

    def buggy(prepared, *rest):
        if prepared.config.diversity_selector.use == "random_pair":
            raise ZeroDivisionError("by nought")
        return real(prepared, *rest)

    monkeypatch.setattr(execution.session, "carry_out", buggy)
    found = benches.bench(fresh, progress=benches.Progress())
    assert states(found) == {"random_pair": "failed", "all": "done"}
    assert found.combinations[0].error == "ZeroDivisionError: by nought"
    assert "Traceback" in capfd.readouterr().err
    assert found.comparisons == []  # the baseline is what failed


def test_batches_under_way_are_waited_for(fresh, monkeypatch, twt):
    benches.write(fresh, benches.QUICK + "grid:\n  seed: [0, 1]\n")
    monkeypatch.setattr(execution.session, "carry_out", lambda *_: (_ for _ in ()).throw(BatchPending("at a provider")))
    said = twt("bench", fresh, "--runs-dir", fresh.parent / "runs")
    assert said.code == 4
    assert "seed-1 waiting: at a provider" in said.out


@pytest.mark.parametrize(("error", "left"), [(TwtError("no"), "failed"), (KeyboardInterrupt(), "interrupted")])
def test_its_result_is_there_from_the_start(fresh, monkeypatch, error, left):
    benches.write(fresh, benches.QUICK + SELECTORS)
    seen = []

    def look(*_):
        seen.append(states(on_disk(fresh)))
        raise error

    monkeypatch.setattr(execution.session, "carry_out", look)
    with suppress(KeyboardInterrupt):
        benches.bench(fresh)
    assert seen[0] == {"random_pair": "running", "all": "not_begun"}
    assert seen[1:] == ([{"random_pair": "failed", "all": "running"}] if left == "failed" else [])
    assert states(on_disk(fresh))["random_pair"] == left


def on_disk(config):
    file = config.parent / "runs" / "tiny" / "bench.json"
    return BenchResult.model_validate_json(file.read_text(encoding="utf-8"))


@pytest.fixture
def live(fresh, server, model):
    """Two priced teachers behind a server; each call costs 0.003 dollars, 0.0251 at worst."""
    server.script = well
    priced = LIVE.replace("concurrency: 3", "concurrency: 1, max_tokens: 50, input_usd_per_million: 100, "
                          "output_usd_per_million: 100")  # fmt: skip
    text = priced.format(url=server.url, model=model) + "budget_usd: {budget}\n" + benches.QUICK
    text += "grid:\n  quality_filter.minimum: [0.5, 0.6]\n  teachers.0.temperature: [0, 0.5]\n"

    def config(budget):
        fresh.write_text(text.replace("{budget}", str(budget)), encoding="utf-8")
        return fresh

    return config


def test_one_budget_bounds_all_runs_and_a_larger_one_goes_on(live, server, twt):
    runs = live(0.1).parent / "runs"
    said = twt("bench", live(0.12), "--runs-dir", runs)
    assert said.code == 3
    ledger = Ledger(runs / LEDGER)
    spent = sum(row.cost_usd + row.reserved_usd for name in ("0.5+0", "0.5+0.5", "0.6+0", "0.6+0.5")
                for row in ledger.spending(f"tiny.{name}"))  # fmt: skip
    ledger.close()
    assert 0 < spent <= 0.12
    assert "the other runs have $" in said.out and "of the $0.12" in said.out
    assert plan_bench(live(0.12), (), runs).spent_usd == pytest.approx(spent)
    found = benches.bench(live(50))
    assert set(states(found).values()) == {"done"}
    assert len(server.asked) == 36  # ben's answers once, ann's for each temperature
    assert found.cost_usd == pytest.approx(36 * 0.003)
    assert found.cost_usd == pytest.approx(sum(one.cost_usd for one in found.combinations))
    other = live(0.11)  # what combinations that the grid no longer has have cost is spent
    other.write_text(other.read_text(encoding="utf-8").replace("[0, 0.5]", "[0.7]"), encoding="utf-8")
    assert set(states(benches.bench(other)).values()) == {"stopped"}
    assert len(server.asked) == 36


def test_what_is_wrong_with_one_is_found_before_the_first_begins(fresh):
    (fresh.parent / "short.jsonl").write_text('{"id": "q1"}\n', encoding="utf-8")
    benches.write(fresh, "grid:\n  test_queries: {whole: {path: test.jsonl}, short: {path: short.jsonl}}\n")
    with pytest.raises(InputError, match=r"short: .*short\.jsonl:1"):
        benches.bench(fresh)
    assert not list((fresh.parent / "runs").glob("tiny.*"))


def test_a_run_in_the_benchs_place_is_left_alone(again):
    benches.write(again.config, "grid:\n  seed: [0]\n")
    with pytest.raises(InputError, match=r"a run's folder\. Give the bench another --name"):
        benches.bench(again.config)


def test_a_folder_of_another_config_is_refused_before_the_first_run(fresh, finished):
    benches.write(fresh, "grid:\n  seed: [0]\n")
    other = fresh.parent / "runs" / "tiny.seed-0"
    other.mkdir(parents=True)
    recipe = (finished.folder / "config.json").read_text(encoding="utf-8")
    (other / "config.json").write_text(recipe.replace('"name": "tiny"', '"name": "another"'), encoding="utf-8")
    with pytest.raises(InputError, match="made by another config, 'another'"):
        benches.bench(fresh)


def test_arms_that_are_asked_other_questions_are_not_compared(fresh):
    project.write_rows(fresh.parent / "other.jsonl", project.queries(4, "o", step=3))
    text = "grid:\n  test_queries: {these: {path: test.jsonl}, those: {path: other.jsonl}}\n  student.epochs: [1, 2]\n"
    benches.write(fresh, benches.QUICK + text)
    with pytest.raises(InputError, match=r"these.1 and those.1 are not asked the same questions"):
        benches.bench(fresh, baseline="these+1")
    found = benches.bench(fresh)
    assert found.baseline == {"student.epochs": "1"}
    assert [arm.group for arm in found.arms] == ["these", "these", "those", "those"]
    assert [(one.first, one.second) for one in found.comparisons] == [("these+1", "these+2"), ("those+1", "those+2")]


def test_killed_and_interrupted_it_goes_on_and_makes_nothing_twice(tmp_path, model):
    config = benches.make(
        tmp_path, model, benches.QUICK + "grid:\n  diversity_selector: [{use: random_pair}, {use: all}]\n"
    )
    runs = tmp_path / "runs"
    taken = runs / "tiny.all" / ".work" / "kept.taken" / "manifest.json"
    died = start(sys.executable, DYING, "os.rename", str(taken), "--", "bench", config, "--runs-dir", runs)
    died.communicate()
    assert died.returncode == -signal.SIGKILL
    assert not (runs / "tiny.all" / "03-kept").exists()  # not half of it
    before = benches.written(runs)
    interrupted = start(TWT, "bench", config, "--runs-dir", runs)
    until((runs / "tiny.all" / "08-answer_only-student").exists, interrupted)
    interrupted.send_signal(signal.SIGINT)
    _, err = interrupted.communicate()
    assert interrupted.returncode == 130
    assert "run the same command again" in err
    found = benches.bench(config)
    assert set(states(found).values()) == {"done"}
    after = benches.written(runs)
    assert {step: after[step] for step in before} == before
    assert not list(runs.glob("*/.work"))
    made = [one for one in benches.manifests(runs).values() if one.get("taken_from") is None]
    assert len({one["fingerprint"] for one in made}) == len(made) == 9 + 5


def test_a_bench_that_another_process_works_on(fresh, tmp_path):
    benches.write(fresh, "grid:\n  seed: [0]\n")
    with execution._locked(tmp_path / "runs" / "tiny"), pytest.raises(InputError, match="works on this bench"):
        benches.bench(fresh)
    with open_run(tmp_path / "runs" / "tiny.seed-0", benches.Progress(quiet=True)):
        assert states(benches.bench(fresh)) == {"seed-0": "failed"}
