"""Reports for the viewer: the one on disk where it is current, else built, off the event loop."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

from twt_core.errors import InputError
from twt_core.progress_file import PROGRESS
from twt_core.report import REPORT
from twt_core.run import SUMMARY
from twt_core.view.folders import BenchCard, Card, Folders

#: So many reports are kept; one of a large run has tens of megabytes.
_MOST_KEPT = 4
_Stamps: TypeAlias = tuple[tuple[str, int, int], ...]


class Reports:
    """Builds one report at a time. Nothing is written: a viewer only looks."""

    def __init__(self, folders: Folders) -> None:
        self._folders = folders
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="report")
        self._kept: OrderedDict[Path, tuple[_Stamps, bytes]] = OrderedDict()

    def close(self) -> None:
        """Build no more."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def of(self, card: Card) -> bytes:
        """A run's or a bench's report.

        Raises:
            InputError: it has none, or links lead out of its folder.
            TwtError: it cannot be built.
        """
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._page, card)

    def _page(self, card: Card) -> bytes:
        folder = card.folder
        self._refuse_links(folder)
        stamps = _stamps(folder)
        kept = self._kept.get(folder)
        if kept is None or kept[0] != stamps:
            self._kept[folder] = kept = (stamps, _on_disk(folder, stamps) or _built(card))
        self._kept.move_to_end(folder)
        while len(self._kept) > _MOST_KEPT:
            self._kept.popitem(last=False)
        return kept[1]

    def _refuse_links(self, folder: Path) -> None:
        for path in [folder, *folder.rglob("*")]:
            if path.is_symlink() and not self._folders.contains(path):
                raise InputError(f"{path.name}: a link to a place outside of the folder of runs, which is not followed")


def _stamps(folder: Path) -> _Stamps:
    """What a report depends on: whole steps, and what a run writes beside them."""
    files = [*folder.glob("*.json*"), *folder.glob("[0-9][0-9]*-*/manifest.json")]
    found = []
    for path in sorted(path for path in files if path.name != PROGRESS and not path.name.startswith(".")):
        with suppress(FileNotFoundError):
            stat = path.stat()
            found.append((path.relative_to(folder).as_posix(), stat.st_mtime_ns, stat.st_size))
    return tuple(found)


def _on_disk(folder: Path, stamps: _Stamps) -> bytes | None:
    """The report in the folder, if it is that of a finished run, and nothing has changed since."""
    file = folder / REPORT
    if (
        not (folder / SUMMARY).is_file()
        or not file.is_file()
        or file.stat().st_mtime_ns < max((stamp[1] for stamp in stamps), default=0)
    ):
        return None
    return file.read_bytes()


def _built(card: Card) -> bytes:
    from twt_core import report

    if isinstance(card, BenchCard):
        file = card.folder / REPORT
        if not file.is_file():
            raise InputError(f"{card.name}: the bench has no report yet. It is written when the bench ends")
        return file.read_bytes()
    return report.page(card.folder).encode("utf-8", "replace")
