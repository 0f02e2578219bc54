"""The viewer's server: what it answers, to whom, and what it refuses."""

from __future__ import annotations

import hashlib
import html
import os
import re
import shutil
import signal
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from running_viewer import Viewer, viewing

SECRET = "the secret beside the runs"
HOSTILE = (
    "<img src=x onerror=alert(1)>", "\"' onmouseover='alert(1)", "{{7*7}}{% raw %}", "a\nb", "a?b#c%2e%2e", "a\\b",
    "\u202eevil", "javascript:alert(1)", "-->", "x" * 200, "report.html",
)  # fmt: skip


def fingerprint(folder: Path) -> dict[str, str]:
    """Every file and link, with its content."""
    return {
        str(path.relative_to(folder)): str(path.readlink())
        if path.is_symlink()
        else hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


@pytest.fixture(scope="module")
def runs(finished, tmp_path_factory) -> Path:
    """Runs of all kinds, good and bad, and a secret beside them."""
    root = tmp_path_factory.mktemp("viewed")
    (root / "secret.txt").write_text(SECRET)
    runs = root / "runs"
    shutil.copytree(finished.runs, runs)
    for name in HOSTILE:
        (runs / name).mkdir()
        (runs / name / "config.json").write_text(f"{{{name}")
    (runs / "bad-progress").mkdir()
    (runs / "bad-progress" / "progress.json").write_text("[" * 100_000)
    (runs / "bad-steps").mkdir()
    shutil.copy(runs / "tiny" / "config.json", runs / "bad-steps")
    (runs / "bad-steps" / "01-annotations").mkdir()
    (runs / "bad-steps" / "01-annotations" / "manifest.json").write_text("{}")
    (runs / "bad-steps" / "2x-nothing").mkdir()
    (runs / "bad-steps" / "sampling.json").write_text("{")
    (runs / "bad-steps" / "summary.json").mkdir()
    os.mkdir(os.fsencode(runs) + b"/no-text-\xff")  # noqa: PTH102  # a name that is no text
    (runs / "linked").symlink_to(root)
    shutil.copytree(runs / "tiny", runs / "spy")
    (runs / "spy" / "report.html").unlink()
    (runs / "spy" / "report.html").symlink_to(root / "secret.txt")
    return runs


@pytest.fixture(scope="module")
def viewer(runs) -> Iterator[Viewer]:
    """It serves them, and changes nothing."""
    before = fingerprint(runs)
    with viewing(runs) as running:
        yield running
        assert fingerprint(runs) == before


def test_the_index_lists_what_there_is(viewer):
    reply = viewer.ask("/")
    assert reply.status == 200
    for name in (*HOSTILE, "tiny", "bad-progress", "bad-steps", "linked"):
        assert f'href="/runs/{quote(name, safe="")}/"' in reply.text
    assert reply.text.count('class="badge damaged"') >= len(HOSTILE) + 1
    assert "<img" not in reply.text and "onmouseover='" not in reply.text
    assert "\u202e" not in reply.text  # it would turn around what stands after it
    assert html.escape("{{7*7}}") in reply.text


@pytest.mark.parametrize("name", [*HOSTILE, "tiny", "bad-progress", "bad-steps", "linked", "spy"])
def test_every_entry_has_a_page(viewer, name):
    reply = viewer.ask(f"/runs/{quote(name, safe='')}/")
    assert reply.status == 200
    assert "Traceback" not in reply.text
    assert SECRET not in reply.text


@pytest.mark.parametrize(
    "path",
    [
        "/runs/../secret.txt", "/runs/../secret.txt/", "/runs/%2e%2e/secret.txt", "/runs/..%2fsecret.txt/",
        "/runs/%2e%2e%2fsecret.txt/report.html", "/runs/tiny/../../secret.txt", "/runs/tiny/..%2f..%2fsecret.txt/",
        "/runs/..%252fsecret.txt/", "/runs/..%5csecret.txt/", "/runs/tiny%00/", "/runs/%ff/", "/runs/no-text-%FF/",
        "/runs/.models/", "/runs/./", "/runs//", "/runs/ledger.sqlite/", "/runs/tiny/summary.json", "/runs/tiny",
        "/runs/linked/secret.txt", "/runs//etc/passwd/report.html", "//etc/passwd", "/etc/passwd", "/secret.txt",
        "/static/../server.py", "/static/..%2fserver.py", "/static/%2e%2e%2fserver.py", "/static/", "/static/x",
        "/runs/nobody/", "/runs/nobody/report.html", "/runs/" + "x" * 5000 + "/", "/favicon.ico",
    ],
)  # fmt: skip
def test_nothing_but_entries_has_an_address(viewer, path):
    reply = viewer.ask(path)
    assert reply.status == 404
    assert SECRET not in reply.text and "root:" not in reply.text


@pytest.mark.parametrize("name", ["bad-progress", "bad-steps", HOSTILE[0], "a\nb"])
def test_the_report_of_what_is_damaged_is_an_answer(viewer, name):
    reply = viewer.ask(f"/runs/{quote(name, safe='')}/report.html")
    assert reply.status in {200, 404, 500}
    assert "Traceback" not in reply.text
    assert "<img src=x" not in reply.text


@pytest.mark.parametrize("name", ["linked", "spy"])
def test_links_out_of_the_folder_are_refused(viewer, name):
    reply = viewer.ask(f"/runs/{name}/report.html")
    assert reply.status == 404
    assert SECRET not in reply.text
    assert "not followed" in reply.text


@pytest.mark.parametrize(
    "raw",
    [
        b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01",
        b"\r\n" * 1000,
    ],
    ids=["path", "header", "two-hosts", "nul", "tls", "empty"],
)
def test_what_is_no_request_is_no_end(viewer, raw):
    answer = viewer.send(raw)
    assert SECRET.encode() not in answer and b"Traceback" not in answer
    assert not answer.startswith(b"HTTP/1.1 200")
    assert viewer.ask("/").status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"])
@pytest.mark.parametrize("path", ["/", "/runs/tiny/", "/nowhere"])
def test_it_is_only_for_reading(viewer, method, path):
    reply = viewer.ask(path, method)
    assert reply.status == 405
    assert reply.headers["Allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example",
        "127.0.0.1@evil.example",
        "evil.example:8642",
        "localhost.evil.example:80",
        "[::1]:8642",
        "127.0.0.1:80:90",
        "127.0.0.1:x",
        "127.0.0.2",
        "0.0.0.0",
        "",
    ],
)
def test_other_names_of_this_machine_are_refused(viewer, host):
    """A page of another site whose name leads here (DNS rebinding) could read all runs otherwise."""
    for path in ("/", "/runs/tiny/", "/runs/tiny/report.html", "/static/view.js"):
        reply = viewer.ask(path, Host=host)
        assert reply.status == 403
        assert "tiny" not in reply.text


