"""What can go wrong, by who has to act: each error carries the exit code that `twt` ends with."""

from __future__ import annotations

from typing import Literal


class TwtError(Exception):
    """The work failed. The message says where, what, and the way out."""

    exit_code = 1


class InputError(TwtError):
    """Something the user wrote is wrong; nothing was paid for."""

    exit_code = 2


class BudgetExceeded(TwtError):
    """The next teacher call could pass `budget_usd`."""

    exit_code = 3


class BatchPending(TwtError):
    """Batches are under way at a provider; the same command, given later, collects them."""

    exit_code = 4


class PluginError(TwtError):
    """A plugin broke the contract: it raised, ended the process, or returned what its kind does not."""


class PluginWarning(FutureWarning):
    """A plugin that works now, and will not after an upgrade: it was built for an older contract."""


class TeacherError(TwtError):
    """One teacher call failed. Once no try is left the row counts as failed, with this as its cause; the run goes on.

    Args:
        message: what happened, without secrets.
        retry: whether asking again may help. ``now``: the fault may pass (a server's error, a rate limit), so the
            engine tries again within this run. ``later``: not before somebody acts (a refused key, a spent quota); the
            next `twt run` asks again. ``never``: the same request would fail the same way (a missing recording).
        maybe_billed: nobody knows whether it was billed (no reply came); its reservation stays counted.
        retry_after: seconds that the server asks to wait before the next try.
    """

    def __init__(
        self,
        message: str,
        *,
        retry: Literal["now", "later", "never"] = "now",
        maybe_billed: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.retry = retry
        self.maybe_billed = maybe_billed
        self.retry_after = retry_after
