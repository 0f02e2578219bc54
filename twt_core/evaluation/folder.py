"""An evaluation's folder: what it was made of, its texts, its predictions, its result; and its lock.

Texts are written as they are generated and predictions as they are graded, so that neither is made twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from pydantic import Field

from twt_core.config_difference import config_difference
from twt_core.errors import InputError
from twt_core.evaluation.appending import cut
from twt_core.evaluation.identity import VERSION, Identity
from twt_core.progress import Progress
from twt_core.records import Generation
from twt_core.run import write_whole

IDENTITY = "identity.json"
TEXTS = "texts.jsonl"
PREDICTIONS = "predictions.jsonl"
RESULT = "evaluation.json"
#: The folder of evaluations, where the user names none.
EVALUATIONS = Path("evaluations")

_LOCK = ".lock"
#: What may be there before an identity is: what a process left that was killed as it made the folder.
_BEFORE_IDENTITY = {_LOCK, f".{IDENTITY}.partial"}


class Text(Generation):
    """What a model wrote: `sample` counts the texts on one query; `counted` is whether its tokens are known."""

    sample: int = Field(default=0, ge=0)
    counted: bool = True


@contextmanager
def open_folder(path: Path, identity: Identity, progress: Progress, *, regrade: bool) -> Iterator[Path]:
    """Make or open an evaluation's folder, and hold its lock.

    Args:
        path: the folder.
        identity: of the evaluation that is to be in it.
        progress: told when grades are dropped.
        regrade: drop the grades that are there; the texts stay.

    Raises:
        InputError: it holds another evaluation, or something else; another process works on it; it cannot be written.
    """
    if path.is_dir() and not (path / IDENTITY).exists() and {one.name for one in path.iterdir()} - _BEFORE_IDENTITY:
        raise InputError(f"{path}: holds something else than an evaluation. Give another --out")
    with _locked(path):
        before = _identity_in(path)
        if before is not None:
            _check_texts(path, before, identity)
        if before is not None and (before.grades != identity.grades or regrade):
            _check_grades(path, before, identity, regrade=regrade)
            progress.say(f"{path / PREDICTIONS}: graded anew")
            (path / RESULT).unlink(missing_ok=True)
            (path / PREDICTIONS).unlink(missing_ok=True)
        write_whole(path / IDENTITY, identity.model_dump_json(indent=2) + "\n")
        for name in (TEXTS, PREDICTIONS):
            cut(path / name)
        yield path


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    lock = FileLock(path / _LOCK)
    try:
        path.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout as error:
        raise InputError(f"{path}: another process works on this evaluation. Wait for it, or give --out") from error
    except OSError as error:
        raise InputError(f"{path}: cannot write there: {error.strerror or error}") from error
    try:
        yield
    finally:
        lock.release()


def _identity_in(path: Path) -> Identity | None:
    try:
        found = Identity.model_validate_json((path / IDENTITY).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError:  # no JSON, no UTF-8, or no identity
        found = None
    if found is None or found.version != VERSION:
        raise InputError(f"{path / IDENTITY}: damaged, or of another version of TwT. Give another --out")
    return found


def _check_texts(path: Path, before: Identity, now: Identity) -> None:
    if difference := config_difference(before.texts, now.texts):
        raise InputError(
            f"{path}: holds another evaluation. It differs in:\n  " + "\n  ".join(difference)
            + "\nGive another --out, or remove the folder"
        )  # fmt: skip


def _check_grades(path: Path, before: Identity, now: Identity, *, regrade: bool) -> None:
    if not regrade:
        raise InputError(
            f"{path}: the same texts, graded otherwise:\n  "
            + "\n  ".join(config_difference(before.grades, now.grades))
            + "\nGive --regrade to grade the texts that are there anew, or another --out to keep both"
        )
