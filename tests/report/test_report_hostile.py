"""Reports of runs whose every text is hostile, in a real Chromium: nothing runs or loads, all is shown as text."""

from __future__ import annotations

import re
from pathlib import Path

import made_run
import pytest
from playwright.sync_api import Page
from test_report_page import data_of
from watched import Watched

from twt_core import report
from twt_core.report.texts import visible

#: Each would set `window.hacked`, open a dialog, load something, end an element, or disfigure what stands beside it.
CORPUS = [
    "<script>window.hacked=1;alert(1)</script>",
    "</script><script>window.hacked=1;alert(1)</script>",
    "<!--<script>window.hacked=1</script>",
    "--><img src=x onerror=window.hacked=1>",
    "<!--<script>",
    "</title></style></textarea></noscript></select><img src=x onerror=window.hacked=1>",
    '"><img src=x onerror=window.hacked=1>',
    "'><svg/onload=window.hacked=1>",
    '" autofocus onfocus="window.hacked=1',
    "<a href='javascript:window.hacked=1'>x</a> javascript:window.hacked=1",
    "<iframe srcdoc='<script>parent.hacked=1</script>'></iframe>",
    "<style>*{display:none}</style><link rel=stylesheet href=//no.invalid>",
    '<meta http-equiv="refresh" content="0;url=//no.invalid"><base href="//no.invalid">',
    "<object data=//no.invalid></object><embed src=//no.invalid><video src=//no.invalid>",
    "<form action=//no.invalid><input name=search></form>",
    "&lt;script&gt;window.hacked=1&lt;/script&gt; &amp;amp; &#x3c;",
    "{{ 7*7 }} {% raw %} {{ self.__init__.__globals__ }} ${window.hacked=1} #{7*7}",
    '\\u003cscript\\u003e \\x3c \\\\ \\" \\n',
    "]]> <![CDATA[ <?xml?> <!DOCTYPE html>",
    "line\u2028separator\u2029paragraph\x85next\rreturn\r\nboth",
    "\u202egnp.exe\u202c \u2066isolated \u200fmark",
    "\x00nul \x1b[31mred\x1b[0m \x07bell \x7f \x9b31m",
    "\ufffe\uffff \ufeffmark of order",
    "$x^2$ \\frac{1}{2} $$",
    "__proto__",
    "constructor",
    "toString",
    "名前 שם 😀 Z̷̡̛͝a̸l̶g̵o̴" + "\u0301" * 200,
    "x" * 400,
    "<b>" * 5000,
    "<script>window.hacked=1</script>" * 40_000,
]
#: Attributes that run something, anywhere.
_RUNNING = "(all) => all.filter((one) => one.getAttributeNames().some((name) => name.startsWith('on'))).length"
_SCRIPTS = "script:not([type='application/json'])"


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    name = "<img src=x onerror=window.hacked=1>{{7*7}}\u202e'\""
    return report.write(made_run.make(tmp_path_factory.mktemp("runs") / name, CORPUS))


def test_nothing_runs_and_nothing_loads(page: Page, file: Path):
    watched = Watched(page)
    page.goto(file.as_uri())
    page.wait_for_selector("[data-kind=questions] .row")
    for _ in range(3):
        page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        page.wait_for_timeout(200)
        for later in page.locator(".later:enabled").all():
            later.click()
    for text in CORPUS[:12]:
        page.fill("[data-kind=queries] input[type=search]", text)
    assert watched.said == []
    assert watched.asked_for == [page.url]
    assert page.evaluate("window.hacked") is None
    assert page.locator(_SCRIPTS).count() == 1
    assert page.locator("body *").evaluate_all(_RUNNING) == 0
    assert page.locator("img:not(figure img), iframe, object, embed, video, base, link, svg").count() == 0
    assert page.locator("a:not([href^='#'])").count() == 0
    assert page.title() == f"{visible(file.parent.name)} - TwT"


def test_every_text_is_shown_as_it_is(page: Page, file: Path):
    page.goto(file.as_uri())
    page.wait_for_selector("[data-kind=questions] .row")
    for kind in ("queries", "questions"):
        for number, text in enumerate(CORPUS):
            if number and number % 20 == 0:
                page.locator(f"[data-kind={kind}] .later").click()
            row = page.locator(f"[data-kind={kind}] .row").nth(number % 20)
            row.locator("summary").first.click()
            shown = row.locator(".question").evaluate("(one) => one.textContent")
            start = visible(text[:20_000])
            assert shown.startswith(start) if len(text) > 20_000 else shown == start
            said = row.locator(".inside").evaluate("(one) => one.textContent")
            assert said.count(start) >= 4, text[:80]  # the question, the answer, and what was said of it


def test_the_data_of_the_lists_is_the_texts(file: Path):
    text = file.read_text(encoding="utf-8")
    queries, questions = data_of(text)
    assert [row[1] for row in queries["rows"]][: len(CORPUS) - 1] == [visible(text) for text in CORPUS[:-1]]
    for data in re.findall(r'<script type="application/json">(.*?)</script>', text, re.DOTALL):
        assert not re.search("[<>&\u2028\u2029]", data)
    assert len(questions["rows"]) == len(CORPUS)
    assert len(text) < 20_000_000
