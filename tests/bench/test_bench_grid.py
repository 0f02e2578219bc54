"""From a config with a grid to its runs; and what is told when it is wrong."""

from __future__ import annotations

import benches
import jsonschema
import project
import pytest

from twt_core.bench.grid import read_grid
from twt_core.config import RunConfig, config_schema
from twt_core.errors import InputError
from twt_core.yaml_reader import read_yaml_text


@pytest.fixture
def grid(fresh):
    """A grid read from a text that is added to the tiny project's config."""

    def read(text, *overrides, **more):
        return read_grid(benches.write(fresh, text), overrides, **more)

    return read


@pytest.fixture
def refusal(grid, fresh):
    """What is said of a grid that is wrong, without the file's path."""

    def said(text, *overrides, **more):
        with pytest.raises(InputError) as refused:
            grid(text, *overrides, **more)
        return str(refused.value).replace(str(fresh), "run.yaml")

    return said


def test_every_combination_is_a_checked_config(grid):
    found = grid(benches.GRID)
    assert [run.name for run in found.runs] == benches.NAMES
    assert [run.folder for run in found.runs] == [f"tiny.{name}" for name in benches.NAMES]
    assert found.axes == {"diversity_selector": ["random_pair", "all"], "student.epochs": ["once", "twice"]}
    last = found.runs[-1]
    assert (last.config.diversity_selector.use, last.config.student.epochs, last.config.seed) == ("all", 2, 1)
    assert last.values == {"diversity_selector": "all", "student.epochs": "twice"}
    assert found.runs[0].config.student.epochs == 1
    assert {run.config.name for run in found.runs} == {"tiny"}


def test_a_value_changes_what_it_names_and_no_more(grid):
    found = grid(
        "grid:\n  student: {more: {epochs: 2}, less: {}}\n  teachers.0.name: [ann, ben]\n", "teachers.1.name=x"
    )
    first, _, less, _ = (run.config for run in found.runs)
    assert (first.student.epochs, first.student.batch_size, less.student.epochs) == (2, 8, 1)
    assert [[t.name for t in run.config.teachers] for run in found.runs[:2]] == [
        ["ann", "x", "cai"],
        ["ben", "x", "cai"],
    ]


SIMULATED = "{{use: simulated, name: {}, answers: test.jsonl}}"
#: Two values of every key of a run's config; one of each is not what the tiny project has.
EVERY_KEY = {
    "task_evaluator": "[{use: exact_match}, {use: math}]",
    "queries": "[{path: queries.jsonl}, [{path: queries.jsonl}, {path: other.jsonl}]]",
    "test_queries": "[{path: test.jsonl}, {path: other.jsonl}]",
    "dev_queries": "[{path: test.jsonl}, {path: queries.jsonl}]",
    "teachers": f"{{one: [{SIMULATED.format('x')}], two: [{SIMULATED.format('x')}, {SIMULATED.format('y')}]}}",
    "confidence_scorer": "[{use: self_reported}, {use: logprob}]",
    "quality_filter": "[{use: threshold}, {use: hard_rejection}]",
    "diversity_selector": "[{use: random_pair}, {use: all}]",
    "compressor": "[{use: teacher_guided}, {use: fixed_length}]",
    "stage_scheduler": "[{use: three_stage}, {use: n_stage, n: 4}]",
    "student": "{one: {epochs: 1}, two: {epochs: 2}}",
    "evaluation": "[{samples: 1}, {samples: 2}]",
    "seed": "[0, 7]",
}


@pytest.mark.parametrize("key", EVERY_KEY)
def test_any_key_of_a_config_can_be_an_axis(grid, fresh, key):
    project.write_rows(fresh.parent / "other.jsonl", project.queries(3, "o"))
    found = grid(f"grid:\n  {key}: {EVERY_KEY[key]}\n", "student.temperature=0.5")
    first, second = (run.config.identity() for run in found.runs)
    assert {name for name in first if first[name] != second[name]} == {key}


def test_those_are_all_keys():
    assert set(EVERY_KEY) == set(RunConfig.model_fields) - {"name", "budget_usd"}


def test_an_option_of_a_default_component(grid):
    found = grid("grid:\n  quality_filter.minimum: [0.5, 0.95]\n")
    assert [run.config.quality_filter.minimum for run in found.runs] == [0.5, 0.95]
    assert found.axes == {"quality_filter.minimum": ["0.5", "0.95"]}


def test_labels_of_values(grid):
    selectors = "[{use: all}, {use: random_pair}, {use: random_pair, seed: 3}]"
    text = f"grid:\n  diversity_selector: {selectors}\n  budget: {{a: {{}}}}\n"
    assert grid(text).axes == {"diversity_selector": ["all", "random_pair-1", "random_pair-2"], "budget": ["a"]}


