"""Read a stored conformance report, JSON or YAML. Whatever is not as it was written is one clear error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml
from pydantic import ValidationError

from reports.analysis.conformance.report import API_VERSION, KIND, ConformanceError, ConformanceReport
from reports.records.reading import problems

if TYPE_CHECKING:
    from pathlib import Path

LARGEST_MB = 20  # a report of 97 rows is about 0.1 MB
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_report(path: Path) -> ConformanceReport:
    """Return a stored report.

    Raises:
        ConformanceError: It cannot be read, or it is no report that this Hairpin reads.

    """
    try:
        written = _parse(path)
        _check_kind(written, path)
        return ConformanceReport.model_validate(written)
    except ValidationError as error:
        message = f"{path} is no readable conformance report: {problems(error)}"
        raise ConformanceError(message) from error


def _parse(path: Path) -> Any:  # noqa: ANN401 - whatever a file holds
    try:
        if path.stat().st_size > LARGEST_MB * 2**20:
            message = f"{path}: got more than {LARGEST_MB} MB, want a conformance report"
            raise ConformanceError(message)
        return yaml.load(path.read_text(encoding="utf-8"), Loader=LOADER)  # noqa: S506 - a safe loader
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        message = f"{path} is no readable conformance report: {reason}"
        raise ConformanceError(message) from error


def _check_kind(written: object, path: Path) -> None:
    keys = written if isinstance(written, dict) else {}
    found = f"{keys.get('apiVersion')} {keys.get('kind')}"
    if found != f"{API_VERSION} {KIND}":
        message = f"{path}: got {found:.80}, want {API_VERSION} {KIND}. Write one with hairpin conformance -o FILE"
        raise ConformanceError(message)
