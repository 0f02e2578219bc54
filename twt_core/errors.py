"""What can go wrong, by who has to act: each error carries the exit code that `twt` ends with."""

from __future__ import annotations


class TwtError(Exception):
    """The work failed. The message says where, what, and the way out."""

    exit_code = 1


class InputError(TwtError):
    """Something the user wrote is wrong; nothing was paid for."""

    exit_code = 2


class BudgetExceeded(TwtError):
    """The next teacher call could pass `budget_usd`."""

    exit_code = 3


class PluginError(TwtError):
    """A plugin broke the contract: it raised, ended the process, or returned what its kind does not."""


class TeacherError(TwtError):
    """One teacher call failed. The row is counted as failed, with this as its cause; the run goes on.

    Args:
        message: what happened, without secrets.
        permanent: asking again would give the same (a missing recording); else the next `twt run` asks again.
        maybe_billed: no reply came, so nobody knows whether it was billed; its reservation stays counted.
    """

    def __init__(self, message: str, *, permanent: bool = False, maybe_billed: bool = False) -> None:
        super().__init__(message)
        self.permanent = permanent
        self.maybe_billed = maybe_billed
