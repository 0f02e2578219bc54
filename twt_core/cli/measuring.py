"""Commands that measure: evaluate, compare."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from twt_core.cli import completing
from twt_core.cli.application import (
    RUNS,
    AsJson,
    Quiet,
    RunsDir,
    Unsandboxed,
    allow_unsandboxed_code,
    app,
    examples,
    print_json,
)
from twt_core.errors import TwtError


@app.command(
    epilog=examples(
        "twt evaluate runs/my-run --queries test.jsonl",
        "twt evaluate runs/my-run --stage full --queries test.jsonl.gz --limit 100",
        "twt evaluate org/model --queries test.jsonl --task math",
        "twt evaluate my-model --base-url http://127.0.0.1:8000/v1 --queries test.jsonl --task math",
    )
)
def evaluate(  # noqa: PLR0913, PLR0917  # an argument is an option
    subject: Annotated[
        str,
        typer.Argument(
            metavar="RUN|MODEL",
            help="A run folder; a model's or adapter's; a GGUF file; a hub id; package:NAME/PATH; a served model.",
            show_default=False,
            autocompletion=completing.run_folders,
        ),
    ],
    queries: Annotated[Path, typer.Option(metavar="FILE", help="Questions with answers, JSON lines, gzipped or not.")],
    task: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE",
            help="A task evaluator, or a YAML file with one.",
            autocompletion=completing.task_evaluators,
        ),
    ] = None,
    stage: Annotated[
        str | None,
        typer.Option(help="A run's stage, not the recommended one.", autocompletion=completing.stages),
    ] = None,
    base_url: Annotated[
        str | None, typer.Option("--base-url", metavar="URL", help="Ask the server there, OpenAI-compatible.")
    ] = None,
    teacher: Annotated[
        str | None, typer.Option(metavar="NAME", help="The teacher that asks the served model, e.g. litellm.")
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Set an option of task, student, served or evaluation."),
    ] = None,
    query_task: Annotated[
        str | None, typer.Option("--query-task", metavar="NAME", help="Which of a mixture's tasks all rows are.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only so many questions, from the first on.")] = None,
    samples: Annotated[int | None, typer.Option(help="Answers to each question.")] = None,
    pass_at: Annotated[str | None, typer.Option("--pass-at", metavar="K,...", help="Report pass@k.")] = None,
    temperature: Annotated[float | None, typer.Option(help="0 answers greedily.")] = None,
    max_new_tokens: Annotated[int | None, typer.Option("--max-new-tokens", help="Most tokens of an answer.")] = None,
    input_usd: Annotated[
        float | None, typer.Option("--input-usd", help="Price of a million input tokens, for the report.")
    ] = None,
    output_usd: Annotated[
        float | None, typer.Option("--output-usd", help="Price of a million output tokens, likewise.")
    ] = None,
    budget_usd: Annotated[
        float | None, typer.Option("--budget-usd", help="Most that a server and judges may cost.")
    ] = None,
    allow_seen: Annotated[
        bool, typer.Option("--allow-seen", help="Ask questions that the run was distilled from; marks the result.")
    ] = False,
    regrade: Annotated[bool, typer.Option("--regrade", help="Grade the texts that are there anew.")] = False,
    unsandboxed: Unsandboxed = False,
    runs_dir: RunsDir = RUNS,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The evaluation's folder; else evaluations/SUBJECT-FILE.")
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Score a model's answers to questions, or go on with that: predictions on disk, nothing made twice."""
    from twt_core.evaluation import printing
    from twt_core.evaluation.evaluate import Wanted
    from twt_core.evaluation.evaluate import evaluate as do
    from twt_core.progress import Progress

    allow_unsandboxed_code(unsandboxed)
    asked, most = ("served", "max_tokens") if base_url or teacher else ("student", "max_new_tokens")
    short_for = {
        "evaluation.samples": samples,
        "evaluation.pass_at": None if pass_at is None else f"[{pass_at}]",
        f"{asked}.temperature": temperature,
        f"{asked}.{most}": max_new_tokens,
        "evaluation.input_usd_per_million": input_usd,
        "evaluation.output_usd_per_million": output_usd,
    }
    wanted = Wanted(
        subject=subject,
        queries=queries,
        stage=stage,
        task=task,
        base_url=base_url,
        teacher=teacher,
        overrides=[*(f"{key}={value}" for key, value in short_for.items() if value is not None), *(overrides or ())],
        query_task=query_task,
        limit=limit,
        allow_seen=allow_seen,
        regrade=regrade,
        budget_usd=budget_usd,
        runs=runs_dir,
        out=out,
    )
    found = do(wanted, Progress(quiet=quiet))
    if as_json:
        print_json(found)
    else:
        printing.print_evaluation(found)
    if found.missing:
        raise TwtError("not whole: run the same command again, and it asks for the answers that are missing")


@app.command(
    epilog=examples(
        "twt compare evaluations/a-test evaluations/b-test",
        "twt compare runs/my-run:full runs/my-run:answer_only",
        "twt compare runs/my-run",
    )
)
def compare(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="A B [C ...]",
            help="An evaluation's folder; a run's, its recommended stage; or RUN:STAGE. One run alone: all its stages.",
            show_default=False,
            autocompletion=completing.measured,
        ),
    ],
    shared: Annotated[bool, typer.Option("--shared", help="Count only the questions that all were asked.")] = False,
    as_json: AsJson = False,
) -> None:
    """Compare models on the same questions: how they differ, and how sure that is."""
    from twt_core.evaluation import printing
    from twt_core.evaluation.compare import compare as do

    found = do(names, shared=shared)
    if as_json:
        print_json(found)
    else:
        printing.print_compared(found)
