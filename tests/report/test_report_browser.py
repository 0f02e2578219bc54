"""A report in a real Chromium: it opens without a word of complaint, its lists work, everybody can read it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import made_run
import pytest
from playwright.sync_api import Page
from watched import Watched

from twt_core import report

QUERIES, QUESTIONS = "[data-kind=queries]", "[data-kind=questions]"

#: Every text that is seen with a contrast below 4.5 (WCAG 2.2, 1.4.3), against the colours behind it.
_CONTRAST = """
() => {
  const light = (c) => { c /= 255; return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
  const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => 0.2126 * light(r) + 0.7152 * light(g) + 0.0722 * light(b);
  const behind = (at) => {
    for (; at; at = at.parentElement) {
      const found = parts(getComputedStyle(at).backgroundColor);
      if (found.length < 4 || found[3] > 0) return found;
    }
    return [255, 255, 255];
  };
  const SKIPPED = "script, noscript, button:disabled";
  const low = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const on = walk.currentNode.parentElement;
    if (!walk.currentNode.data.trim() || !on.checkVisibility() || on.closest(SKIPPED)) continue;
    const [one, other] = [luminance(parts(getComputedStyle(on).color)), luminance(behind(on))].sort((a, b) => b - a);
    const contrast = (one + 0.05) / (other + 0.05);
    const said = walk.currentNode.data.slice(0, 40);
    if (contrast < 4.5) low.push(`${on.tagName}.${on.className} ${contrast.toFixed(2)} ${said}`);
  }
  return low;
}
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return report.write(made_run.make(tmp_path_factory.mktemp("runs") / "made"))


@pytest.fixture
def opened(page: Page, file: Path) -> Iterator[Page]:
    watched = Watched(page)
    page.goto(file.as_uri())
    page.wait_for_selector(f"{QUESTIONS} .row")
    yield page
    assert watched.said == [] and watched.asked_for == [file.as_uri()]


def shown(page: Page, which: str) -> list[str]:
    """The identifiers of the rows on the page."""
    return page.locator(f"{which} .row .id").all_inner_texts()


def status(page: Page, which: str) -> str:
    return page.inner_text(f"{which} .status")


def choose(page: Page, which: str, **values: str) -> None:
    for name, label in values.items():
        page.select_option(f"{which} select[name={name}]", label=label)


def test_lists_are_paged(opened):
    assert status(opened, QUERIES) == "45 queries"
    assert shown(opened, QUERIES) == [f"q{n}" for n in range(20)]
    later, earlier = (opened.locator(f"{QUERIES} .{name}") for name in ("later", "earlier"))
    assert earlier.is_disabled()
    later.click()
    later.click()
    assert shown(opened, QUERIES) == [f"q{n}" for n in range(40, 45)]
    assert opened.inner_text(f"{QUERIES} .place") == "page 3 of 3"
    assert later.is_disabled()
    earlier.click()
    assert shown(opened, QUERIES)[0] == "q20"


def test_search_and_filters_of_queries(opened):
    field = f"{QUERIES} input[type=search]"
    opened.fill(field, "BEN ADDS 13 ")
    assert shown(opened, QUERIES) == ["q13"]
    opened.fill(field, "no such words")
    assert status(opened, QUERIES) == "0 of 45 queries" and shown(opened, QUERIES) == []
    opened.click(f"{QUERIES} button[type=reset]")
    assert status(opened, QUERIES) == "45 queries"
    choose(opened, QUERIES, teacher="cai", outcome="failed: no label")
    assert shown(opened, QUERIES) == [f"q{n}" for n in range(0, 45, 7)]
    choose(opened, QUERIES, outcome="rejected: confidence below 0.6")
    assert status(opened, QUERIES) == "38 of 45 queries"
    choose(opened, QUERIES, teacher="ann")
    assert status(opened, QUERIES) == "0 of 45 queries"  # of one annotation, not of any two
    choose(opened, QUERIES, teacher="ben", outcome="selected", label="wrong")
    assert status(opened, QUERIES) == "22 of 45 queries"
    choose(opened, QUERIES, compression="original kept")
    assert status(opened, QUERIES) == "0 of 45 queries"
    choose(opened, QUERIES, teacher="any", label="any", outcome="any", compression="any", teachers="teachers agree")
    assert status(opened, QUERIES) == "0 of 45 queries"
    choose(opened, QUERIES, teachers="teachers disagree")
    assert status(opened, QUERIES) == "45 queries"


