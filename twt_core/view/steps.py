"""A run's steps as a page shows them: made, under way, or to come."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal, NamedTuple, TypeAlias

from twt_core.finished import StepState, step_states
from twt_core.progress_file import LiveProgress
from twt_core.view.folders import RunCard

StepMark: TypeAlias = Literal["done", "working", "broken", "waiting"]


class ShownStep(NamedTuple):
    """One step. `seconds` is what making it took, or has taken so far; None where that is not known."""

    name: str
    mark: StepMark
    seconds: float | None


def shown_steps(card: RunCard) -> list[ShownStep]:
    """The steps of a run, in order: those on disk, then those that its process told were to come."""
    there = step_states(card.folder)
    live = card.live if card.live is not None and card.live.state != "done" else None
    if live is None:
        return [_on_disk(step) for step in there]
    if card.state == "working" or card.summary is None:
        there = _until(there, live)
    made = [_under_way(step, live) if card.state == "working" else _on_disk(step) for step in there]
    rest = [f"{number:02d}-{name}" for number, name in enumerate(live.expected, 1)][len(made) :]
    return [*made, *(ShownStep(name, "waiting", None) for name in rest)]


def share_done(steps: Sequence[ShownStep]) -> float:
    """The share of steps that are whole."""
    return sum(step.mark == "done" for step in steps) / max(1, len(steps))


def _until(there: Sequence[StepState], live: LiveProgress) -> list[StepState]:
    """The steps up to the last one made: what an earlier run left behind it is yet to be looked at."""
    places = [place for place, step in enumerate(there) if step.step == live.step]
    return list(there[: places[0] + 1] if places else there)


def _under_way(step: StepState, live: LiveProgress) -> ShownStep:
    if step.step != live.step or step.seconds is not None or live.step_began is None:
        return _on_disk(step)
    return ShownStep(step.step, "working", max(0.0, (datetime.now(UTC) - live.step_began).total_seconds()))


def _on_disk(step: StepState) -> ShownStep:
    return ShownStep(step.step, "broken" if step.seconds is None else "done", step.seconds)
