import config_fakes
import jsonschema
import pytest
from config_fakes import GOOD, config_file

from twt_core.config import config_schema, load_config
from twt_core.errors import InputError
from twt_core.yaml_reader import read_yaml_text


@pytest.fixture(autouse=True)
def fakes(monkeypatch):
    config_fakes.install(monkeypatch)


@pytest.fixture
def load(tmp_path):
    def loaded(text, *overrides, base=GOOD, **others):
        config_file(tmp_path, text)
        (tmp_path / "base.yaml").write_text(base, encoding="utf-8")
        for name, other in others.items():
            (tmp_path / f"{name}.yaml").write_text(other, encoding="utf-8")
        return load_config(tmp_path / "run.yaml", overrides)

    return loaded


@pytest.fixture
def message(load, tmp_path):
    def refused(text, *overrides, **files):
        with pytest.raises(InputError) as caught:
            load(text, *overrides, **files)
        return str(caught.value).replace(f"{tmp_path}/", "")

    return refused


def test_what_a_config_says_goes_before_what_it_extends(load):
    config = load("extends: base.yaml\nname: mine\nstudent: {lora: {alpha: 4}, epochs: 2}\n")
    assert config.name == "mine" and config.teachers == load(GOOD).teachers
    assert (config.student.lora.r, config.student.lora.alpha, config.student.epochs) == (16, 4, 2)
    assert config.student.learning_rate == 1e-4


def test_lists_are_replaced_whole(load):
    assert [t.name for t in load("extends: base.yaml\nteachers: [{use: live, name: x, model: m}]\n").teachers] == ["x"]


def test_a_component_merges_with_its_like_and_replaces_another(load):
    merged = load(
        "extends: base.yaml\nquality_filter: {minimum: 0.5}\n", base=GOOD + "quality_filter: {use: threshold}\n"
    )
    assert merged.quality_filter == config_fakes.Threshold(minimum=0.5)
    same = "extends: base.yaml\ndiversity_selector: {use: min_similarity_pair}\n"
    assert load(same).diversity_selector.embedder == "other/model"
    other = "extends: base.yaml\ndiversity_selector: {use: random_pair}\n"
    assert load(other).diversity_selector == config_fakes.RandomPair()


def test_a_file_replaces_a_data_set_and_the_reverse(load, tmp_path):
    of_hub = "{dataset: a/b, split: validation, columns: {query: q}}"
    file = load("extends: mid.yaml\nqueries: {path: queries.jsonl}\n", mid=f"extends: base.yaml\nqueries: {of_hub}\n")
    assert file.queries == load(GOOD).queries
    hub = load(f"extends: base.yaml\nqueries: {of_hub}\n").queries
    assert (hub.path, hub.dataset, hub.split) == (None, "a/b", "validation")
    more = load("extends: mid.yaml\nqueries: {limit: 3}\n", mid=f"extends: base.yaml\nqueries: {of_hub}\n").queries
    assert more == hub.model_copy(update={"limit": 3})


def test_of_several_the_later_goes_first_and_what_they_share_goes_last(load):
    config = load(
        "extends: [one.yaml, two.yaml]\n",
        one="extends: base.yaml\nseed: 1\nname: one\n",
        two="extends: base.yaml\nname: two\n",
    )
    assert (config.seed, config.name) == (1, "two")


def test_an_override_goes_before_all(load):
    assert load("extends: base.yaml\nseed: 3\n", "seed=4").seed == 4


def test_a_base_is_found_beside_the_file_that_names_it(load, tmp_path):
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "mid.yaml").write_text("extends: ../base.yaml\nseed: 9\n", encoding="utf-8")
    config = load("extends: parts/mid.yaml\n")
    assert config.seed == 9 and config.queries.path == tmp_path / "queries.jsonl"


BAD = {
    "no such base": ("extends: bsae.yaml\n", "run.yaml:1:1 extends: bsae.yaml: no such file. ", 'mean "base.yaml"'),
    "no such base in a list": ("extends: [base.yaml, x.yml]\n", "run.yaml:1:22 extends: x.yml: no such file"),
    "itself": ("extends: run.yaml\n", "run.yaml:1:1 extends: a config cannot extend itself: run.yaml -> run.yaml"),
    "no name at all": ('extends: "\\0"\n', "run.yaml:1:1 extends: ", "no such file"),
    "a long name": (f"extends: {'x' * 300}\n", "run.yaml:1:1 extends: ", "cannot be read: File name too long"),
    "no file name": ("extends: 3\n", "run.yaml:1:1 extends: must be a config file, or a list of them"),
    "a mapping": ("extends: [{a: b}]\n", "run.yaml:1:1 extends: must be a config file, or a list of them"),
    "a problem of its own": ("extends: base.yaml\nsede: 1\n", "run.yaml:2:1 sede: unknown key"),
    "merged options": ("extends: base.yaml\nstudent:\n  lora: {rr: 1}\n", "run.yaml:3:10 student.lora.rr: unknown key"),
    "an option of the base's component": (
        "extends: base.yaml\ndiversity_selector: {use: random_pair, embedder: x}\n",
        "run.yaml:2:40 diversity_selector.embedder: unknown key",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_refused(message, case):
    text, start, *words = BAD[case]
    found = message(text)
    assert found.startswith(start) and all(word in found for word in words), found


def test_a_problem_in_a_base_has_its_place_there(message):
    assert message("extends: base.yaml\n", base=GOOD.replace("0.7", "7")).startswith("base.yaml:10:5 teachers[1].temp")
    assert message("extends: base.yaml\nseed: x\n", base=GOOD.replace("0.7", "7")).count("\n") == 1


def test_a_circle_is_named(message):
    found = message("extends: base.yaml\n", base="extends: third.yaml\n", third="extends: run.yaml\n")
    assert (
        found
        == "third.yaml:1:1 extends: a config cannot extend itself: run.yaml -> base.yaml -> third.yaml -> run.yaml"
    )


def test_a_key_in_a_base_is_refused_though_it_is_replaced(message):
    found = message("extends: base.yaml\nteachers: []\n", base=GOOD.replace("temperature: 0.7", "api_key: abcdef"))
    assert found.startswith("base.yaml:10:5 ") and "abcdef" not in found


def test_the_schema_takes_a_config_that_extends_another():
    validator = jsonschema.Draft202012Validator(config_schema())
    for text in ("extends: a.yaml", "extends: [a.yaml, b.yaml]\nseed: 1"):
        validator.validate(read_yaml_text(text, "x").value)
    assert not validator.is_valid({"extends": "a.yaml", "sede": 1})
    assert not validator.is_valid({"seed": 1})
