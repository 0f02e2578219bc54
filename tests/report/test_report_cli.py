"""`twt report` and `twt view`."""

from __future__ import annotations

import webbrowser

import made_run
from test_report_bench import result, write

from twt_core import report, view


def test_report_writes_the_page_and_names_the_file(twt, tmp_path):
    run = made_run.make(tmp_path / "run", queries=2)
    said = twt("report", run)
    assert (said.code, said.out.strip()) == (0, str(run / "report.html"))
    assert (run / "report.html").read_text(encoding="utf-8") == report.page(run)


def test_report_writes_elsewhere_and_opens(twt, tmp_path, monkeypatch):
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    run, out = made_run.make(tmp_path / "run", queries=2), tmp_path / "there.html"
    assert twt("report", run, "--out", out, "--open").code == 0
    assert opened == [out.as_uri()] and out.is_file() and not (run / "report.html").exists()


def test_report_knows_a_bench(twt, tmp_path):
    write(tmp_path / "bench", result("random", "cosine"))
    assert twt("report", tmp_path / "bench", "--out", tmp_path / "bench.html").code == 0
    assert "Report of a bench" in (tmp_path / "bench.html").read_text(encoding="utf-8")


def test_report_of_nothing_is_bad_input(twt, tmp_path):
    said = twt("report", tmp_path / "none")
    assert said.code == 2 and "no run folder" in said.err


def test_view_serves_the_folder(twt, tmp_path, monkeypatch):
    served: list[object] = []
    monkeypatch.setattr(view, "serve", lambda *given: served.extend(given))
    assert twt("view", tmp_path, "--port", 9000, "--open").code == 0
    assert served == [tmp_path, 9000, True]
