"""Read fields that every API object has and that the types of `kubernetes` declare as optional. Pure.

ValueError names the field that an answer lacks; `cluster.api.reading` makes a ClusterError of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kubernetes import client

Value = TypeVar("Value")
Item_co = TypeVar("Item_co", covariant=True)


class ApiObject(Protocol):
    """Any object of the API."""

    @property
    def metadata(self) -> client.V1ObjectMeta | None:
        """`metadata`."""


class ApiList(Protocol[Item_co]):
    """Any list of the API."""

    @property
    def items(self) -> Sequence[Item_co]:
        """`items`."""


def require(value: Value | None, field: str) -> Value:
    """Return the value; ValueError if the answer has none."""
    if value is None:
        message = f"it has no {field}"
        raise ValueError(message)
    return value


def shorten(text: str | None, most: int) -> str:
    """Return a text on one line, shortened to `most` characters, without control characters."""
    words = " ".join((text or "")[: 4 * most].split())
    line = "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in words)
    return line if len(line) <= most else f"{line[:most]} …"


def get_metadata(item: ApiObject) -> client.V1ObjectMeta:
    """Return the metadata; ValueError without it."""
    return require(item.metadata, "metadata")


def get_name(item: ApiObject) -> str:
    """Return `metadata.name`; ValueError without it."""
    return require(get_metadata(item).name, "metadata.name")


def get_spec(service: client.V1Service) -> client.V1ServiceSpec:
    """Return a Service's spec; ValueError without it."""
    return require(service.spec, "spec")
