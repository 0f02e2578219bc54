"""Where a stage goes on from, and which rationales it is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from twt_core.course import Course
from twt_core.records import Objective, Stage, Trace
from twt_core.run import Artifact, Rows


def rows(name):
    return Rows(Path(name), name, Trace)


def stage(name, rationale="none", **more):
    return Stage(name=name, rationale=rationale, **more)


@pytest.fixture
def course():
    """A course that enters stages; each leaves traces and a student of its name."""
    made = Course(rows("G"))

    def enter(*stages):
        for one in stages:
            made.enter(one)
            shown = made.rationales_for(one) if one.rationale in ("full", "same") else rows(f"{one.name}-traces")
            made.traces[one.name] = shown
            made.adapters[one.name] = Artifact(Path(one.name), one.name)
        return made, stages[-1]

    return enter


def names(artifact):
    return str(artifact.path) if artifact else None


def test_the_first_goes_on_from_the_untouched_student_and_is_shown_g(course):
    for rationale in ("full", "compressed", "same", "none"):
        made, last = course(stage(f"a_{rationale}", rationale, after="untouched"))
        assert made.start_of(last) is None
        assert names(made.rationales_for(last)) == "G"
        assert made.asked_with(last) == ""


def test_each_goes_on_from_the_one_before(course):
    made, last = course(stage("full", "full"), stage("short", "compressed"), stage("none"))
    assert names(made.start_of(last)) == "short"
    assert names(made.rationales_for(last)) == "short-traces"
    assert [one.name for one in made.before(last)] == ["full", "short"]


def test_it_may_go_back(course):
    made, last = course(
        stage("full", "full"),
        stage("short", "compressed"),
        stage("shorter", "compressed"),
        stage("none", after="short"),
    )
    assert names(made.start_of(last)) == "short"
    assert names(made.rationales_for(last)) == "short-traces"
    assert [one.name for one in made.before(last)] == ["full", "short"]


def test_rationales_may_be_those_of_any_stage_before(course):
    made, last = course(stage("full", "full"), stage("short", "compressed"), stage("again", "compressed", of="full"))
    assert names(made.start_of(last)) == "short"
    assert names(made.rationales_for(last)) == "G"


def test_a_stage_without_rationales_is_passed_over(course):
    made, last = course(stage("short", "compressed"), stage("none"), stage("back", "same"))
    assert names(made.rationales_for(last)) == "short-traces"


def test_the_student_is_asked_as_it_was_taught(course):
    objectives = (Objective(target="rationale", prefix="why "), Objective(target="answer", prefix="what "))
    made, last = course(stage("full", "full", objectives=objectives), stage("none"))
    assert made.asked_with(last) == "what "
    assert last.asked_with == ""
