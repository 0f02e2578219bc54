"""Build the source distribution and, from it, the wheel; look into both; use them where there is no source tree.

    python .ci/check_wheel.py

The environment has the wheel and what it requires, installed by pip, and no extra: there the command line must work,
and what an extra is for must say which. Then the tests run that need no model, with pytest borrowed from this
environment. Those that need one run against the source tree by `make test`.
"""

from __future__ import annotations

import re
import sys
import sysconfig
import tempfile
from pathlib import Path

import packed
from clean_environment import ROOT, install, make, say, site_of

# Of the tests, those of what the wheel holds; not the sandbox's, which take minutes and use nothing packed.
_TESTED = ("core", "plugins", "report", "view")
# What names a model library, or takes a fixture that builds a model, an environment or opens a browser.
_NEEDS_MORE = re.compile(
    r"\btorch\b|tiny_model|transformers|example_plugin|playwright"
    r"|def \w+\([^)]*\b(?:model|embedder|finished|again|fresh|page|chromium)\b"
)
_CONFIG = """\
name: small
task_evaluator: {use: exact_match}
queries: {path: queries.jsonl}
test_queries: {path: test.jsonl}
teachers: [{use: replay, name: ann, path: recordings.jsonl}]
diversity_selector: {use: all}
student: {model: model}
"""
_FILES = {
    "small.yaml": _CONFIG,
    "queries.jsonl": '{"id": "q1", "query": "One and one?"}\n',
    "test.jsonl": '{"id": "t1", "query": "Two and two?", "answer": "4"}\n',
    "recordings.jsonl": '{"id": "q1", "teacher": "ann", "text": "The answer is: 2"}\n',
    "model/config.json": "{}\n",
}
#: What asks for an extra, by the extra.
_ASKS = {
    "hub": "queries={dataset: openai/gsm8k, split: train, columns: {query: question}}",
    "trl": "student.trainer=trl",
    "vllm": "student.generator=vllm",
    "llmlingua": "compressor={use: llmlingua, model: model}",
    "tensorboard": "student.report_to=[tensorboard]",
    "wandb": "student.report_to=[wandb]",
    "mlflow": "student.report_to=[mlflow]",
}


def build(folder: Path) -> tuple[Path, Path]:
    """The source distribution and the wheel built from it, without isolation: hatchling is installed and pinned."""
    say(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder)
    [archive], [wheel] = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return archive, wheel


def use_without_extras(programs: Path, elsewhere: Path) -> None:
    """The commands a newcomer begins with; and each extra, asked for in vain, is named."""
    twt = programs / "twt"
    where = say(programs / "python", "-P", "-c", "import twt_core; print(twt_core.__file__)", cwd=elsewhere).strip()
    if ROOT in Path(where).parents:
        sys.exit(f"wheel-check: twt_core comes from {where}, not from the wheel")
    print(say(twt, "--version", cwd=elsewhere).strip())
    say(twt, "--help", cwd=elsewhere)
    say(twt, "init", "run.yaml", cwd=elsewhere)
    say(twt, "plugin", "new", "twt-mine", "--kind", "quality_filter", cwd=elsewhere)
    print(f"twt plugins: {len(say(twt, 'plugins', cwd=elsewhere).splitlines())} lines")
    (elsewhere / "model").mkdir()
    for name, text in _FILES.items():
        (elsewhere / name).write_text(text, encoding="utf-8")
    say(twt, "plan", "small.yaml", cwd=elsewhere)
    for extra, override in _ASKS.items():
        said = say(twt, "run", "small.yaml", "--set", override, cwd=elsewhere, code=2)
        if f'pip install "twt-distill[{extra}]"' not in said:
            sys.exit(f"wheel-check: {override} without the extra {extra} says only: {said}")
    print(f"without extras: {', '.join(_ASKS)} each named")


def test(programs: Path) -> None:
    """The tests that need no model, on the installed wheel."""
    # A folder named in a .pth file is searched last, and the .pth files in it (the editable install) are not read.
    borrowed = site_of(programs) / "borrowed.pth"
    borrowed.write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    found = [path for folder in _TESTED for path in sorted((ROOT / "tests" / folder).rglob("test_*.py"))]
    files = [path for path in found if not _NEEDS_MORE.search(path.read_text(encoding="utf-8"))]
    ran = say(programs / "python", "-P", "-m", "pytest", "-p", "no:cacheprovider", *files)
    print(f"{len(files)} test files: {ran.strip().splitlines()[-1]}")


def main() -> None:
    """Build, look, install, use, test; then the source distribution in the wheel's place."""
    with tempfile.TemporaryDirectory(prefix="twt-wheel-") as folder:
        temporary = Path(folder).resolve()
        archive, wheel = build(temporary / "dist")
        packed.look_into_source(archive)
        packed.look_into_wheel(wheel)
        packed.look_at_metadata(wheel, archive)
        programs = make(temporary / "venv", wheel)
        elsewhere = temporary / "elsewhere"
        elsewhere.mkdir()
        use_without_extras(programs, elsewhere)
        test(programs)
        install(programs, archive, "--no-deps", "--force-reinstall")
        print(f"from {archive.name}: {say(programs / 'twt', '--version', cwd=elsewhere).strip()}")
    print("wheel-check: good")


if __name__ == "__main__":
    main()
