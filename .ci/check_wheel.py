"""Build the wheel, look into it, and use it in an environment that has no source tree.

    python .ci/check_wheel.py

The new environment borrows the installed dependencies by a .pth file, so that nothing is downloaded. Test files that
need a model are left out: they run against the source tree by `make test`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WANTED = (
    "twt_core/config_template.yaml",
    "twt_core/py.typed",
    "twt_plugins/py.typed",
    "twt_plugins/task_evaluators/prompts/exact_match.teacher.j2",
    "twt_plugins/task_evaluators/prompts/math.teacher.j2",
    "twt_plugins/task_evaluators/prompts/multiple_choice.teacher.j2",
    "twt_plugins/task_evaluators/prompts/python_function.teacher.j2",
    "twt_plugins/task_evaluators/prompts/rewrite.j2",
    "twt_plugins/task_evaluators/prompts/student.j2",
)
# What names a model library, or takes a fixture that builds a model.
_NEEDS_MORE = re.compile(
    r"\btorch\b|tiny_model|transformers|example_plugin"
    r"|def \w+\([^)]*\b(?:model|embedder|finished|again|fresh)\b"
)


def say(*command: str | Path, cwd: Path = ROOT) -> str:
    """Run a command and give what it prints; stop here when it fails."""
    # Without the caller's own paths, which could put the source tree back.
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    done = subprocess.run([*map(str, command)], cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"wheel-check: {' '.join(map(str, command))} failed\n{done.stdout}{done.stderr}")
    return done.stdout


def build(folder: Path) -> Path:
    """The wheel, built without isolation: hatchling is installed and pinned."""
    say(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder)
    [wheel] = folder.glob("*.whl")
    return wheel


def look_into(wheel: Path) -> None:
    """Its two packages with all their files, and nothing else."""
    names = zipfile.ZipFile(wheel).namelist()
    top = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    if top != {"twt_core", "twt_plugins"}:
        sys.exit(
            f"wheel-check: the wheel holds {', '.join(sorted(top))}; it should hold twt_core and twt_plugins alone"
        )
    packages = (ROOT / "twt_core", ROOT / "plugins" / "twt_plugins")
    sources = {p.relative_to(package.parent).as_posix() for package in packages for p in package.rglob("*.py")}
    if missing := sorted((sources | set(WANTED)) - set(names)):
        sys.exit(f"wheel-check: the wheel lacks {', '.join(missing)}")
    print(f"{wheel.name}: {len(names)} files, {wheel.stat().st_size} bytes")


def install(wheel: Path, folder: Path) -> Path:
    """A new environment with the wheel; gives its folder of programs."""
    venv.create(folder, with_pip=False)
    programs = folder / ("Scripts" if os.name == "nt" else "bin")
    python = programs / "python"
    say(sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index", wheel)
    site = Path(say(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    # A folder named in a .pth file is searched last, and the .pth files in it (the editable install) are not read.
    (site / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return programs


def use(programs: Path, elsewhere: Path) -> None:
    """The command line and the tests that need no model, on the installed wheel."""
    where = say(programs / "python", "-P", "-c", "import twt_core; print(twt_core.__file__)", cwd=elsewhere).strip()
    if ROOT in Path(where).parents:
        sys.exit(f"wheel-check: twt_core comes from {where}, not from the wheel")
    print(say(programs / "twt", "--version", cwd=elsewhere).strip())
    print(f"twt plugins: {len(say(programs / 'twt', 'plugins', cwd=elsewhere).splitlines())} lines")
    files = [p for p in sorted((ROOT / "tests").rglob("test_*.py")) if not _needs_more(p)]
    ran = say(programs / "python", "-P", "-m", "pytest", "-p", "no:cacheprovider", *files)
    print(f"{len(files)} test files: {ran.strip().splitlines()[-1]}")


def _needs_more(test: Path) -> bool:
    return "example_plugin" in test.parts or _NEEDS_MORE.search(test.read_text(encoding="utf-8")) is not None


def main() -> None:
    """Build, look, install, use."""
    with tempfile.TemporaryDirectory(prefix="twt-wheel-") as folder:
        temporary = Path(folder).resolve()
        wheel = build(temporary / "dist")
        look_into(wheel)
        use(install(wheel, temporary / "venv"), temporary)
    print("wheel-check: good")


if __name__ == "__main__":
    main()