def test_transitions_of_test_questions(opened):
    choose(opened, QUESTIONS, **{"from": "untouched", "was": "wrong", "to": "full", "becomes": "right"})
    assert shown(opened, QUESTIONS) == [f"t{n}" for n in range(24) if n % 4 and n % 3 == 0]
    choose(opened, QUESTIONS, **{"from": "full", "was": "right", "to": "compressed", "becomes": "wrong"})
    assert shown(opened, QUESTIONS) == ["t3", "t9", "t15", "t21"]


def test_a_query_opens_with_all_there_is_of_it(opened):
    opened.locator(f"{QUERIES} .row > summary").nth(1).click()
    row = opened.locator(f"{QUERIES} .row").nth(1)
    said = row.locator(".inside").inner_text()
    assert "Right answer: 2. Id q1." in said
    assert "Selected: ann and ben; cosine similarity not known, 80 % of their words in common." in said
    assert "label “2” ✓ right; selected, confidence 0.9, logic 0.5" in said
    assert "In stage compressed (original kept: not shorter)\n\nUnchanged." in said
    assert row.locator("del").all_inner_texts() == [" It is seen at once."]
    row.locator("summary", has_text="What the student wrote before stage compressed").click()
    assert "Own words: What is 1 plus 1?" in row.inner_text()
    opened.locator(f"{QUESTIONS} .row > summary").first.click()
    answers = opened.locator(f"{QUESTIONS} .row").first.locator("article").all_inner_texts()
    assert [line for line in answers[0].splitlines() if line] == [
        "untouched",
        "label “8” ✓ right; 40 tokens",
        "untouched says: a number",
    ]
    assert [answer.splitlines()[0] for answer in answers] == [*made_run.STAGES]


def test_the_keyboard_is_enough(opened):
    opened.locator(f"{QUERIES} input[type=search]").focus()
    opened.keyboard.type("q13")
    for _ in range(7):  # five filters, the button, the row
        opened.keyboard.press("Tab")
    opened.keyboard.press("Enter")
    assert "ben adds 13 and 13." in opened.inner_text(f"{QUERIES} .inside")
    assert opened.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_it_is_read_in_the_dark_and_on_a_phone(opened, scheme, width):
    opened.set_viewport_size({"width": width, "height": 800})
    opened.emulate_media(color_scheme=scheme)
    for which in (QUERIES, QUESTIONS):
        opened.locator(f"{which} .row > summary").nth(1).click()
    opened.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert opened.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert opened.evaluate(_CONTRAST) == []
    ground = opened.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(21, 24, 27)")
    images = opened.locator("figure img")
    for image in images.all():
        image.scroll_into_view_if_needed()
        assert image.evaluate("(one) => one.decode().then(() => one.naturalWidth)") > 300
        assert image.get_attribute("alt")
    sources = images.evaluate_all("(all) => all.map((one) => one.currentSrc === one.src)")
    assert sources == [scheme == "light"] * len(sources) and sources


def test_on_paper_it_is_light_and_has_the_numbers(opened):
    opened.emulate_media(media="print", color_scheme="dark")
    assert opened.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not opened.locator(f"{QUERIES} form").is_visible()
    assert opened.locator("figure img").first.evaluate("(one) => one.currentSrc === one.src")


def test_headings_are_in_order_and_links_lead_somewhere(opened):
    levels = opened.locator("h1, h2, h3").evaluate_all("(all) => all.map((one) => Number(one.tagName[1]))")
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(later <= earlier + 1 for earlier, later in pairwise(levels))
    for link in opened.locator("header nav a").all():
        assert opened.locator(str(link.get_attribute("href"))).count() == 1
    unnamed = "(all) => all.filter((one) => !one.labels.length && !one.textContent.trim()).length"
    assert opened.locator("input, select, button").evaluate_all(unnamed) == 0


def test_nothing_else_may_run_or_load(opened):
    policy = opened.get_attribute("meta[http-equiv=Content-Security-Policy]", "content")
    assert "default-src 'none'" in policy and "unsafe" not in policy
    assert opened.locator("[style], [onclick], [onload], [onerror], iframe, object, embed, base, link").count() == 0


def test_the_watch_notices(page, tmp_path):
    """What the other tests rely on: a script, a style, a request that the policy refuses are all told."""
    policy = "default-src 'none'"
    text = f'<meta http-equiv="Content-Security-Policy" content="{policy}"><script>1</script><img src="http://no.invalid/x">'
    (tmp_path / "page.html").write_text(text)
    watched = Watched(page)
    page.goto((tmp_path / "page.html").as_uri())
    page.wait_for_timeout(300)
    assert len(watched.said) >= 2
