import contextlib
import json

import config_fakes
import pytest
from config_fakes import GOOD, config_file

from twt_core.config import load_config
from twt_core.errors import InputError
from twt_core.yaml_reader import read_yaml_text, show_path

JUNK = [
    None,
    True,
    -1,
    10**400,
    0.5,
    float("nan"),
    "",
    "no",
    [],
    [[]],
    {},
    {"x": 1},
    [{"use": []}],
    [{"use": "replay"}],
]
JUNK += [{"use": junk} for junk in (None, 3, ["x"], {}, "replay", "random_pair")]

SECRET = "sk-proj-abcdefghijklmnop1234567890"


@pytest.fixture(autouse=True)
def fakes(monkeypatch):
    config_fakes.install(monkeypatch)


@pytest.fixture
def load(tmp_path):
    return lambda text=GOOD, *overrides: load_config(config_file(tmp_path, text), overrides)


@pytest.fixture
def message(load):
    def refused(text=GOOD, *overrides):
        with pytest.raises(InputError) as caught:
            load(text, *overrides)
        assert caught.value.exit_code == 2
        assert caught.value.__cause__ is None
        return str(caught.value)

    return refused


def test_good(load, tmp_path):
    config = load()
    assert config.queries.path == tmp_path / "queries.jsonl"
    assert config.teachers[0].path == tmp_path / "recordings.jsonl"
    assert config.student.learning_rate == 1e-4
    assert (config.student.lora.r, config.student.lora.alpha) == (16, 16)
    assert isinstance(config.confidence_scorer, config_fakes.SelfReported)
    assert config.quality_filter.minimum == 0.95
    assert config.dev_queries is None and config.budget_usd is None
    json.dumps(config.identity())


def test_the_papers_settings_are_the_defaults(load):
    student = load(GOOD.replace("  learning_rate: 1e-4\n  lora: {r: 16}\n", "")).student
    assert (student.lora.r, student.learning_rate, student.batch_size, student.epochs) == (8, 1e-5, 8, 4)
    assert (student.max_length, student.temperature, student.top_p, student.max_new_tokens) == (4096, 0, 0.95, 2048)


def test_a_model_folder_is_found_beside_the_config(load, tmp_path):
    (tmp_path / "small").mkdir()
    assert load(GOOD, "student.model=small").student.model == str((tmp_path / "small").resolve())
    assert load(GOOD, "student.model=owner/small").student.model == "owner/small"