def test_a_model_or_a_path_makes_a_label_that_a_folder_can_have(grid, model):
    text = f"grid:\n  student.lora.target_modules: [[q_proj], [k_proj]]\n  student.model: ['{model}', org/model]\n"
    labels = grid(text).axes
    assert labels["student.lora.target_modules"] == ["value-1", "value-2"]
    assert labels["student.model"][1] == "org-model"
    assert "/" not in labels["student.model"][0]


def test_a_value_extends_files_and_says_more(grid, fresh):
    (fresh.parent / "methods").mkdir()
    (fresh.parent / "methods" / "long.yaml").write_text("student: {epochs: 3, batch_size: 4}\nname: long\n")
    text = "grid:\n  method:\n    long: {extends: methods/long.yaml, student: {epochs: 2}}\n    short: {}\n"
    first, other = (run.config for run in grid(text).runs)
    assert (first.student.epochs, first.student.batch_size, first.name) == (2, 4, "tiny")
    assert (other.student.epochs, other.student.batch_size) == (1, 8)


def test_a_bench_that_extends_another_drops_an_axis_and_a_value(grid, fresh):
    (fresh.parent / "base.yaml").write_text(
        "grid:\n  seed: [0, 1]\n  student.epochs: [1, 2]\n  method: {a: {}, b: {}}\nbench: {baseline: b}\n"
    )
    found = grid("extends: base.yaml\ngrid: {seed: null, student.epochs: null, method: {a: null, c: {seed: 3}}}\n")
    assert [run.name for run in found.runs] == ["b", "c"]
    assert found.baseline == {"method": "b"}


def test_the_reduced_size_has_a_name_of_its_own(grid):
    text = "grid:\n  seed: [0, 1]\nreduced: {grid: {seed: [4]}, student: {epochs: 2}}\n"
    found = grid(text, reduced=True)
    assert (found.name, [run.name for run in found.runs]) == ("tiny-reduced", ["seed-4"])
    assert (found.runs[0].config.name, found.runs[0].config.student.epochs) == ("tiny-reduced", 2)


def test_set_applies_to_every_run_and_name_names_the_bench(grid):
    found = grid(benches.GRID, "student.batch_size=3", name="mine")
    assert {run.config.student.batch_size for run in found.runs} == {3}
    assert {run.folder.partition(".")[0] for run in found.runs} == {"mine"}


@pytest.mark.parametrize(
    ("asked", "means"),
    [
        ("all", {"diversity_selector": "all"}),
        ("diversity_selector=all", {"diversity_selector": "all"}),
        ("all+twice", {"diversity_selector": "all", "student.epochs": "twice"}),
        ("student.epochs=once, all", {"diversity_selector": "all", "student.epochs": "once"}),
    ],
)
def test_a_baseline_is_named_by_its_labels(grid, asked, means):
    assert grid(benches.GRID, baseline=asked).baseline == means


