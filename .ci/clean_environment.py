"""An environment with the wheel and what it requires, and nothing of the developers'.

torch and what torch itself needs are links into the developers' environment: they are by far the largest part, and
which build is right depends on the machine (see TORCH_INDEX in the Makefile). All else pip installs for real, at the
pinned versions: from its cache, which `make test` has just filled. It compiles nothing, which saves half the time.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
CONSTRAINTS = ROOT / "requirements" / "constraints.txt"
#: What an extra brings, which must not be there without it.
OF_EXTRAS = ("datasets", "trl", "vllm", "llmlingua", "tensorboard", "wandb", "mlflow", "pytest", "mypy", "mkdocs")


def say(*command: str | Path, cwd: Path = ROOT, code: int = 0) -> str:
    """Run a command and give what it prints, errors last; stop here when it ends with another exit code."""
    # Without the caller's own paths, which could put the source tree back.
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    done = subprocess.run([*map(str, command)], cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != code:
        sys.exit(f"wheel-check: {' '.join(map(str, command))} ended with {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def make(folder: Path, wheel: Path) -> Path:
    """A new environment with the wheel; gives its folder of programs."""
    venv.create(folder, with_pip=False)
    programs = folder / ("Scripts" if os.name == "nt" else "bin")
    for linked in _with_what_it_needs("torch", set()):
        _link(linked, site_of(programs))
    install(programs, wheel)
    say(sys.executable, "-m", "pip", "--python", programs / "python", "check")
    seen = say(programs / "python", "-c", _FOUND, *OF_EXTRAS).split()
    if seen:
        sys.exit(f"wheel-check: {', '.join(seen)} came with the wheel, though an extra's")
    return programs


_FOUND = "import sys\nfrom importlib.util import find_spec\nprint(*[n for n in sys.argv[1:] if find_spec(n)])"


def install(programs: Path, packed: Path, *options: str) -> None:
    """By the pip of this environment, at the pinned versions."""
    pip = (sys.executable, "-m", "pip", "--python", programs / "python", "--disable-pip-version-check")
    say(*pip, "install", "--quiet", "--no-compile", "-c", CONSTRAINTS, *options, packed)


def site_of(programs: Path) -> Path:
    """Where the environment's packages are."""
    return Path(say(programs / "python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())


def _with_what_it_needs(name: str, seen: set[str]) -> list[Distribution]:
    if canonicalize_name(name) in seen:
        return []
    seen.add(canonicalize_name(name))
    found = distribution(name)
    needed = [Requirement(line) for line in found.requires or ()]
    wanted = [one.name for one in needed if one.marker is None or one.marker.evaluate({"extra": ""})]
    return [found, *(inner for one in wanted for inner in _with_what_it_needs(one, seen))]


def _link(linked: Distribution, site: Path) -> None:
    source = Path(sysconfig.get_path("purelib"))
    for name in {file.parts[0] for file in linked.files or ()} - {"..", "__pycache__"}:
        if not (site / name).exists():
            (site / name).symlink_to(source / name)
