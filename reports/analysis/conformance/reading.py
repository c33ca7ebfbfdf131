"""Read a stored conformance report, JSON or YAML. Whatever is not as it was written is one clear error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import ValidationError

from reports.analysis.conformance.report import API_VERSION, KIND, ConformanceError, ConformanceReport
from reports.records.reading import problems
from topologies.loading import yaml_file
from topologies.schema.complaints import TopologyError, summarize

if TYPE_CHECKING:
    from pathlib import Path

LARGEST_BYTES, MOST_VALUES = 20 << 20, 2_000_000  # a report of 98 rows has about 70,000 bytes


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


def _parse(path: Path) -> object:
    try:
        return yaml_file.parse(yaml_file.read(path, path.name, LARGEST_BYTES), path.name, MOST_VALUES)
    except TopologyError as error:
        message = f"{path} is no readable conformance report: {'; '.join(summarize(error.complaints))}"
        raise ConformanceError(message) from error
    except OSError as error:
        message = f"{path} is no readable conformance report: {error.strerror}"
        raise ConformanceError(message) from error


def _check_kind(written: object, path: Path) -> None:
    keys = written if isinstance(written, dict) else {}
    words = (keys.get("apiVersion"), keys.get("kind"))
    found = " ".join(word for word in words if isinstance(word, str)) or "no apiVersion and kind"
    if found != f"{API_VERSION} {KIND}":
        message = f"{path}: got {found:.80}, want {API_VERSION} {KIND}. Write one with hairpin conformance -o FILE"
        raise ConformanceError(message)