def test_each_stage_is_an_axis(grid):
    found = grid("grid:\n  seed: [0]\nbench: {stage: each, baseline: {stage: full}}\n")
    assert found.axes == {"stage": ["untouched", "full", "compressed", "answer_only"]}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("grid: {}\n", "run.yaml:11:1 grid: has no axis"),
        ("grid: [1]\n", "run.yaml:11:1 grid: must be a mapping: an axis, and its values"),
        ("grid:\n  seed: []\n", "run.yaml:12:3 grid.seed: must be a list of whole numbers"),
        ("grid:\n  seed: [1, true]\n", "run.yaml:12:3 grid.seed: must be a list of whole numbers"),
        ("grid:\n  seed: [1, 2, 1]\n", "run.yaml:12:16 grid.seed[2]: this seed is there twice"),
        ("grid:\n  seed: [-1]\n", "run.yaml:12:3 seed: must be at least 0"),
        ("grid:\n  student.epochs: []\n", "grid.student.epochs: has no value"),
        ("grid:\n  student.epochs: [1, 2, 1]\n", "run.yaml:12:26 grid.student.epochs[2]: this value is there twice"),
        ("grid:\n  diversity_selectr: [{use: all}]\n", 'grid.diversity_selectr: no key of a config. Did you'),
        ("grid:\n  diversity_selector: [{use: al}]\n", "diversity_selector.use: no diversity_selector is called 'al'."),
        ("grid:\n  name: [a, b]\n", "grid.name: this cannot be an axis"),
        ("grid:\n  budget_usd: [1, 2]\n", "grid.budget_usd: this cannot be an axis: one budget bounds the whole bench"),
        ("grid:\n  stage: {full: {}}\n", "grid.stage: this cannot be an axis"),
        ("grid:\n  m: {a b: {}}\n", "grid.m.a b: a name here has 1 to 40 letters"),
        ("grid:\n  m: {a: 3}\n", "run.yaml:12:7 grid.m.a: must be a mapping of changes"),
        ("grid:\n  m: {a: {}, A: {}}\n", "a and A differ in capitals alone"),
        ("grid:\n  m: {a: {grid: {seed: [1]}}}\n", "grid.m.a: changes grid"),
        ("grid:\n  m: {a: {extends: x.yaml}}\n", "run.yaml:12:11 extends: "),
        ("grid:\n  m: {a: {extends: run.yaml}}\n", "extends: a config cannot extend itself: run.yaml -> run.yaml"),
        ("grid:\n  m: {a: {budget_usd: 1}, b: {budget_usd: 2}}\n", "budget_usd is 1.0 in a and 2.0 in b: set it"),
        ("grid:\n  m: {a: {api_key: x}}\n", "api_key"),
        ("grid:\n  seed: [1]\nbench: {stage: ful}\n", "bench.stage: no run has a stage 'ful'. Did you mean \"full\"?"),
        ("grid:\n  seed: [1]\nbench: {stge: full}\n", 'run.yaml:13:9 bench.stge: unknown key. Did you mean "stage"?'),
        ("grid:\n  seed: [1]\nbench: {baseline: x}\n", "run.yaml:13:9 bench.baseline: no value is called 'x'"),
        ("grid:\n  m: {a: {}}\nbench: {baseline: {n: a}}\n", "bench.baseline: no axis is called 'n'"),
        ("grid:\n  m: {a: {}}\n  n: {a: {}}\nbench: {baseline: a}\n", "m and n have a value 'a': write AXIS=LABEL"),
        ("grid:\n  seed: [1]\nbench: {stage: full, baseline: 1}\n", "bench.baseline: must be text"),
        ("bench: {stage: full}\n", "has no grid, so it is a single run: use `twt run"),
        (f"grid:\n  student.epochs: {[*range(1, 1002)]}\n", "makes 1001 runs (student.epochs has 1001): at most 1000."),
        (f"grid:\n  m: {{a: {{}}, b: {{}}}}\n  seed: {[*range(501)]}\n", "1002 runs (m has 2, seed has 501): at most"),
        ("grid:\n  m: {a: {}, b: {seed: 1}, c: {seed: 1}}\n", "run.yaml:11:1 grid: b and c are the same run, so that"),
        ("grid:\n  m: {}\n", "run.yaml:12:3 grid.m: has no value: give a list of them"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_place(refusal, text, said):
    assert said in refusal(text)


def test_a_problem_names_the_runs_that_have_it_and_one_of_all_names_none(refusal):
    text = "students: 1\ngrid:\n  method: {a: {}, b: {seeed: 1}}\n  seed: [0, 1, 2]\n"
    first, second = refusal(text).splitlines()
    assert first.startswith("run.yaml:11:1 students: unknown key") and "(in" not in first
    assert second.endswith("(in b+seed-0 and 2 more)")
    assert "run.yaml:13:23 seeed: unknown key. Did you mean" in second


def test_names_that_no_folder_can_have(refusal):
    assert "--name a/b: names the run's folder" in refusal(benches.GRID, name="a/b")


@pytest.mark.parametrize("changed", ["seed=3", "grid.seed=[3]", "bench.stage=full", "reduced={}"])
def test_set_changes_no_grid(refusal, changed):
    said = refusal("grid:\n  seed: [0, 1]\n", changed)
    assert said.startswith(f"--set {changed.partition('=')[0]}: --set sets an option of every run. To change ")
    assert said.endswith("write a config that `extends` run.yaml")


def test_set_that_undoes_an_axis(refusal):
    said = refusal("grid:\n  student.epochs: [1, 2]\n", "student.epochs=3")
    assert "1 and 2 are the same run, so that there is nothing to compare" in said


def test_no_reduced_size(refusal):
    assert "has no section reduced" in refusal(benches.GRID, reduced=True)


def test_a_run_of_a_grid_is_refused(fresh, twt):
    benches.write(fresh, benches.GRID)
    said = twt("run", fresh)
    assert said.code == 2
    assert f"grid: this config has a grid: use `twt bench {fresh}`" in said.err


def test_the_schema_knows_it(fresh):
    validator = jsonschema.Draft202012Validator(config_schema())
    text = benches.write(fresh, benches.GRID + "bench: {stage: last, baseline: all}\nreduced: {seed: 1}\n").read_text()
    validator.validate(read_yaml_text(text, "x").value)
    for wrong in ("{stge: last}", "{stage: 1}"):
        assert not validator.is_valid(read_yaml_text(text.replace("{stage: last, baseline: all}", wrong), "x").value)
    assert not validator.is_valid(read_yaml_text(text.replace("[0, 1]", "[]"), "x").value)
