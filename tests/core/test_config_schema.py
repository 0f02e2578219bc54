import json
import subprocess
import sys

import config_fakes
import jsonschema
import pytest
from config_fakes import GOOD, config_file

from twt_core import plugins
from twt_core.config import RunConfig, config_schema, load_config, template_config
from twt_core.config_difference import config_difference
from twt_core.yaml_reader import read_yaml_text


@pytest.fixture(autouse=True)
def fakes(monkeypatch):
    config_fakes.install(monkeypatch)


def test_schema_agrees_with_the_loader():
    schema = config_schema()
    json.dumps(schema)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    validator.validate(read_yaml_text(GOOD, "x").value)
    for bad in (
        "seed: -1",
        "seed: x",
        "sede: 1",
        "quality_filter: {minimum: 1}",
        "quality_filter: {use: threshold, minimun: 1}",
    ):
        assert not validator.is_valid(read_yaml_text(GOOD.replace("seed: 0", bad), "x").value), bad
    scorer = "confidence_scorer: {use: weighted, parts: [{use: %s}]}"
    assert validator.is_valid(read_yaml_text(GOOD + scorer % "self_reported", "x").value)
    assert not validator.is_valid(read_yaml_text(GOOD + scorer % "threshold", "x").value)


def test_schema_holds_every_option_with_its_default_and_description():
    schema = config_schema()
    assert schema["properties"]["quality_filter"]["default"] == {"use": "threshold"}
    threshold = schema["$defs"]["quality_filter.threshold"]
    assert threshold["properties"]["use"] == {"const": "threshold"} and threshold["required"] == ["use"]
    assert threshold["properties"]["minimum"]["default"] == 0.95
    assert threshold["properties"]["minimum"]["description"] == "The paper's s."
    assert threshold["additionalProperties"] is False
    for name in ("StudentConfig", "LoraConfig", "DataFile"):
        assert all("description" in option for option in schema["$defs"][name]["properties"].values())
    assert all(option.description for option in RunConfig.model_fields.values())


def test_schema_without_any_component_is_still_one(monkeypatch):
    monkeypatch.setattr(plugins, "registry", plugins.Registry)
    jsonschema.Draft202012Validator.check_schema(config_schema())


def test_template_loads_and_has_the_defaults(tmp_path):
    config = load_config(config_file(tmp_path, template_config()))
    assert config.student == type(config.student)(model=config.student.model)
    assert config.quality_filter == config_fakes.Threshold()


def test_difference():
    old = {"a": 1, "t": [{"n": 0.7}, 2], "gone": None, "same": {"x": [1]}}
    new = {"a": "1", "t": [{"n": 0.9}], "same": {"x": [1]}, "s": {"r": True}}
    assert config_difference(old, new) == [
        'a: 1 → "1"',
        "t[0].n: 0.7 → 0.9",
        "t[1]: 2 → (not there)",
        "gone: null → (not there)",
        's: (not there) → {"r": true}',
    ]
    assert config_difference(old, old) == []
    assert len(config_difference("x" * 500, 1)[0]) < 120


def test_nothing_heavy_is_imported():
    heavy = "{'torch', 'transformers', 'litellm', 'faiss', 'sentence_transformers', 'scipy'}"
    code = f"import sys, twt_core.config as c, twt_core.rows; c.config_schema(); print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
