"""What to say of a folder that is no run's: which run may be meant."""

from __future__ import annotations

from pathlib import Path

from twt_core.errors import InputError
from twt_core.recipe import RECIPE
from twt_core.run import BENCH
from twt_core.suggest import did_you_mean

_RUNS = Path("runs")
_NAMED = 8


def no_run_folder(folder: Path) -> InputError:
    """The error for a folder that is no run's: with the runs in it, beside it or, of a bare name, in runs/."""
    return InputError(f"{folder}: no run folder. {_meant(folder)}")


def _meant(folder: Path) -> str:
    if (folder / BENCH).is_file():
        runs = [name for name in _runs_in(folder.parent) if name.startswith(f"{folder.name}.")]
        return f"It is a bench's: `twt report {folder}` shows it. {_list('Its runs', runs)}".rstrip()
    if inside := _runs_in(folder):
        return _list("Runs in it", inside)
    beside = _runs_in(folder.parent) + _with(BENCH, folder.parent)
    if folder.parent == Path() and not beside:
        names = _runs_in(_RUNS) + _with(BENCH, _RUNS)
        return did_you_mean(str(_RUNS / folder.name), [str(_RUNS / name) for name in names])
    return did_you_mean(folder.name, beside)


def _runs_in(folder: Path) -> list[str]:
    return _with(RECIPE, folder)


def _with(file: str, folder: Path) -> list[str]:
    return sorted(found.parent.name for found in folder.glob(f"*/{file}")) if folder.is_dir() else []


def _list(what: str, names: list[str]) -> str:
    if not names:
        return ""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{what}: {', '.join(names[:_NAMED])}{more}"
