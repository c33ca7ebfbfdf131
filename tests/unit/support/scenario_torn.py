"""`pytest -p tests.unit.support.scenario_torn`: a run in whose folder scenarios.json ends within its first scenario."""

from __future__ import annotations

from typing import Any


def pytest_hairpin_answered(config: Any) -> None:
    """Write the file once cells were asked."""
    from probes.plugin import RUN  # noqa: PLC0415 - pytest rewrites the module when it loads it as a plugin
    from probes.scenarios.results import FILE_NAME  # noqa: PLC0415 - likewise

    (config.stash[RUN] / FILE_NAME).write_bytes(b"[{")
