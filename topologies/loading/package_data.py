"""Tables of ours that are package data: a YAML file -> a validated model."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from topologies.loading.yaml_file import PARSER

if TYPE_CHECKING:
    from pathlib import Path

    from topologies.common.errors import HairpinError

Table = TypeVar("Table", bound=BaseModel)


def read_table(path: Path, model: type[Table], failure: type[HairpinError]) -> Table:
    """Return the contents of a file.

    Raises:
        HairpinError: `failure`: the file cannot be read or is not valid; with every error and its place.

    """
    try:
        return model.model_validate(yaml.load(path.read_text(encoding="utf-8"), Loader=PARSER))  # noqa: S506 - a safe loader
    except (OSError, yaml.YAMLError) as error:
        message = f"{path}: got {error}, want a table"
        raise failure(message) from error
    except ValidationError as error:
        lines = (f"  {_format_place(one['loc'])}: {one['msg']}" for one in error.errors())
        message = "\n".join([f"{path.name}: {error.error_count()} complaints", *lines])
        raise failure(message) from error


def _format_place(location: tuple[int | str, ...]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).lstrip(".")
