"""`pytest -p tests.unit.support.faulty`: a run that breaks while it asks, in a way that nobody foresaw."""

from __future__ import annotations

from typing import NoReturn

from probes import session


def broken(*_: object, **__: object) -> NoReturn:
    message = "nobody foresaw this"
    raise RuntimeError(message)


session._ask = broken
