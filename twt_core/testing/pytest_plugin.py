"""For pytest: the fixture `twt_check`, and `--twt-plugin NAME`, which makes a test of every check of what is installed.

It is loaded wherever pytest runs beside TwT, so it imports nothing of it until it is used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from _pytest._code.code import TerminalRepr

    from twt_core.testing.checking import Made
    from twt_core.testing.checks import Check


def pytest_addoption(parser: pytest.Parser) -> None:
    """See pytest's hooks."""
    group = parser.getgroup("twt", "TwT's conformance kit")
    group.addoption(
        "--twt-plugin",
        action="append",
        default=[],
        metavar="NAME",
        help="Also test what is installed under NAME: a component, KIND/NAME, or a distribution with all of its "
        "components. Repeatable.",
    )
    group.addoption(
        "--twt-set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="An option of the components of --twt-plugin that have it, as a config would give it. Repeatable.",
    )


@pytest.fixture
def twt_check() -> Callable[..., None]:
    """Tries a component of any kind: `twt_check(component)`, with the keyword arguments of its kind's check."""
    from twt_core.testing import check_component

    return check_component


@pytest.hookimpl(tryfirst=True)  # so that -k chooses among these items, too
def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """See pytest's hooks.

    Raises:
        pytest.UsageError: nothing is installed under a name, or an option is unknown, wrong or missing.
    """
    names: list[str] = config.getoption("--twt-plugin")
    if not names:
        if config.getoption("--twt-set"):
            raise pytest.UsageError("--twt-set is for the components of --twt-plugin NAME, and none is named")
        return
    from twt_core.errors import InputError
    from twt_core.testing.checking import made_of

    try:
        found = made_of(names, None, config.getoption("--twt-set"))
    except InputError as error:
        raise pytest.UsageError(str(error).replace("--set", "--twt-set")) from None
    for made in found:
        items.extend(_items(session, made))


def _items(session: pytest.Session, made: Made) -> list[pytest.Item]:
    """The items of a component, collected as a file's are, so that they are counted."""
    name = f"twt::{made.entry.kind}/{made.entry.name}"
    of: Conformance = Conformance.from_parent(session, name=name, nodeid=name)
    of.made = made
    report = of.ihook.pytest_make_collect_report(collector=of)
    of.ihook.pytest_collectreport(report=report)
    return [item for item in report.result if isinstance(item, pytest.Item)]


class Conformance(pytest.Collector):
    """A component."""

    made: Made

    def collect(self) -> Iterator[pytest.Item]:
        """An item for each of its checks."""
        for check in self.made.checks():
            item: ConformanceItem = ConformanceItem.from_parent(self, name=check.name)
            item.made, item.check = self.made, check
            yield item


class ConformanceItem(pytest.Item):
    """A check of a component."""

    made: Made
    check: Check

    def runtest(self) -> None:
        """Try the check.

        Raises:
            Nonconformity: it found something.
        """
        from twt_core.testing.checks import try_check
        from twt_core.testing.findings import Nonconformity

        result = try_check(self.made.component, self.check)
        if result.problems:
            raise Nonconformity("\n  ".join([f"{self.check.says} It does not hold:", *result.problems]))
        if result.not_tried is not None:
            pytest.skip(f"not tried: {result.not_tried}")

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException]) -> str | TerminalRepr:  # type: ignore[override]
        """What was found, without the kit's own traceback."""
        from twt_core.testing.findings import Nonconformity

        return str(excinfo.value) if isinstance(excinfo.value, Nonconformity) else super().repr_failure(excinfo)

    def reportinfo(self) -> tuple[str, None, str]:
        """How it is shown."""
        return self.made.entry.distribution, None, f"{self.made.entry.kind}/{self.made.entry.name} {self.check.name}"
