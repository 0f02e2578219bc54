"""What all tests share: one thread, no network, no keys; a tiny model, a tiny project, one finished run of it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

# Read when torch and the hub's client are first imported, by this process and those it starts.
os.environ.update(
    OMP_NUM_THREADS="1",
    OMP_WAIT_POLICY="PASSIVE",
    HF_HUB_OFFLINE="1",
    TOKENIZERS_PARALLELISM="false",
    LITELLM_LOCAL_MODEL_COST_MAP="True",
    LITELLM_MODE="PRODUCTION",
)
for _name in [name for name in os.environ if name.endswith("_API_KEY")]:
    del os.environ[_name]

import browser  # noqa: E402
import project  # noqa: E402
import pytest  # noqa: E402
import tiny_model  # noqa: E402
from scripted_server import ScriptedServer  # noqa: E402

from twt_core import cli, plugins, session  # noqa: E402
from twt_core.progress import Progress  # noqa: E402
from twt_core.summary import Summary  # noqa: E402

if TYPE_CHECKING:
    from playwright.sync_api import Page


class Finished(NamedTuple):
    """A run that came to its end."""

    config: Path
    runs: Path
    folder: Path
    summary: Summary


class Said(NamedTuple):
    """How a command line ended and what it printed."""

    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random-weight model with a chat template."""
    return tiny_model.build(tmp_path_factory.mktemp("model"), project.texts())


@pytest.fixture(scope="session")
def embedder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random-weight sentence embedder."""
    return tiny_model.build_embedder(tmp_path_factory.mktemp("embedder"), project.texts())


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, model: Path) -> Finished:
    """The tiny project and one uninterrupted run of it. Do not change it: `again` is a copy to work on."""
    folder = tmp_path_factory.mktemp("project")
    config = project.make(folder, model)
    summary = session.run(config, (), folder / "runs", None, Progress(quiet=True))
    return Finished(config, folder / "runs", folder / "runs" / "tiny", summary)


@pytest.fixture
def again(finished: Finished, tmp_path: Path) -> Finished:
    """The finished run, copied."""
    shutil.copytree(finished.config.parent, tmp_path / "project")
    root = tmp_path / "project"
    return Finished(root / "run.yaml", root / "runs", root / "runs" / "tiny", finished.summary)


@pytest.fixture
def fresh(tmp_path: Path, model: Path) -> Path:
    """The config of a project that was not run."""
    return project.make(tmp_path, model)


@pytest.fixture
def twt(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Callable[..., Said]]:
    """The command line, in this process."""
    before = signal.getsignal(signal.SIGTERM)

    def call(*arguments: object) -> Said:
        monkeypatch.setattr(sys, "argv", ["twt", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return Said(int(ended.value.code or 0), *capfd.readouterr())

    yield call
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    """An OpenAI-compatible server on loopback."""
    with ScriptedServer() as running:
        yield running


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running Chromium."""
    with browser.chromium(tmp_path_factory.mktemp("chromium")) as address:
        yield address


@pytest.fixture
def page(chromium: str) -> Iterator[Page]:
    """An empty page in a real browser, with nothing kept from another test. See tests/browser.py."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.connect_over_cdp(chromium)
        context = running.new_context()
        context.set_default_timeout(30_000)
        yield context.new_page()
        context.close()


@pytest.fixture
def fresh_registry() -> Iterator[None]:
    """Plugins are looked for anew, in the test and after it."""
    plugins.registry.cache_clear()
    yield
    plugins.registry.cache_clear()


@pytest.fixture(scope="session")
def example_plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The third-party package of tests/example_plugin, installed into a folder of its own."""
    root = tmp_path_factory.mktemp("site")
    source = shutil.copytree(Path(__file__).parent / "example_plugin", root / "source")
    subprocess.run(
        [
            sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--no-index",
            "--disable-pip-version-check", "--target", str(root / "packages"), str(source),
        ],
        check=True,
    )  # fmt: skip
    return root / "packages"
