"""Fields that every API object has and that may be missing from a broken answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from kubernetes import client

from topologies.cluster.api import ClusterError, one_line, reading
from topologies.cluster_state.api_fields import get_metadata, get_name, get_spec, shorten

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    ("read", "item", "missing"),
    [
        (get_metadata, client.V1Pod(), "metadata"),
        (get_name, client.V1Pod(metadata=client.V1ObjectMeta()), "metadata.name"),
        (get_spec, client.V1Service(), "spec"),
    ],
)
def test_a_missing_field_is_named(read: Callable[[Any], object], item: object, missing: str) -> None:
    with pytest.raises(ClusterError, match=f"^list Pods: .* it has no {missing}$"), reading("list Pods"):
        read(item)


@pytest.mark.parametrize(
    ("text", "line"), [(None, ""), ("", ""), (" a\n b ", "a b"), ("abcdef", "abcd …"), ("a\x1b[", "a\ufffd[")]
)
def test_a_text_is_shortened_to_one_line(text: str, line: str) -> None:
    assert shorten(text, 4) == line


def test_an_error_without_text_has_the_name_of_its_class() -> None:
    assert one_line(KeyError()) == "KeyError"
    assert one_line(ValueError("a\nb")) == "a b"
