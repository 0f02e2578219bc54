"""The inputs of a bench's runs, each set of queries read once."""

from __future__ import annotations

from pathlib import Path

from twt_core.bench.grid import GridRun
from twt_core.config import RunConfig
from twt_core.data import DOWNLOADS, Data, read_data
from twt_core.session import Prepared, prepare_config


class Reader:
    """Prepares runs; those with the same task and the same files share what was read.

    Args:
        runs_dir: the project's folder of runs.
        download: whether data sets that are not there are downloaded, or only counted.
    """

    def __init__(self, runs_dir: Path, *, download: bool) -> None:
        self._runs_dir = runs_dir
        self._download = download
        self._read: dict[str, Data] = {}

    def prepare(self, run: GridRun) -> Prepared:
        """See `twt_core.session.prepare_config`."""
        files = run.config.model_dump_json(include={"queries", "test_queries", "dev_queries"})
        sources = run.config.task_evaluator.model_dump_json() + files
        return prepare_config(run.config, self._runs_dir, run.folder, lambda: self._data(sources, run.config))

    def _data(self, sources: str, config: RunConfig) -> Data:
        if sources not in self._read:
            self._read[sources] = read_data(config, self._runs_dir / DOWNLOADS, download=self._download)
        return self._read[sources]
