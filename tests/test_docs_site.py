"""The documentation site: it builds without a warning, and a browser fetches nothing of it from elsewhere."""

from __future__ import annotations

import functools
import http.server
import importlib.util
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
CHROMIUM = next((path for path in ("/usr/bin/chromium", "/usr/bin/chromium-browser") if Path(path).exists()), None)


@pytest.fixture(scope="session")
def site(tmp_path_factory) -> Path:
    """The site, built strictly: a warning is an error."""
    target = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(target)]
    quiet = {"NO_MKDOCS_2_WARNING": "true", "TWT_REPOSITORY": ""}
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **quiet}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stderr
    return target


@pytest.fixture(scope="module")
def hooks() -> ModuleType:
    spec = importlib.util.spec_from_file_location("site_hooks", DOCS / "site_hooks.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Fetched(HTMLParser):
    """What a page makes a browser fetch: scripts, styles, images, fonts. Links that a reader may follow are not."""

    def __init__(self) -> None:
        super().__init__()
        self.places: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "link" and "canonical" in (found.get("rel") or ""):
            return
        name = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src"}.get(tag)
        if name and (place := found.get(name)):
            self.places.append(place)


def test_every_page_is_built(site):
    pages = {path.relative_to(DOCS).with_suffix("").as_posix() for path in DOCS.rglob("*.md")}
    built = {path.parent.relative_to(site).as_posix() for path in site.rglob("index.html")}
    assert {page.removesuffix("/index") if page != "index" else "." for page in pages} <= built


def test_no_page_has_a_browser_fetch_from_elsewhere(site):
    outside = {}
    for page in site.rglob("*.html"):
        parser = Fetched()
        parser.feed(page.read_text(encoding="utf-8"))
        if far := [place for place in parser.places if place.startswith(("http:", "https:", "//"))]:
            outside[str(page.relative_to(site))] = far
    assert outside == {}


def test_every_block_of_code_is_one(site):
    fences = {page.relative_to(site).as_posix(): page.read_text("utf-8").count("```") for page in site.rglob("*.html")}
    assert {page: count for page, count in fences.items() if count} == {}
    configs = (site / "going-live" / "index.html").read_text(encoding="utf-8")
    written = (DOCS / "going-live.md").read_text(encoding="utf-8")
    assert configs.count('<span class="nt">budget_usd</span>') == written.count("```yaml full-config") > 5


def test_no_script_of_ours_and_no_python_file_is_on_the_site(site):
    assert list(site.rglob("*.py")) == []


def test_each_equation_is_mathml_and_its_code_is_beside_it(site):
    page = (site / "method" / "index.html").read_text(encoding="utf-8")
    written = (DOCS / "method.md").read_text(encoding="utf-8")
    assert page.count("<math ") == written.count("```math") >= 6
    assert page.count('<details class="mkdocstrings-source" open>') == len(re.findall("^::: ", written, re.MULTILINE))
    assert "least_similar_pairs" in page and "triu" in page


def test_the_reference_has_every_field_of_every_record(site):
    from twt_core import records

    page = (site / "api" / "records" / "index.html").read_text(encoding="utf-8")
    kinds = [one for one in vars(records).values() if isinstance(one, type) and issubclass(one, records.Record)]
    fields = {name for kind in kinds for name in kind.model_fields}
    assert len(fields) > 50
    assert sorted(name for name in fields if f">{name}</" not in page) == []
    assert "Each teacher's texts are a task of their own." in page  # a comment above a field


def test_a_link_to_code_is_text_or_leads_to_the_repository(hooks):
    page = "See [record.py](../examples/quickstart/record.py) and [Concepts](concepts.md#records)."
    own = {"concepts.md"}
    assert hooks.with_repository_links(page, Path(), "", own) == "See record.py and [Concepts](concepts.md#records)."
    led = hooks.with_repository_links(page, Path(), "https://example.org/twt/blob/main/", own)
    assert "[record.py](https://example.org/twt/blob/main/examples/quickstart/record.py)" in led
    deeper = hooks.with_repository_links("[ours](../make_catalogue.py#L1)", Path("api"), "https://example.org/twt", own)
    assert deeper == "[ours](https://example.org/twt/docs/make_catalogue.py#L1)"


def test_links_within_the_site_and_in_code_are_left_alone(hooks):
    own = {"api/records.md", "figures/quickstart.svg"}
    for text in (
        "[Records](api/records.md)",
        "[nowhere](no-such-file.md)",
        "[out](https://example.org)",
        "[here](#records)",
        "![figure](figures/quickstart.svg)",
        "```text\n[code](../pyproject.toml)\n```",
    ):
        assert hooks.with_repository_links(text, Path(), "https://example.org", own) == text


@pytest.fixture(scope="module")
def address(site) -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(site))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def test_a_browser_shows_it_without_a_complaint_and_searches_it(address):
    from playwright.sync_api import sync_playwright

    complaints: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for width, scheme in ((1400, "light"), (390, "dark")):
            page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
            page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.on("request", lambda asked: complaints.append(asked.url) if address not in asked.url else None)
            page.on("response", lambda got: complaints.append(f"{got.status} {got.url}") if got.status >= 400 else None)
            for place in ("", "method/", "catalogue/", "going-live/", "benchmarking/", "report/", "api/components/"):
                page.goto(address + place)
                assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
                dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
                assert (dark == "rgb(255, 255, 255)") == (scheme == "light"), dark
        page.set_viewport_size({"width": 1400, "height": 900})
        page.locator("input.md-search__input").click()
        page.locator("input.md-search__input").press_sequentially("similarity")
        page.locator(".md-search-result__item").first.wait_for()
        browser.close()
    assert complaints == []
