"""The types of a topology's scalars: names, addresses, ranges, ports, versions. Each names what it accepts.

A validator here raises `refused(want)`, never an exception of ipaddress' or pydantic's own, so that a complaint is
always in our words. Names follow the rule of the API object they become, which would refuse it only when deployed.
"""

from __future__ import annotations

import re
from datetime import date
from ipaddress import IPv6Network, ip_network
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import BeforeValidator, Field, PlainSerializer
from pydantic_core import PydanticCustomError

from topologies.common.addresses import IPAddress, IPNetwork

REFUSED = "hairpin_refused"
SUBDOMAIN_LENGTH = 253
IMAGE_LENGTH = 512
DNS_LABEL = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
SERVICE_NAME = r"^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$"  # RFC 1035: the API refuses a Service named 1web
DNS_SUBDOMAIN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
NO_IPV6 = "IPv6 and dual-stack are not supported yet, see Limits in README.md"
PRIMARY, LOCALHOST, ALL_ADDRESSES = "primary", "localhost", "all"  # words of --nodeport-addresses
POINT_TO_POINT = 31  # the prefix length from which on every address of a range is a host's (RFC 3021)
ASSUMED_POOL = IPNetwork("203.0.113.0/24")  # of a balancer whose addresses are not declared; TEST-NET-3 (RFC 5737)


class Accepted(NamedTuple):
    """What a type accepts, in words: for complaints and for docs/topology.md."""

    text: str


def refused(want: str = "", got: str = "") -> PydanticCustomError:
    """Return the exception by which a validator refuses a value. Empty: what the type accepts, what was written."""
    return PydanticCustomError(REFUSED, "{want}", {"want": want, "got": got})


class Version(NamedTuple):
    """A Kubernetes release, `1.20.2`; compares as a tuple, so `version >= (1, 24)` reads as it should."""

    major: int
    minor: int
    patch: int = 0

    @classmethod
    def parse(cls, text: object) -> Self:
        """Read `1.24`, `v1.24.3` or `1.24.3-eks-1`; ValueError for any other text."""
        match = re.fullmatch(r"v?([0-9]{1,4})\.([0-9]{1,4})(?:\.([0-9]{1,6}))?(?:[-+][-+.0-9A-Za-z]*)?", str(text))
        if not match:
            message = f"got {text!r}, want a Kubernetes version such as '1.24.3'"
            raise ValueError(message)
        return cls(*(int(part or 0) for part in match.groups()))

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"


def _version(value: object) -> Version:
    if isinstance(value, Version):
        return value
    if isinstance(value, float):
        want = "a quoted version such as '1.24.3': YAML reads 1.20 as the number 1.2"
        raise refused(want, f"the number {value}")
    try:
        return Version.parse(value)
    except ValueError as error:
        want = "a Kubernetes version such as '1.24.3'"
        raise refused(want) from error


def _ipv4(value: object) -> IPAddress:
    if isinstance(value, IPAddress):
        return value
    try:
        return IPAddress(value if isinstance(value, str) else "")
    except ValueError as error:
        want = "an IPv4 address such as 192.0.2.11"
        raise refused(f"an IPv4 address: {NO_IPV6}" if _is_ipv6(value) else want) from error


def _host_address(value: object) -> IPAddress:
    address = _ipv4(value)
    if address.is_unspecified or address.is_loopback or address.is_multicast or address == IPAddress(2**32 - 1):
        want = "the IPv4 address of a host, not an unspecified, loopback, multicast or broadcast one"
        raise refused(want)
    return address


def _network(value: object) -> IPNetwork:
    if isinstance(value, IPNetwork):
        return value
    text = value if isinstance(value, str) else ""
    if not re.fullmatch(r"[0-9.]+/[0-9]{1,2}", text):
        want = "an IPv4 range in CIDR form such as 10.244.0.0/16"
        raise refused(f"an IPv4 range: {NO_IPV6}" if _is_ipv6(value) else want)
    try:
        loose = IPNetwork(text, strict=False)
    except ValueError as error:
        want = "an IPv4 range in CIDR form such as 10.244.0.0/16"
        raise refused(want) from error
    if str(loose.network_address) != text.partition("/")[0]:
        want = f"the first address of the range: {loose}"
        raise refused(want)
    return loose


