"""What `twt plugins check` prints."""

from __future__ import annotations

from collections import Counter

from rich.console import Console
from rich.text import Text

from twt_core import terminal
from twt_core.testing.checking import Checked, CheckedComponent
from twt_core.testing.checks import CheckResult


def print_checked(checked: Checked) -> None:
    """Each component's checks with their results; below, what does not hold and what was not tried."""
    console = terminal.console()
    for component in checked.components:
        _print_component(console, component)
    counted = Counter(_result(check) for component in checked.components for check in component.checks)
    console.print(Text(", ".join(f"{count} {result}" for result, count in counted.items())))


def _print_component(console: Console, component: CheckedComponent) -> None:
    console.print(Text(f"{component.kind} {component.name} ({component.distribution})\n", style="bold"))
    table = terminal.table("check", "result", "seconds", "meaning", right=("seconds",))
    for check in component.checks:
        table.add_row(check.name, _result(check), f"{check.seconds:.1f}", Text(check.says))
    console.print(table, soft_wrap=False)
    for check in component.checks:
        for reason in [*check.problems, *([check.not_tried] if check.not_tried else [])]:
            console.print(Text(f"\n{check.name}, {_result(check)}: {terminal.plain_lines(reason)}"))
    console.print()


def _result(check: CheckResult) -> str:
    return {True: "passed", False: "FAILED", None: "not tried"}[check.passed]
