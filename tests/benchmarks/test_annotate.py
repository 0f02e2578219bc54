"""The table on what annotating costs a call. Nothing here depends on how long something takes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import annotate  # noqa: E402
import annotate_others  # noqa: E402
import annotate_parts  # noqa: E402
import annotate_sides  # noqa: E402
from annotate_server import TEXT, serving  # noqa: E402
from annotate_sides import BARE, FREE, TWT, Cell, Measured  # noqa: E402

PARTS = 15


@pytest.fixture(scope="module")
def url():
    with serving() as address:
        yield f"{address}/0/v1"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("benchmark")
    output = folder / "annotate.json"
    command = [
        sys.executable, str(BENCHMARKS / "annotate.py"), "--output", str(output), "--folder", str(folder),
        "--seconds", "0.001", "--repeats", "2", "--concurrency", "2", "--latencies", "0", "--part-queries", "8",
        "--scale", "8", "16", "--other", f"curator={folder}/nobody", "--other-concurrency", "2",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(output.read_text(encoding="utf-8")), done.stdout


def test_the_command_measures_all_and_writes_what_it_prints(whole):
    found, printed = whole
    assert set(found) == {
        "command", "machine", "versions", "settings", "seconds_so_far", "pairs", "scale", "shares", "others"
    }  # fmt: skip
    pairs = [annotate.Pair(**row) for row in found["pairs"]]
    assert [(pair.client, pair.side) for pair in pairs] == [
        ("aiohttp", TWT), ("aiohttp", FREE), ("litellm", TWT), ("litellm", FREE)
    ]  # fmt: skip
    assert all(len(pair.ratios) == 2 and pair.queries == 8 and pair.ratio > 0 for pair in pairs)
    scales = [annotate.Scale(**row) for row in found["scale"]]
    assert [row.queries for row in scales] == [8, 16]
    assert all(row.peak_megabytes > row.grown_megabytes for row in scales)
    shares = [annotate.Share(**row) for row in found["shares"]]
    assert len({row.part for row in shares}) == len(shares) == PARTS
    others = [annotate.Other(**row) for row in found["others"]]
    assert [row.tool for row in others] == ["curator", "twt, aiohttp", "bare, aiohttp", "twt, litellm", "bare, litellm"]
    assert "No such file" in others[0].note and others[0].per_second is None
    for row in [*pairs, *scales, *shares, *others]:
        assert annotate.line(row) in printed


@pytest.mark.parametrize("side", [BARE, TWT, FREE])
def test_each_side_gets_every_answer(url, tmp_path, side):
    found = annotate_sides.measure(Cell("aiohttp", side, 3, 20, url, str(tmp_path)))
    assert found.seconds > 0 and found.cpu_seconds > 0 and found.peak_megabytes > 10


def test_an_answer_that_went_missing_ends_the_benchmark(url, tmp_path, monkeypatch):
    monkeypatch.setattr(annotate_sides, "TEXT", TEXT + "!")
    with pytest.raises(SystemExit, match="6 answers, not all of them"):
        annotate_sides.measure(Cell("aiohttp", BARE, 3, 20, url, str(tmp_path)))


def test_prices_make_reservations_and_a_price_of_zero_none():
    queries = annotate_sides.made_queries(1)
    for side, reserved in ((TWT, True), (FREE, False)):
        teacher = annotate_sides.teacher(Cell("aiohttp", side, 1, 1, "http://127.0.0.1/v1", ""))
        [request] = annotate_parts.sampling.requests_for(queries.values(), [teacher], annotate_sides.task())
        assert (teacher.worst_case_usd(request) > 0) is reserved


def test_both_sides_ask_the_same():
    [chat] = annotate_sides.chats(annotate_sides.made_queries(1))
    assert [message["role"] for message in chat] == ["system", "user", "assistant", "user", "assistant", "user"]
    teacher = annotate_sides.teacher(Cell("aiohttp", TWT, 1, 1, "http://127.0.0.1/v1", ""))
    [request] = annotate_parts.bench(1, 1).requests
    assert [message._asdict() for message in request.messages] == chat
    assert teacher.options(request) == annotate_sides.OPTIONS


def test_a_pair_is_of_neighbours():
    def took(*seconds):
        return [Measured(s, s / 2, 1.0, 0.0) for s in seconds]

    pair = annotate._pair(Cell("aiohttp", BARE, 4, 100, "", ""), TWT, 0, took(1, 2, 4), took(2, 2, 5))
    assert pair.ratios == [0.5, 1.0, 0.8] and pair.ratio == 0.8
    assert pair.bare_per_second == 50 and pair.twt_per_second == 50
    assert pair.overhead_ms == pytest.approx(10)
    assert pair.bare_cpu_ms == pytest.approx(10) and pair.cpu_overhead_ms == pytest.approx(0)


def test_slower_servers_get_fewer_queries():
    assert annotate.count("aiohttp", 200, 4, 2.0) == 40
    assert annotate.count("aiohttp", 200, 1, 0.1) == annotate._LEAST_QUERIES
    assert annotate.count("litellm", 0, 256, 2.0) == 512


def test_a_folder_in_memory_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(annotate, "filesystem", lambda _: "tmpfs")
    monkeypatch.setattr(sys, "argv", ["annotate.py", "--folder", str(tmp_path)])
    with pytest.raises(SystemExit, match="lies in memory"):
        annotate.main()


def test_a_tool_that_is_not_installed_is_told(tmp_path):
    row = annotate_others.Other("distilabel", 0, 2, 1)
    told = annotate_others.ask_other(sys.executable, row, "http://127.0.0.1:9/v1", [[]], tmp_path)
    assert told.note == "failed: ModuleNotFoundError: No module named 'distilabel'"
