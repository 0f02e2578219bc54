"""The command line: parses, calls, prints. Imports what a command needs when the command runs."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NoReturn

import typer

from twt_core.errors import InputError, TwtError

if TYPE_CHECKING:
    from pydantic import BaseModel

    from twt_core.progress import Progress

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode="markdown",
    help=(
        "TwT, Thinking without Tokens: distil several reasoning models into a small one that answers at once.\n\n"
        "Examples:\n\n"
        "    twt init > run.yaml\n\n"
        "    twt plan run.yaml\n\n"
        "    twt run run.yaml --set student.lora.r=16\n\n"
        '    twt answer runs/my-run "Ann is taller than Ben. Who is shorter?"\n\n'
        "Exit codes: 0 done, 1 failed, 2 bad input, 3 stopped by the budget, 4 batches under way, 130 interrupted."
    ),
)

ConfigFile = Annotated[Path, typer.Argument(metavar="CONFIG", help="The run's YAML file.", show_default=False)]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder, runs/NAME.", show_default=False)]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override an option, e.g. quality_filter.minimum=0.9. Repeatable."),
]
RunsDir = Annotated[Path, typer.Option("--runs-dir", metavar="DIR", help="Folder of runs; the ledger lies in it.")]
Name = Annotated[str | None, typer.Option("--name", help="The run folder's name; the config's by default.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but the result.")]
Seeds = Annotated[
    int | None,
    typer.Option("--seeds", min=2, metavar="N", help="Run with N seeds, from the config's on, and report the spread."),
]
Unsandboxed = Annotated[
    bool,
    typer.Option(
        "--allow-unsandboxed-code",
        help="Let programs that models wrote run without walls where none can be had; marks every result.",
    ),
]
_RUNS = Path("runs")
_INTERRUPTED = 130


def _examples(*lines: str) -> str:
    return "Examples:\n\n" + "\n\n".join(f"    {line}" for line in lines)


def _print_json(value: BaseModel | list[object] | dict[str, object]) -> None:
    from pydantic import BaseModel

    plain = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
    typer.echo(json.dumps(plain, indent=2, ensure_ascii=False))


@app.command(
    epilog=_examples(
        "twt run run.yaml", "twt run run.yaml --set diversity_selector.use=random_pair", "twt run run.yaml --seeds 3"
    )
)
def run(
    config: ConfigFile,
    overrides: Overrides = None,
    runs_dir: RunsDir = _RUNS,
    name: Name = None,
    seeds: Seeds = None,
    unsandboxed: Unsandboxed = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Do a run, or go on with it: whatever is not yet on disk, and nothing twice."""
    from twt_core import session, tables
    from twt_core.progress import Progress

    if unsandboxed:
        from twt_core.sandbox import contained

        contained.allow_unsandboxed_code()
    if seeds is not None:
        _run_seeds(config, seeds, overrides or [], runs_dir, name, as_json=as_json, progress=Progress(quiet=quiet))
        return
    summary = session.run(config, overrides or (), runs_dir, name, Progress(quiet=quiet))
    if as_json:
        _print_json(summary)
    else:
        tables.print_summary(summary, runs_dir / (name or summary.name))


def _run_seeds(
    config: Path,
    count: int,
    overrides: list[str],
    runs_dir: Path,
    name: str | None,
    *,
    as_json: bool,
    progress: Progress,
) -> None:
    from twt_core import seeds, tables

    found = seeds.run_seeds(config, count, overrides, runs_dir, name, progress)
    if as_json:
        _print_json(found)
    else:
        tables.print_seeds(found, runs_dir)


@app.command(epilog=_examples("twt plan run.yaml", "twt plan run.yaml --json"))
def plan(
    config: ConfigFile,
    overrides: Overrides = None,
    runs_dir: RunsDir = _RUNS,
    name: Name = None,
    as_json: AsJson = False,
) -> None:
    """What a run would do now: each step on disk or to do, the teacher calls, their worst-case price."""
    from twt_core import session, tables

    planned = session.plan(config, overrides or (), runs_dir, name)
    if as_json:
        _print_json(planned)
    else:
        tables.print_plan(planned)


@app.command(epilog=_examples("twt status runs/my-run"))
def status(folder: RunFolder, as_json: AsJson = False) -> None:
    """How far a run is: its steps, their seconds, and its result if there is one."""
    from twt_core import finished, tables

    found = finished.status(folder)
    if as_json:
        _print_json(found)
    else:
        tables.print_status(found, folder)


@app.command(epilog=_examples("twt plugins", "twt plugins teacher", "twt plugins teacher litellm"))
def plugins(
    kind: Annotated[str | None, typer.Argument(metavar="[KIND]", help="teacher, quality_filter, ...")] = None,
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="One component: its options.")] = None,
    as_json: AsJson = False,
) -> None:
    """What is installed, from which distribution, and the options of each component with their defaults."""
    from twt_core import listing, tables

    found = listing.components(kind, name)
    if as_json:
        _print_json([component.model_dump(mode="json") for component in found.components])
    else:
        tables.print_components(found, with_options=name is not None)


@app.command(epilog=_examples("twt schema > twt.schema.json"))
def schema() -> None:
    """The JSON Schema of the config, installed plugins included: for editors that complete and check."""
    from twt_core.config import config_schema

    _print_json(dict(config_schema()))