# What replaces which line of GOOD; the line and column of the one problem; words of its message.
BAD = {
    "unknown key": ("seed: 0", "sede: 0", "17:1 sede: ", "unknown key", 'Did you mean "seed"?'),
    "unknown key, nested": (
        "lora: {r: 16}",
        "lora: {rr: 16}",
        "15:10 student.lora.rr: ",
        "unknown key",
        'Did you mean "r"?',
    ),
    "unknown option": ("temperature: 0.7", "temprature: 1", "10:5 teachers[1].temprature: ", 'mean "temperature"'),
    "lr": ("learning_rate: 1e-4", "lr: 1e-4", "14:3 student.lr: ", "unknown key"),
    "name: no": ("name: quickstart", "name: no", "1:1 name: ", "YAML reads this as False", "quote it"),
    "model: yes": ("model: org/small", "model: yes", "13:3 student.model: ", "YAML reads this as True", "quote it"),
    "bool in a list": (
        "lora: {r: 16}",
        "lora: {target_modules: [q, no]}",
        "15:30 student.lora.target_modules[1]: ",
        "reads this as False",
    ),
    "bool for a number": (
        "temperature: 0.7",
        "temperature: true",
        "10:5 teachers[1].temperature: ",
        "reads this as True",
    ),
    "wrong type": ("seed: 0", "seed: many", "17:1 seed: ", "whole number"),
    "fraction": ("seed: 0", "seed: 1.5", "17:1 seed: ", "whole number"),
    "number for text": ("model: org/small", "model: 7", "13:3 student.model: ", "must be text", "quotes"),
    "null for a number": ("seed: 0", "seed: null", "17:1 seed: ", "whole number"),
    "temperature 9": ("temperature: 0.7", "temperature: 9", "10:5 teachers[1].temperature: ", "at most 2"),
    "nan": ("temperature: 0.7", "temperature: .nan", "10:5 teachers[1].temperature: ", "not NaN"),
    "infinity": ("learning_rate: 1e-4", "learning_rate: 1e999", "14:3 student.learning_rate: ", "finite"),
    "negative retries": ("temperature: 0.7", "retries: -1", "10:5 teachers[1].retries: ", "at least 0"),
    "learning rate 0": ("learning_rate: 1e-4", "learning_rate: 0", "14:3 student.learning_rate: ", "greater than 0"),
    "batch size 0": ("learning_rate: 1e-4", "batch_size: 0", "14:3 student.batch_size: ", "at least 1"),
    "negative seed": ("seed: 0", "seed: -1", "17:1 seed: ", "at least 0"),
    "budget 0": ("budget_usd: null", "budget_usd: 0", "16:1 budget_usd: ", "use null for unlimited"),
    "loss": ("learning_rate: 1e-4", "loss_on: all", "14:3 student.loss_on: ", "'completion' or 'sequence'"),
    "targets": (
        "{r: 16}",
        "{target_modules: all}",
        "15:10 student.lora.target_modules: ",
        "'all-linear', or must be a list",
    ),
    "no component": ("{use: exact_match}", "{use: exactmatch}", "2:18 task_evaluator.use: ", 'mean "exact_match"'),
    "no use": (
        "{use: exact_match}",
        "{us: exact_match}",
        "2:1 task_evaluator: ",
        "{use: NAME",
        "There are: exact_match",
    ),
    "name alone": ("{use: exact_match}", "exact_match", "2:1 task_evaluator: ", "{use: NAME", "There are: exact_match"),
    "unknown option of the task": ("exact_match}", "exact_match, x: 1}", "2:36 task_evaluator.x: ", "There are: use."),
    "two of a name": ("name: second", "name: first", "8:5 teachers[1].name: ", "teachers[0]"),
    "base_url": ("temperature: 0.7", "base_url: localhost", "10:5 teachers[1].base_url: ", "http://"),
    "no such file": ("{path: test.jsonl}", "{path: tset.jsonl}", "4:16 test_queries.path: ", 'mean "test.jsonl"'),
    "file name alone": ("{path: test.jsonl}", "test.jsonl", "4:1 test_queries: ", "{path: ...}"),
    "folder for a file": ("{path: test.jsonl}", "{path: .}", "4:16 test_queries.path: ", "this is a folder"),
    "no model there": ("model: org/small", "model: ./gone", "13:3 student.model: ", "no such file or folder"),
    "name with a slash": ("name: quickstart", "name: a/b", "1:1 name: ", "no slash"),
    "name ..": ("name: quickstart", "name: ..", "1:1 name: ", "folder"),
    "name empty": ("name: quickstart", "name: ''", "1:1 name: ", "1 to 100"),
    "name too long": ("name: quickstart", f"name: {'x' * 101}", "1:1 name: ", "1 to 100"),
    "missing": ("name: quickstart\n", "", "1:1 name: ", "missing", "runs/NAME"),
    "missing, nested": ("model: org/small\n  ", "", "12:1 student.model: ", "missing", "hub id"),
    "duplicate key": ("seed: 0", "seed: 0\nname: x", "18:1 name: ", "line 1", "line 18"),
    "key in the file": ("temperature: 0.7", "api_key: abcdef", "10:5 teachers[1].api_key: ", "environment"),
    "key of another name": (
        "temperature: 0.7",
        "Authorization: abcdef",
        "10:5 teachers[1].Authorization: ",
        "environment",
    ),
    "key by its looks": ("openai/gpt-4o-mini", SECRET, "9:5 teachers[1].model: ", "environment (e.g. OPENAI_API_KEY)"),
    "password in a url": (
        "temperature: 0.7",
        "base_url: https://me:abcdef@host",
        "10:5 teachers[1].base_url: ",
        "environment",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_refused(message, tmp_path, case):
    old, new, where, *words = BAD[case]
    assert old in GOOD
    text = message(GOOD.replace(old, new))
    assert text.startswith(f"{tmp_path / 'run.yaml'}:{where}"), text
    assert "\n" not in text, text
    assert all(word in text for word in words), text
    assert "abcdef" not in text


def test_no_teacher(message):
    text = message(GOOD[: GOOD.index("teachers:")] + "teachers: []\n" + GOOD[GOOD.index("diversity") :])
    assert "run.yaml:5:1 teachers: needs at least 1" in text


def test_a_wrong_only_teacher_is_not_also_a_missing_one(message):
    wrong = "teachers:\n  - {use: live, name: a, modl: b}\n"
    text = message(GOOD[: GOOD.index("teachers:")] + wrong + GOOD[GOOD.index("diversity") :])
    assert "modl" in text and "needs at least" not in text


@pytest.mark.parametrize(
    "secret", [SECRET, "AIza" + "x" * 35, "hf_" + "x" * 34, "gsk_" + "x" * 40, "xai-" + "x" * 40, "Bearer abcdefgh1234"]
)
def test_secrets_come_first_and_are_never_shown(message, secret):
    for text in (message(GOOD + f"headers: [{{x: '{secret}'}}]\nsede: 1\n"), message(GOOD + f"'{secret}': 1\n")):
        assert "environment" in text and secret[-8:] not in text and "\n" not in text


@pytest.mark.parametrize("line", ["max_tokens: 20", "api_key_env: OPENAI_API_KEY", "model: sk-learn/tiny"])
def test_no_secret(load, line):
    load(GOOD.replace("temperature: 0.7", line).replace("model: openai/gpt-4o-mini\n    model", "model"))


def test_all_problems_at_once_in_the_order_of_the_file(message):
    lines = message(
        GOOD.replace("name: quick", "nam: quick").replace("0.7", "7").replace("seed: 0", "seed: x")
    ).splitlines()
    assert [line.partition("run.yaml:")[2].split()[0] for line in lines] == ["1:1", "1:1", "10:5", "17:1"]


def test_components_inside_components(load, message):
    one, two = "parts: [{{use: self_reported{}}}]", "by_name: {{a: {{use: self_reported{}}}}}"
    nested = f"confidence_scorer: {{{{use: weighted, {one}, {two}}}}}\n"
    config = load(GOOD + nested.format("", ""))
    assert isinstance(config.confidence_scorer.parts[0], config_fakes.SelfReported)
    lines = message(GOOD + nested.format(", x: 1", ", y: 1")).splitlines()
    assert "18:65 confidence_scorer.parts[0].x: unknown key. There are: use." in lines[0]
    assert "confidence_scorer.by_name.a.y: unknown key. There are: use." in lines[1]


def test_overrides(load):
    config = load(
        GOOD,
        "teachers.1.temperature=0.2",
        "teachers[0].name=third",
        "student.lora.alpha=32",
        "student.epochs=1e-1",
        "quality_filter.minimum=0.5",
        "budget_usd=null",
    )
    assert config.teachers[1].temperature == 0.2 and config.teachers[0].name == "third"
    assert (config.student.lora.r, config.student.lora.alpha, config.student.epochs) == (16, 32, 0.1)
    assert config.quality_filter.minimum == 0.5


def test_an_override_is_of_its_config_alone(load):
    alone = load(GOOD, "quality_filter.use=threshold").identity()
    assert load(GOOD, "quality_filter.minimum=0.5").identity() != alone
    assert load(GOOD, "quality_filter.use=threshold").identity() == alone


def test_choosing_another_component_drops_the_old_ones_options(load):
    config = load(GOOD, "diversity_selector.seed=3", "diversity_selector.use=random_pair")
    assert config.diversity_selector == config_fakes.RandomPair(seed=3)
    teacher = load(GOOD, "teachers.1.use=replay", "teachers.1.path=recordings.jsonl").teachers[1]
    assert isinstance(teacher, config_fakes.Replay) and teacher.name == "second"
    assert load(GOOD, "diversity_selector.use=min_similarity_pair").diversity_selector.embedder == "other/model"
    assert load(GOOD, "diversity_selector={use: random_pair, seed: 4}").diversity_selector.seed == 4


BAD_OVERRIDES = {
    "teachers.1.temperature=9": ("teachers[1].temperature: ", "at most 2"),
    "quality_filter.minmum=1": ("quality_filter.minmum: ", 'Did you mean "minimum"'),
    "diversity_selector.use=random_pear": ("diversity_selector.use: ", 'mean "random_pair"'),
    "student.lora={r: x}": ("student.lora.r: ", "whole number"),
    "seed": ("write KEY=VALUE",),
    "a..b=1": ("write KEY=VALUE",),
    "name=[1": ("not YAML",),
    "teachers.2.name=x": ("teachers has 2 entries", "no [2]"),
    "teachers.first.name=x": ("teachers has 2 entries", "no [first]"),
    "name.x=1": ("name is a single value",),
    "student.0=1": ("student has keys", "There are: learning_rate, lora, model"),
}


@pytest.mark.parametrize("override", BAD_OVERRIDES)
def test_a_bad_override_is_named(message, override):
    text = message(GOOD, override)
    assert text.startswith(f"--set {override}"), text
    assert "\n" not in text and all(words in text for words in BAD_OVERRIDES[override]), text


@pytest.mark.parametrize("key", ["teachers.1.api_key", "teachers[1].token", "password"])
def test_a_secret_in_an_override_is_not_shown(message, key):
    text = message(GOOD, f"{key}=abcdef")
    assert text.startswith(f"--set {key}=***: ") and "environment" in text and "abcdef" not in text
    assert "abcdef" not in message(GOOD, "teachers.1={use: live, api_key: abcdef}")
    assert "abcdef" not in message(GOOD, "teachers.1={use: live, api_key: [abcdef}")
    assert SECRET[-8:] not in message(GOOD, f"teachers.1.model={SECRET}")


@pytest.mark.parametrize("place", sorted(filter(None, read_yaml_text(GOOD, "x").positions), key=str), ids=show_path)
def test_whatever_stands_there_the_outcome_is_a_config_or_an_input_error(tmp_path, place):
    for junk in JUNK:
        whole = read_yaml_text(GOOD, "x").value
        inside = whole
        for key in place[:-1]:
            inside = inside[key]
        inside[place[-1]] = junk
        (tmp_path / "run.yaml").write_text(json.dumps(whole), encoding="utf-8")
        with contextlib.suppress(InputError):
            load_config(tmp_path / "run.yaml")
