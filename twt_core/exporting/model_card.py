"""The card of a student."""

from __future__ import annotations

from twt_core.exporting.asking import QUESTION, asking
from twt_core.exporting.made_by import TOOL, base_name, components, is_hub_id, shown, teachers
from twt_core.exporting.markdown import block, code, front, joined, table
from twt_core.exporting.source import Source
from twt_core.metrics import UNTOUCHED, StageScore
from twt_core.prompts import Message
from twt_core.records import Stage
from twt_core.settings import Json

_LIMITS = """\
It was trained for questions of {kinds} and measured on the test questions of its run, as above; nothing else about it
was measured. It learned from texts that other models wrote, with their mistakes. The licences of the base model and the
terms of those who offer the teachers hold for it; choose its own licence accordingly.
"""


def model_card(source: Source, *, adapter: bool) -> str:
    """The card of a student: what it is, its numbers, how to ask it, how it was made, its limits."""
    about = f"The student of stage {code(source.stage)} of the run {code(source.summary.name)}, distilled with {TOOL}"
    parts = [
        front(_meta(source, adapter=adapter)),
        f"# {code(source.summary.name)}, stage {code(source.stage)}",
        f"{about} from the base model {code(base_name(source.student.model))}. {_kind(source, adapter=adapter)}",
        "## Numbers", _scores(source),
        "## How to ask it", _how_to_ask(source),
        "## How it was made", _training(source), components(source), teachers(source),
        "## Limits", _LIMITS.format(kinds="the kinds above" if source.recipe.task().task_names else "one kind"),
    ]  # fmt: skip
    return joined(parts)


def _meta(source: Source, *, adapter: bool) -> dict[str, Json]:
    meta: dict[str, Json] = {
        "library_name": "peft" if adapter else "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["twt-distill", "knowledge-distillation", *(["lora"] if adapter else [])],
    }
    if is_hub_id(source.student.model):
        relation = "adapter" if adapter else "finetune"
        meta |= {"base_model": source.student.model, "base_model_relation": relation}
    return meta


def _kind(source: Source, *, adapter: bool) -> str:
    if source.stage == UNTOUCHED:
        return "It is the base model as it was before any training."
    if source.student.tuning == "full":
        return "All of its weights were trained."
    lora = f"LoRA adapter (rank {source.student.lora.r}, alpha {source.student.lora.alpha})"
    return f"This is a {lora} for it." if adapter else f"A {lora} was trained and is merged in."


def _scores(source: Source) -> str:
    rows = [_score_row(score, mine=score.name == source.stage) for score in source.summary.stages]
    columns = ["stage", "accuracy (95 % interval)", "mean output tokens", "questions"]
    about = f"On the run's test questions; {code(UNTOUCHED)} is the base model, and this stage is in bold."
    return joined([about, table(columns, rows), *_beside(source.score)])


def _score_row(score: StageScore, *, mine: bool) -> list[str]:
    cells = [code(score.name), _accuracy(score), f"{score.mean_output_tokens:.1f}", str(score.questions)]
    return [f"**{cell}**" for cell in cells] if mine else cells


def _accuracy(score: StageScore) -> str:
    if score.accuracy is None or score.accuracy_ci is None:
        return "nothing graded"
    return f"{score.accuracy:.1%} ({score.accuracy_ci[0]:.1%} to {score.accuracy_ci[1]:.1%})"


def _beside(score: StageScore) -> list[str]:
    """What has to be known of this stage's numbers, a paragraph each."""
    found = []
    if score.graded < score.answers:
        found.append(f"{score.answers - score.graded} of its {score.answers} answers could not be graded.")
    if score.judged_by:
        judges = ", ".join(map(code, score.judged_by))
        found.append(f"Right or wrong is here the opinion of another model: {judges}.")
    if score.unsandboxed:
        found.append(
            "For these numbers, programs that models wrote ran unsandboxed: they could have changed any result."
        )
    return found


def _how_to_ask(source: Source) -> str:
    there = {query.task for query in source.queries.values()}
    names = [name for name in source.recipe.task().task_names if name in there]
    if not names:
        return _how_to_ask_one(source, None)
    return joined(
        [part for name in names for part in (f"### Questions of {code(name)}", _how_to_ask_one(source, name))]
    )


def _how_to_ask_one(source: Source, name: str | None) -> str:
    asked = asking(source, name)
    where = f"with the question in the place of {code(QUESTION)}" if asked.general else "as in this example"
    prompt = block("\n".join(_shown_message(message) for message in asked.messages))
    text = f"By the chat template, {where}:\n\n{prompt}"
    if source.stage == UNTOUCHED:
        return text
    thinking = "(thinking)" if _thinks(source.stages[-1]) else None
    query = next(query for query in source.queries.values() if query.task == name)
    form = source.recipe.task().completion(thinking, "(answer)", query)
    return f"{text}\n\nIt was taught to answer in this form:\n\n{block(form)}"


def _thinks(stage: Stage) -> bool:
    # One text of several is the answer that the student is asked for: `Stage.asked_with` is what asks for it.
    asked = next((one for one in stage.objectives if one.target != "rationale"), stage.objectives[0])
    return stage.rationale != "none" and asked.target != "answer"


def _shown_message(message: Message) -> str:
    return f"[{message.role}]\n{message.content}"


def _training(source: Source) -> str:
    student = source.student
    rows = [
        [code(s.name), shown(s), f"{s.epochs or student.epochs:g}", f"{s.learning_rate or student.learning_rate:g}"]
        for s in source.stages
    ]
    stages = table(["stage", "what it taught", "epochs", "learning rate"], rows) if rows else ""
    versions = ", ".join(f"{name} {version}" for name, version in source.summary.versions.items())
    return f"{stages}\n\nSeed {source.recipe.seed}. Made with {versions}."
