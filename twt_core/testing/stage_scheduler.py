"""What stage schedulers promise (section 3.2): stages that can be trained, the same each time, and an end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from operator import methodcaller
from random import Random

from twt_core import contract
from twt_core.components import StageScheduler
from twt_core.errors import PluginError
from twt_core.records import Stage, StageResult
from twt_core.testing.batch import check_run, same_process
from twt_core.testing.checks import Check, NotTried
from twt_core.testing.component import equal_copy, require_importable
from twt_core.testing.elsewhere import plain
from twt_core.testing.findings import Findings
from twt_core.testing.sample import sample_context

#: Accuracy of the stage at a place, from 0.
Scores = Callable[[int], float | None]


def _unknown(_: int) -> float | None:
    return None


def _drawn(seed: int) -> Scores:
    return lambda place: round(Random(f"{seed}/{place}").random(), 3)


#: What accuracies may do from stage to stage. Unknown ones are those of a plan.
WAYS: dict[str, Scores] = {
    "unknown accuracies": _unknown,
    "rising accuracies": lambda place: min(1.0, 0.3 + 0.02 * place),
    "falling accuracies": lambda place: max(0.0, 0.9 - 0.1 * place),
    "accuracies that stay": lambda _: 0.5,
    "accuracies of 0": lambda _: 0.0,
    "accuracies of 1": lambda _: 1.0,
    "accuracies up and down": lambda place: 0.8 if place % 2 else 0.4,
    **{f"accuracies drawn with seed {seed}": _drawn(seed) for seed in range(8)},
}


def scheduler_checks(scheduler: StageScheduler) -> list[Check]:
    """Those of a stage scheduler."""
    return [
        Check(
            "check_run",
            "check_run() asks nobody, and raises InputError or nothing.",
            partial(check_run, scheduler, sample_context()),
        ),
        Check("stages", "stages() gives stages that can be trained, the same each time.", partial(_stages, scheduler)),
        Check("next_stage", "next_stage() comes to an end, whatever the accuracies.", partial(_ends, scheduler)),
        Check("repeat", "next_stage() gives the same for the same results.", partial(_repeat, scheduler)),
        Check("longest", "stages() is the longest way, which a plan counts.", partial(_longest, scheduler)),
        Check("declared", "Who reads accuracies says reads_scores.", partial(_declared, scheduler)),
        Check("process", "stages() gives the same in another process.", partial(_process, scheduler), extra=True),
        Check("inputs", "next_stage() leaves results and itself as they were.", partial(_inputs, scheduler)),
    ]


def _stages(scheduler: StageScheduler, findings: Findings) -> None:
    stages = findings.call("stages()", lambda: contract.stages(scheduler))
    if stages is None:
        return
    again = findings.call("stages()", lambda: contract.stages(scheduler))
    copy = findings.call("stages() of an equal component", lambda: contract.stages(equal_copy(scheduler)))
    findings.expect(stages == again == copy, "stages(): other stages each time: build them from the options alone")
    findings.expect(
        len(stages) <= contract.MOST_STAGES,
        f"stages(): {len(stages)} stages, and a run ends after {contract.MOST_STAGES}",
    )
    for stage in stages:
        if stage.compressor is not None:
            findings.call("stages()", partial(contract.compressor_of, scheduler, stage))


def _way(scheduler: StageScheduler, scores: Scores) -> list[StageResult]:
    """The stages that a scheduler takes.

    Raises:
        PluginError: it breaks the contract on the way, or does not come to an end.
    """
    done: list[StageResult] = []
    while (stage := contract.next_stage(scheduler, done)) is not None:
        done.append(result(stage, scores(len(done))))
    return done


def result(stage: Stage, accuracy: float | None) -> StageResult:
    """A stage that was trained."""
    return StageResult(stage=stage, accuracy=accuracy, output_tokens=None if accuracy is None else 20.0)


def _names(way: Sequence[StageResult]) -> list[str]:
    return [one.stage.name for one in way]


def _ends(scheduler: StageScheduler, findings: Findings) -> None:
    for name, scores in WAYS.items():
        way = findings.call(f"next_stage(), with {name}", partial(_way, scheduler, scores))
        for one in way or ():
            if one.stage.compressor is not None:
                findings.call("next_stage()", partial(contract.compressor_of, scheduler, one.stage))


def _ways(scheduler: StageScheduler) -> dict[str, list[StageResult]]:
    try:
        return {name: _way(scheduler, scores) for name, scores in WAYS.items()}
    except PluginError as error:
        raise NotTried("next_stage() does not come to its end: see the check of that name") from error


def _repeat(scheduler: StageScheduler, findings: Findings) -> None:
    for name, way in _ways(scheduler).items():
        fresh = equal_copy(scheduler)
        for place, one in reversed(list(enumerate(way))):  # backwards: one that counts its calls goes astray
            for asked in (scheduler, fresh):
                stage = findings.call("next_stage()", partial(contract.next_stage, asked, way[:place]))
                findings.expect(
                    stage is None or stage == one.stage,
                    f"next_stage(), with {name}: another stage for the same results: work it out from `done` alone, "
                    "since a run that goes on asks anew",
                )


def _longest(scheduler: StageScheduler, findings: Findings) -> None:
    stages = findings.call("stages()", lambda: contract.stages(scheduler))
    if stages is None:
        return
    ways = _ways(scheduler)
    plan = _names(ways["unknown accuracies"])
    findings.expect(
        plan == [stage.name for stage in stages],
        f"next_stage(), with unknown accuracies, takes {', '.join(plan)}; stages() says "
        f"{', '.join(stage.name for stage in stages)}: while nothing is known, take the longest way",
    )
    for name, way in ways.items():
        findings.expect(
            len(way) <= len(stages),
            f"next_stage(), with {name}, takes {len(way)} stages; stages() says {len(stages)}, and a plan counts those",
        )


def _declared(scheduler: StageScheduler, findings: Findings) -> None:
    if scheduler.reads_scores:
        return
    ways = {tuple(_names(way)) for way in _ways(scheduler).values()}
    findings.expect(
        len(ways) == 1,
        "next_stage(): it goes by accuracies, and the class does not say so: reads_scores = True, so that there are "
        "dev queries to go by",
    )


def _process(scheduler: StageScheduler, findings: Findings) -> None:
    require_importable(type(scheduler))
    same_process(findings, "stages", [(contract.stages, (scheduler,)), (methodcaller("identity"), (scheduler,))])


def _inputs(scheduler: StageScheduler, findings: Findings) -> None:
    for way in _ways(scheduler).values():
        done = tuple(one.model_copy(deep=True) for one in way)
        before, options = plain(done), repr(scheduler)
        findings.call("next_stage(), handed the results themselves", partial(scheduler.next_stage, done))
        findings.expect(plain(done) == before, "next_stage(): it changed the results that it was given")
        findings.expect(repr(scheduler) == options, "next_stage(): it changed its own options")
