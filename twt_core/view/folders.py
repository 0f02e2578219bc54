"""What lies in a folder of runs: names are looked up here, so nothing that a request says becomes a path."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, TypeAlias, TypeVar, cast

from pydantic import BaseModel

from twt_core.bench.result import RESULT, Arm, BenchResult
from twt_core.errors import InputError
from twt_core.metrics import StageScore
from twt_core.progress_file import PROGRESS, LiveProgress, read_progress
from twt_core.recipe import RECIPE, Recipe
from twt_core.report import REPORT
from twt_core.run import SUMMARY
from twt_core.summary import Summary

#: ``unfinished``: nobody works on it, and nobody told why. ``damaged``: it cannot be read, or is not to be.
State: TypeAlias = Literal["working", "done", "stopped", "failed", "unfinished", "damaged"]


#: A run folder has one of these.
_MARKS = (RECIPE, SUMMARY, PROGRESS)
_OUTSIDE = "a link to a place outside of this folder, which is not followed"

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class RunCard:
    """A run folder from outside."""

    folder: Path
    state: State
    why: str
    when: datetime
    live: LiveProgress | None = None
    summary: Summary | None = None

    @property
    def name(self) -> str:
        """Its folder's own name."""
        return self.folder.name

    @property
    def recommended(self) -> StageScore | None:
        """The stage to use."""
        return next((s for s in self._stages if self.summary and s.name == self.summary.recommended_stage), None)

    @property
    def best(self) -> StageScore | None:
        """The most accurate stage, the tersest of several; None where nothing is graded."""
        return _best(self._stages)

    @property
    def cost_usd(self) -> float | None:
        """What it has cost, as far as that is known; in US dollars."""
        if self.state != "working" and self.summary is not None:
            return self.summary.cost_usd
        return self.live.spent_usd if self.live is not None else None

    @property
    def _stages(self) -> list[StageScore]:
        return self.summary.stages if self.summary is not None else []


@dataclass(frozen=True)
class BenchCard:
    """A bench's folder from outside, with the runs of its grid that have begun, ``BENCH.COMBINATION``."""

    folder: Path
    runs: list[RunCard]
    result: BenchResult | None
    why: str

    @property
    def name(self) -> str:
        """Its folder's own name."""
        return self.folder.name

    @property
    def when(self) -> datetime:
        """The last change to it or to one of its runs."""
        return max([_changed(self.folder / RESULT, self.folder), *(run.when for run in self.runs)])

    @property
    def states(self) -> dict[State, int]:
        """How many of its runs are how far."""
        return dict(Counter(run.state for run in self.runs).most_common())

    @property
    def best(self) -> Arm | None:
        """The arm with the most accurate students so far."""
        arms = [arm for arm in self.result.arms if arm.score is not None] if self.result is not None else []
        best = _best([arm.score for arm in arms if arm.score is not None])
        return next((arm for arm in arms if arm.score is best), None) if best is not None else None

    @property
    def has_report(self) -> bool:
        """Whether its report is written."""
        return (self.folder / REPORT).is_file()


Card: TypeAlias = RunCard | BenchCard