def _is_ipv6(value: object) -> bool:
    """Whether it is, or in a list or comma-separated pair has, an IPv6 address or range, also in brackets."""
    parts = value if isinstance(value, list) else value.split(",") if isinstance(value, str) else []
    for part in parts[:2]:
        try:
            if isinstance(ip_network(str(part).strip(" []"), strict=False), IPv6Network):
                return True
        except ValueError:
            continue
    return False


def _number(value: object) -> object:
    if isinstance(value, bool):
        raise refused()
    return value


def _node_port_address(value: object) -> IPNetwork | str:
    return value if isinstance(value, str) and value in {PRIMARY, LOCALHOST, ALL_ADDRESSES} else _network(value)


def _day(value: object) -> date:
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(value if isinstance(value, str) and len(value) == len("2027-03-31") else "")
    except ValueError as error:
        want = "a day that exists, such as 2027-03-31"
        raise refused(want) from error


def _image(value: object) -> str:
    """Match the grammar of github.com/distribution/reference, except that a name may be 64 hex digits."""
    label = r"[A-Za-z0-9](?:[-A-Za-z0-9]*[A-Za-z0-9])?"
    host = rf"{label}(?:\.{label})*(?::[0-9]{{1,5}})?"
    part = r"[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*"
    tail = r"(?::\w[\w.-]{0,127})?(?:@[A-Za-z][A-Za-z0-9+._-]*:[0-9a-fA-F]{32,128})?"
    text = value if isinstance(value, str) and len(value) <= IMAGE_LENGTH else ""
    if not re.fullmatch(f"(?:{host}/)?{part}(?:/{part})*{tail}", text, re.ASCII):
        want = "an image reference such as registry.example/agnhost:1"
        raise refused(want)
    return text


def names_registry(image: str) -> bool:
    """Return whether the reference begins with a registry's host, as container runtimes decide it."""
    first, slash, _ = image.partition("/")
    return bool(slash) and ("." in first or ":" in first or first == "localhost")


Name = Annotated[str, Field(pattern=DNS_LABEL), Accepted("a DNS label: a-z, 0-9 and '-', at most 63 characters")]
ServiceName = Annotated[
    str,
    Field(pattern=SERVICE_NAME),
    Accepted("a Service name: a-z, 0-9 and '-', first a letter, at most 63 characters"),
]
NodeName = Annotated[
    str,
    Field(pattern=DNS_SUBDOMAIN, max_length=SUBDOMAIN_LENGTH),
    Accepted("a node's metadata.name: a DNS subdomain or an IPv4 address, at most 253 characters"),
]
Text = Annotated[str, Accepted("text")]
SomeText = Annotated[str, Field(min_length=1), Accepted("text that is not empty")]
Port = Annotated[int, BeforeValidator(_number), Field(ge=1, le=65535)]
BackendPort = Annotated[int, BeforeValidator(_number), Field(ge=1, le=65534)]  # its UDP port is the next one
Whole = Annotated[int, BeforeValidator(_number)]
Seconds = Annotated[float, BeforeValidator(_number), Field(gt=0, le=86400, allow_inf_nan=False)]
AnyAddress = Annotated[IPAddress, BeforeValidator(_ipv4), Accepted("an IPv4 address such as 192.0.2.11")]
Address = Annotated[IPAddress, BeforeValidator(_host_address), Accepted("an IPv4 address such as 192.0.2.11")]
Network = Annotated[IPNetwork, BeforeValidator(_network), Accepted("an IPv4 range in CIDR form such as 10.244.0.0/16")]
NodePortAddress = Annotated[
    IPNetwork | Literal["primary", "localhost", "all"],
    BeforeValidator(_node_port_address),
    Accepted("an IPv4 range in CIDR form, or one of primary, localhost, all"),
]
Day = Annotated[date, BeforeValidator(_day), Accepted("a day such as 2027-03-31")]
Image = Annotated[str, BeforeValidator(_image), Accepted("an image reference such as registry.example/agnhost:1")]
KubernetesVersion = Annotated[
    Version,
    BeforeValidator(_version),
    PlainSerializer(str, return_type=str),
    Accepted("a quoted Kubernetes version such as '1.24.3'"),
]