@app.command(epilog=_examples("twt init > run.yaml", "twt init run.yaml"))
def init(
    file: Annotated[Path | None, typer.Argument(metavar="[FILE]", help="File to write; else it is printed.")] = None,
) -> None:
    """A commented config to start from."""
    from twt_core.config import template_config

    if file is None:
        typer.echo(template_config(), nl=False)
        return
    try:
        with file.open("x", encoding="utf-8") as out:
            out.write(template_config())
    except FileExistsError:
        raise InputError(f"{file}: is there already; it is not overwritten") from None
    except OSError as error:
        raise InputError(f"{file}: cannot write: {error.strerror}") from error
    typer.echo(f"{file} written. Edit it, then: twt plan {file}")


@app.command(epilog=_examples('twt answer runs/my-run "Today is Friday. Which day is it in 2 days?"'))
def answer(
    folder: RunFolder,
    question: Annotated[str, typer.Argument(help="What to ask.", show_default=False)],
    stage: Annotated[str | None, typer.Option(help="Ask this stage's student, not the recommended one.")] = None,
    choice: Annotated[list[str] | None, typer.Option(help="An answer to choose from. Repeatable.")] = None,
    test: Annotated[list[str] | None, typer.Option(help="A test that the answer is to pass. Repeatable.")] = None,
    task: Annotated[str | None, typer.Option(help="Which of its tasks it is, in a run of a mixture.")] = None,
    as_json: AsJson = False,
) -> None:
    """Ask the student of the recommended stage."""
    from twt_core import finished

    found = finished.answer(folder, question, stage, tuple(choice or ()) or None, tuple(test or ()) or None, task)
    if as_json:
        _print_json(found)
    else:
        typer.echo(found.text)


@app.command(
    epilog=_examples(
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
        ),
    ],
    queries: Annotated[Path, typer.Option(metavar="FILE", help="Questions with answers, JSON lines, gzipped or not.")],
    task: Annotated[
        str | None,
        typer.Option(metavar="NAME|FILE", help="A task evaluator, or a YAML file with one."),
    ] = None,
    stage: Annotated[str | None, typer.Option(help="A run's stage, not the recommended one.")] = None,
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
    runs_dir: RunsDir = _RUNS,
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

    if unsandboxed:
        from twt_core.sandbox import contained

        contained.allow_unsandboxed_code()
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
        _print_json(found)
    else:
        printing.print_evaluation(found)
    if found.missing:
        raise TwtError("not whole: run the same command again, and it asks for the answers that are missing")


@app.command(
    epilog=_examples(
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
        _print_json(found)
    else:
        printing.print_compared(found)


@app.command(
    epilog=_examples(
        "twt export runs/my-run --merged model/",
        "twt export runs/my-run --ollama model/",
        "twt export runs/my-run --dataset data/ --format sharegpt",
        "twt export runs/my-run --adapter adapter/ --push me/my-student",
    )
)
def export(  # noqa: PLR0913, PLR0917  # an argument is an option
    folder: RunFolder,
    merged: Annotated[Path | None, typer.Option(metavar="DIR", help="Whole model, adapter merged in.")] = None,
    adapter: Annotated[Path | None, typer.Option(metavar="DIR", help="LoRA adapter alone, for peft.")] = None,
    ollama: Annotated[Path | None, typer.Option(metavar="DIR", help="Whole model with an Ollama Modelfile.")] = None,
    dataset: Annotated[Path | None, typer.Option(metavar="DIR", help="Each stage's training texts.")] = None,
    form: Annotated[
        Literal["chatml", "alpaca", "sharegpt", "datasets"],
        typer.Option("--format", help="How the data set is laid out: JSON lines, or (datasets) Parquet."),
    ] = "chatml",
    stage: Annotated[str | None, typer.Option(help="This stage's student, not the recommended one.")] = None,
    push: Annotated[
        str | None, typer.Option(metavar="OWNER/NAME", help="Upload it to the Hugging Face hub, too; private.")
    ] = None,
    public: Annotated[bool, typer.Option("--public", help="With --push: for everybody to see.")] = False,
) -> None:
    """Take the student, its adapter, or what it was taught out of a run."""
    from twt_core import exporting

    targets: dict[exporting.What, Path | None]
    targets = {"merged": merged, "adapter": adapter, "ollama": ollama, "dataset": dataset}
    wanted = {what: target for what, target in targets.items() if target is not None}
    if public and push is None:
        raise InputError("--public goes with --push OWNER/NAME")
    place = exporting.Push(push, public) if push is not None else None
    for line in exporting.export_all(folder, wanted, stage, form, place):
        typer.echo(line)


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="The installed version.", is_eager=True)] = False,
) -> None:
    if version:
        from twt_core.run import engine_version

        typer.echo(f"twt {engine_version()}")
        raise typer.Exit


def main() -> NoReturn:
    """Run the command line and end the process with its exit code."""
    # A thread that waits actively starves the others on a busy machine; read when torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("TQDM_DISABLE", "1")  # the libraries' own bars; ours say what the work is
    signal.signal(signal.SIGTERM, _terminate)
    try:
        code = int(app(standalone_mode=False) or 0)  # typer gives back an Exit's code, and for an interrupt its own
    except TwtError as error:
        code = _say(str(error), error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        code = _INTERRUPTED
    except Exception as error:
        if hasattr(error, "show") and hasattr(error, "exit_code"):  # the parser's own, about the command line
            error.show()
            code = 2
        else:
            raise
    if code == _INTERRUPTED:
        _say("interrupted; run the same command again: it goes on from here", code)
    sys.stdout.flush()
    sys.exit(code)


def _terminate(*_: object) -> None:
    raise KeyboardInterrupt


def _say(message: str, code: int) -> int:
    typer.echo(f"twt: {message}", err=True)
    return code
