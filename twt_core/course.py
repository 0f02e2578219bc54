"""The way of a student through its stages: which it entered, where each goes on from, what each left behind."""

from __future__ import annotations

from dataclasses import dataclass, field

from twt_core.metrics import UNTOUCHED
from twt_core.records import Annotation, Prediction, Stage, StudentAnswer, Trace
from twt_core.run import Artifact, Rows


@dataclass
class Course:
    """The stages so far. All mappings are by stage name, in the order of the training.

    `full` is G, every rationale whole: what a stage is shown that has no stage with rationales before it.
    """

    full: Rows[Trace]
    stages: dict[str, Stage] = field(default_factory=dict)
    traces: dict[str, Rows[Trace]] = field(default_factory=dict)
    answers: dict[str, Rows[StudentAnswer]] = field(default_factory=dict)
    adapters: dict[str, Artifact] = field(default_factory=dict)
    _parents: dict[str, str] = field(default_factory=dict)

    def enter(self, stage: Stage) -> None:
        """Go on to a stage."""
        self._parents[stage.name] = stage.after or next(reversed(self.stages), UNTOUCHED)
        self.stages[stage.name] = stage

    def start_of(self, stage: Stage) -> Artifact | None:
        """The student that a stage goes on from; None: the untouched one."""
        return self.adapters.get(self._parents[stage.name])

    def asked_with(self, stage: Stage) -> str:
        """What stands before a question when the student that a stage goes on from is asked."""
        parent = self.stages.get(self._parents[stage.name])
        return parent.asked_with if parent else ""

    def before(self, stage: Stage) -> list[Stage]:
        """The stages that the student of a stage went through, the first one first."""
        found: list[Stage] = []
        name = self._parents[stage.name]
        while name != UNTOUCHED:
            found.append(self.stages[name])
            name = self._parents[name]
        return found[::-1]

    def rationales_for(self, stage: Stage) -> Rows[Trace]:
        """The rationales that a stage shows, or compresses, or leaves out."""
        if stage.rationale == "full":
            return self.full
        if stage.of is not None:
            return self.traces[stage.of]
        shown = [one.name for one in self.before(stage) if one.rationale != "none"]
        return self.traces[shown[-1]] if shown else self.full


@dataclass
class Outcome:
    """The artifacts of a whole run. Scores are by stage, in order, the untouched student first."""

    kept: Rows[Annotation]
    selected: Rows[Annotation]
    course: Course
    test: dict[str, Rows[Prediction]] = field(default_factory=dict)
    dev: dict[str, Rows[Prediction]] = field(default_factory=dict)
