"""Reports: one HTML file that shows a run, or a bench, to people; it needs no server and no network."""

from __future__ import annotations

from pathlib import Path

#: The file in a run's, or a bench's, folder.
REPORT = "report.html"

__all__ = ["REPORT", "page", "write", "write_any", "write_bench"]


def page(run: Path) -> str:
    """A run's report as HTML. The same folder gives the same text; of an unfinished run it shows what there is.

    Args:
        run: the run folder.

    Raises:
        InputError: it is no run folder.
    """
    from twt_core.report.reading import Material
    from twt_core.report.rendering import render
    from twt_core.report.run_page import run_page

    return render(run_page(Material(run)))


def write(run: Path, out: Path | None = None) -> Path:
    """Write a run's report; returns the file, by default ``report.html`` in the run folder.

    Raises:
        InputError: it is no run folder.
        TwtError: the file cannot be written.
    """
    return _written(out or run / REPORT, page(run))


def write_bench(folder: Path, out: Path | None = None) -> Path:
    """Write a bench's report, which links to those of its runs; returns the file.

    Raises:
        InputError: there is no bench in the folder.
        TwtError: the file cannot be written.
    """
    from twt_core.report.bench_page import bench_page
    from twt_core.report.rendering import render

    target = out or folder / REPORT
    return _written(target, render(bench_page(folder, target.parent)))


def write_any(folder: Path, out: Path | None = None) -> Path:
    """Write the report of whatever the folder is of: a run, or a bench.

    Raises:
        InputError: it is neither.
        TwtError: the file cannot be written.
    """
    from twt_core.bench.result import RESULT

    return (write_bench if (folder / RESULT).is_file() else write)(folder, out)


def _written(target: Path, text: str) -> Path:
    from twt_core.run import write_whole

    write_whole(target, text)
    return target
