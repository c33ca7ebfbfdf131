"""The output of pytest for a cell's test that did not pass: the promise and the account, not the test's source."""

from __future__ import annotations

from inspect import cleandoc

_COMPARED = "\nassert "  # pytest's own explanation of the comparison follows: the account has all of it
_NOT_APPLICABLE = "\n    promise   "  # the account's line of a promise that this topology breaks by itself


def format_failure(promise: str | None, message: str) -> str:
    r"""Return the promise of the test (its docstring), then the account, as pytest prints it.

    >>> format_failure("It answers.", "timeout where ok was expected\n  asked 3 x tcp\nassert <Result.FAIL> is 1")
    'It answers.\nE   timeout where ok was expected\nE     asked 3 x tcp'
    """
    account = message.partition(_COMPARED)[0]
    kept = "" if _NOT_APPLICABLE in account else cleandoc(promise or "")
    return "\n".join([*kept.splitlines(), *(f"E   {line}" for line in account.splitlines())])
