"""A cell's test that did not pass, as pytest tells it: the promise and the account, not the source of a short test."""

from __future__ import annotations

from inspect import cleandoc

_COMPARED = "\nassert "  # pytest's own explanation of the comparison follows: nothing that the account has not told


def told(promise: str | None, message: str) -> str:
    r"""The promise the test makes (its docstring), then what came, as pytest prints it; `message`: the exception's.

    >>> told("It answers.", "timeout where ok was expected\n  asked 3 x tcp\nassert <Result.FAIL> is <Result.PASS>")
    'It answers.\nE   timeout where ok was expected\nE     asked 3 x tcp'
    """
    account = message.partition(_COMPARED)[0].splitlines()
    return "\n".join([*cleandoc(promise or "").splitlines(), *(f"E   {line}" for line in account)])