@dataclass
class Folders:
    """A folder of runs, read anew whenever it is asked for; what has not changed is not parsed again."""

    root: Path
    _parsed: dict[Path, tuple[object, object]] = field(default_factory=dict)

    def cards(self) -> list[Card]:
        """Every bench, and every run that is of none; those that changed last first."""
        cards = self.by_name().values()
        of_benches = {run.name for card in cards if isinstance(card, BenchCard) for run in card.runs}
        return _latest_first(card for card in cards if card.name not in of_benches)

    def by_name(self) -> Mapping[str, Card]:
        """Every run and every bench by its name, which is its folder's."""
        folders = list(_subfolders(self.root))
        runs = {path.name: self._run(path) for path in folders if _is_run(path) or not self.contains(path)}
        others = [path for path in folders if path.name not in runs]
        return {**runs, **{bench.name: bench for path in others if (bench := self._bench(path, runs)) is not None}}

    def contains(self, path: Path) -> bool:
        """Whether an entry of it, or a file of one, is no link out of it."""
        return not path.is_symlink() or path.resolve().is_relative_to(self.root.resolve())

    def _bench(self, folder: Path, runs: Mapping[str, RunCard]) -> BenchCard | None:
        own = [run for name, run in runs.items() if name.startswith(f"{folder.name}.")]
        if not self.contains(folder / RESULT):
            return BenchCard(folder, own, None, _OUTSIDE)
        if not own and not (folder / RESULT).is_file():
            return None
        result, why = self._kept(folder, (folder / RESULT,), lambda: _parsed(folder / RESULT, BenchResult))
        return BenchCard(folder, own, result, why)

    def _run(self, folder: Path) -> RunCard:
        if not all(map(self.contains, [folder, *(folder / mark for mark in _MARKS)])):
            return RunCard(folder, "damaged", _OUTSIDE, _changed(folder, followed=False))
        live = read_progress(folder)
        summary, damage = self._kept(folder, (folder / RECIPE, folder / SUMMARY), lambda: _summary(folder))
        when = live.updated.astimezone(UTC) if live is not None else _changed(folder / SUMMARY, folder / RECIPE)
        return RunCard(folder, *_verdict(live, summary, damage), when, live, summary)

    def _kept(self, folder: Path, files: tuple[Path, ...], parse: Callable[[], tuple[T | None, str]]) -> (
        tuple[T | None, str]
    ):  # fmt: skip
        """What is in files of a folder, and what is wrong with them: as before, if they are as they were."""
        stamp = [_stamp(file) for file in files]
        before = self._parsed.get(folder)
        if before is None or before[0] != stamp:
            self._parsed[folder] = before = (stamp, parse())
        return cast(tuple[T | None, str], before[1])


def _best(stages: list[StageScore]) -> StageScore | None:
    graded = [(stage.accuracy, -stage.mean_output_tokens, stage) for stage in stages if stage.accuracy is not None]
    return max(graded, key=lambda found: found[:2])[2] if graded else None


def _latest_first(cards: Iterable[Card]) -> list[Card]:
    return sorted(cards, key=lambda card: (-card.when.timestamp(), card.name))


def _subfolders(folder: Path) -> Iterator[Path]:
    try:
        paths = sorted(folder.iterdir())
    except OSError:
        return
    yield from (path for path in paths if not path.name.startswith(".") and _readable(path) and path.is_dir())


def _readable(path: Path) -> bool:
    """Whether its name can stand in an address: file names may be any bytes."""
    try:
        path.name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_run(folder: Path) -> bool:
    return any((folder / mark).is_file() for mark in _MARKS)


def _summary(folder: Path) -> tuple[Summary | None, str]:
    try:
        Recipe.in_folder(folder)
    except (InputError, OSError):
        return None, f"{RECIPE} is damaged"
    return _parsed(folder / SUMMARY, Summary)


def _parsed(file: Path, record: type[M]) -> tuple[M | None, str]:
    """What is in a file, if it is there, and what is wrong with it."""
    if not file.exists():
        return None, ""
    if not file.is_file():  # a pipe would be waited for
        return None, f"{file.name} is no file"
    try:
        return record.model_validate_json(file.read_bytes()), ""
    except OSError as error:
        return None, f"{file.name} cannot be read: {error.strerror}"
    except ValueError:
        return None, f"{file.name} is damaged, or of another version of TwT"


def _verdict(live: LiveProgress | None, summary: Summary | None, damage: str) -> tuple[State, str]:
    if live is not None and live.state == "working":
        return "working", ""
    if damage:
        return "damaged", damage
    if summary is not None:
        return "done", ""
    if live is not None and live.state != "done":
        return live.state, live.why
    return "unfinished", ""


def _stamp(file: Path) -> tuple[int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def _changed(*files: Path, followed: bool = True) -> datetime:
    """When the first of these that is there was changed last."""
    for file in files:
        try:
            return datetime.fromtimestamp(file.stat(follow_symlinks=followed).st_mtime, UTC)
        except (OSError, OverflowError, ValueError):
            continue
    return datetime.fromtimestamp(0, UTC)