def test_other_sites_pages_load_nothing_from_it(viewer):
    """Or they could keep it busy; a link to it is another thing."""
    for path in ("/", "/runs/tiny/report.html"):
        assert viewer.ask(path, Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="no-cors").status == 403
        assert viewer.ask(path, Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate").status == 200
        assert viewer.ask(path, Sec_Fetch_Site="same-origin", Sec_Fetch_Mode="cors").status == 200


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "localhost:9000", "127.0.0.1:1"])
def test_its_own_names_are_taken(viewer, host):
    """At any port: what `ssh -L` brings here has the port of the other end."""
    assert viewer.ask("/", Host=host).status == 200


@pytest.mark.parametrize("path", ["/", "/runs/tiny/", "/runs/tiny/report.html", "/static/view.js", "/nowhere"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_every_answer_has_the_headers(viewer, path, method):
    reply = viewer.ask(path, method, Origin="http://evil.example")
    policy = reply.headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy and "base-uri 'none'" in policy and "form-action 'none'" in policy
    if path.endswith("report.html") and method != "POST":
        assert "sandbox allow-scripts" in policy and "allow-same-origin" not in policy
        assert "connect-src 'none'" in policy
    else:
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert reply.headers["Referrer-Policy"] == "no-referrer"
    assert reply.headers["Cache-Control"] == "no-store"
    assert reply.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert not any(name.lower().startswith("access-control-") for name in reply.headers)
    assert "Python" not in reply.headers["Server"]
    if method == "HEAD":
        assert reply.text == ""


def test_a_page_that_is_known_is_not_sent_again(viewer):
    first = viewer.ask("/runs/tiny/")
    again = viewer.ask("/runs/tiny/", If_None_Match=first.headers["ETag"])
    assert (again.status, again.text) == (304, "")
    assert viewer.ask("/", If_None_Match=first.headers["ETag"]).status == 200


def test_it_is_on_loopback_alone(viewer):
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.2", viewer.port), timeout=5)


def test_the_page_of_a_finished_run(viewer, finished):
    text = re.sub(r"\s+", " ", viewer.ask("/runs/tiny/").text)
    for stage in finished.summary.stages:
        assert f'<th scope="row">{stage.name}' in text
    assert html.escape(finished.summary.recommended_because) in text
    assert 'href="report.html"' in text


def test_the_report_on_disk_is_the_one_that_is_served(viewer, runs):
    assert viewer.ask("/runs/tiny/report.html").text == (runs / "tiny" / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_cleanly_and_sees_what_appears_meanwhile(tmp_path, by, finished):
    with viewing(tmp_path) as viewer:
        assert "No run yet" in viewer.ask("/").text
        shutil.copytree(finished.folder, tmp_path / "later")
        assert "later" in viewer.ask("/").text
        assert viewer.end(by) == (0, "ended\n")


def test_it_opens_the_browser(tmp_path):
    script, noted = tmp_path / "browser", tmp_path / "noted"
    script.write_text(f'#!/bin/sh\nprintf %s "$1" > {noted}.part && mv {noted}.part {noted}\n')
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    with viewing(tmp_path, "--open", BROWSER=f"{script} %s") as viewer:
        for _ in range(1200):
            if noted.exists():
                break
            viewer.ask("/")
        assert noted.read_text() == f"{viewer.url}/"


def test_what_cannot_be_served_is_said(twt, tmp_path, finished):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = twt("view", tmp_path, "--port", port)
    assert (said.code, f"port {port} is taken. Give another --port, or 0" in said.err) == (2, True)
    said = twt("view", tmp_path / "nowhere")
    assert (said.code, "no such folder" in said.err) == (2, True)
    said = twt("view", finished.folder)
    assert (said.code, f"twt view {finished.runs}" in said.err) == (2, True)
