"""A cell's test that did not pass, as pytest tells it: the promise and the account, not the source of a short test."""

from __future__ import annotations

from inspect import cleandoc

_COMPARED = "\nassert "  # pytest's own explanation of the comparison follows: nothing that the account has not told
_NOT_APPLICABLE = "\n    promise   "  # the account's line of a promise that this topology breaks by itself


def told(promise: str | None, message: str) -> str:
    r"""The promise the test makes (its docstring), then what came, as pytest prints it; `message`: the exception's.

    >>> told("It answers.", "timeout where ok was expected\n  asked 3 x tcp\nassert <Result.FAIL> is <Result.PASS>")
    'It answers.\nE   timeout where ok was expected\nE     asked 3 x tcp'
    """
    account = message.partition(_COMPARED)[0]
    kept = "" if _NOT_APPLICABLE in account else cleandoc(promise or "")
    return "\n".join([*kept.splitlines(), *(f"E   {line}" for line in account.splitlines())])
