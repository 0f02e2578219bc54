"""`twt plugins` and `twt plugin`: one group, whose first word may be a kind."""

from __future__ import annotations

import json

import pytest


def test_a_kind_needs_no_command(twt):
    for words in ([], ["teacher"], ["teacher", "litellm"], ["quality_filter", "--json"], ["--json"]):
        short = twt("plugins", *words)
        assert short.code == 0
        assert short.out
        assert (short.out, short.err) == (twt("plugin", "list", *words).out, "")


def test_help_is_of_the_group_and_of_each_command(twt):
    said = twt("plugins", "--help")
    assert said.code == 0
    assert all(command in said.out for command in ("list", "check", "new"))
    assert twt("plugins", "-h").out == said.out
    for command in ("list", "check", "new"):
        said = twt("plugins", command, "--help")
        assert said.code == 0
        assert "twt plugin" in said.out.partition("Examples:")[2]


def test_the_alias_is_not_listed_twice(twt):
    assert twt("--help").out.count("What is installed") == 1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["chek"], "'check'"), (["nwe"], "'new'"), (["teachr"], 'Did you mean "teacher"?'),
        (["list", "teachr"], 'Did you mean "teacher"?'), (["teacher", "litelm"], 'Did you mean "litellm"?'),
        (["--jsn"], "--json"), (["check"], "NAME"), (["new", "twt-x"], "--kind"),
        (["check", "thresold"], 'Did you mean "threshold"?'),
        (["check", "threshold", "--set", "minimun=1"], 'Did you mean "minimum"?'),
        (["check", "threshold", "--kind", "quality_filtr"], 'Did you mean "quality_filter"?'),
        (["check", "litellm"], "needs model"),
    ],
)  # fmt: skip
def test_what_is_misspelled_or_missing_is_bad_input(words, says, twt):
    said = twt("plugins", *words)
    assert (said.code, said.out) == (2, "")
    assert says in said.err
    assert "Traceback" not in said.err


def test_check_prints_each_check(twt):
    said = twt("plugins", "check", "three_stage")
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("stage_scheduler three_stage (twt-distill 0.")
    assert said.out.count(" passed ") >= 5
    assert said.out.splitlines()[-1].endswith(" passed")


def test_check_as_json(twt):
    said = twt("plugin", "check", "stage_scheduler/n_stage", "--set", "n=5", "--json")
    assert said.code == 0
    [component] = json.loads(said.out)["components"]
    assert (component["kind"], component["name"]) == ("stage_scheduler", "n_stage")
    assert all(check["passed"] for check in component["checks"])


def test_check_says_what_does_not_hold_and_what_was_not_tried(twt, monkeypatch):
    from twt_plugins.stage_schedulers.habitual import ThreeStage

    monkeypatch.setattr(ThreeStage, "stages", lambda self: [])
    said = twt("plugins", "check", "three_stage")
    assert said.code == 1
    assert said.err == "twt: three_stage breaks its contract\n"
    assert " FAILED " in said.out
    assert "FAILED: " in said.out and "gave no stages: at least one" in said.out
    assert said.out.splitlines()[-1].endswith(" FAILED") or " FAILED, " in said.out.splitlines()[-1]
