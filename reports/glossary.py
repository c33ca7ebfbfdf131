"""The words of a report that are Hairpin's own, each in one line: for legends and tooltips. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

WORDS = {
    "kept": "the backend sees the client's own address",
    "primary": "primary(n1) is the InternalIP of node n1",
    "secondary": "secondary(n1) is a second address of node n1",
    "public": "public(n1) is the ExternalIP of node n1",
    "cni0": "cni0(n1) is the address of node n1 towards its own pods (of its pod bridge)",
    "vtep": "vtep(n1) is the address of the tunnel device (VXLAN, IPIP) of node n1",
    "unlisted": "unlisted(n1) is any address of node n1 except those that are known",
    "own": "the client's own node",
    "other with": "another node, with an endpoint of the Service",
    "other without": "another node, without an endpoint of the Service",
    "loopback": "127.0.0.1 on the client's own node",
    "undeclared": "a port of the load balancer that no Service declares",
    "timeout": "no reply in time",
    "refused": "a RST, or an ICMP error that refuses the port",
    "unreachable": "no route, by the client's own kernel or by an ICMP error",
    "hang": "the connection was accepted, but no HTTP answer came",
}
_FOUND = re.compile(rf"(?<![\w-])({'|'.join(sorted(WORDS, key=len, reverse=True))})(?![\w-])")


def find_words(texts: Iterable[str]) -> dict[str, str]:
    """Return the words of the glossary that occur in these texts, in the glossary's order, with their meanings."""
    found = {word for text in texts for word in _FOUND.findall(text)}
    return {word: meaning for word, meaning in WORDS.items() if word in found}
