"""What a field accepts, in words, and a validation error as a complaint. No sentence of pydantic's is ever printed."""

from __future__ import annotations

import types
from datetime import date
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, Union, get_args, get_origin

import annotated_types
from pydantic.fields import FieldInfo

from topologies.common.addresses import IPAddress, IPNetwork
from topologies.loading.kubernetes_terms import CHOSEN, is_chosen, meant_by
from topologies.schema import facts
from topologies.schema.complaints import Complaint, nearest, offer, show, squash
from topologies.schema.facts import UNKNOWN
from topologies.schema.scalars import REFUSED, Accepted
from topologies.schema.topology import Model, Topology

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

SHORTHAND = {"Topology": ("external_ips",), "Node": ("as",)}  # keys of the file that `expand` turns into others
TOP = "top level"
OF_NODES = ("nodes[].proxy.", "nodes[].kernel.", "nodes[].cni.")  # the keys of the cluster's sections again
UNSUPPORTED_KEYS = {
    ("ip_family", "ip_families", "ip_family_policy", "family", "families", "ipv6", "dual_stack"): (
        "IPv4 only: IPv6 is not supported yet, see Limits in README.md"
    ),
    ("protocol", "protocols", "udp", "sctp"): "TCP only: UDP and SCTP are not supported yet, see Limits in README.md",
}
UNSUPPORTED_VALUES = {
    "userspace": "Limits: the oracle knows no userspace proxy (removed in Kubernetes 1.26)",
    "kernelspace": "Limits: the oracle knows no Windows nodes",
    "ebpf": "proxy.kind: cilium or calico-ebpf; the oracle knows kube-proxy only",
    "calico": "calico-vxlan, calico-ipip, or calico-bgp without encapsulation",
    "flannel": "flannel-vxlan or flannel-host-gw",
    "terway": "terway-eniip, or vpc-routed for its VPC routes",
    "kube-router": "routed, with the keys that differ",
    "weave": "tunnel, with the keys that differ",
    "nlb": "nlb-instance or nlb-ip, by its target type",
}
MAY_BE_UNKNOWN = f"only these may be {UNKNOWN}: {', '.join(facts.written_paths())}"


class SchemaType(NamedTuple):
    """A type in the schema, with what is annotated beside it."""

    annotation: Any
    metadata: tuple[Any, ...] = ()


ROOT = SchemaType(Topology)


def plain(place: SchemaType) -> SchemaType:
    """Return the type without `Annotated` and `| None`."""
    if get_origin(place.annotation) is Annotated:
        inner, *more = get_args(place.annotation)
        flat = [part for one in more for part in (one.metadata if isinstance(one, FieldInfo) else [one])]
        return plain(SchemaType(inner, (*place.metadata, *flat)))
    if get_origin(place.annotation) in {Union, types.UnionType}:
        kept = [part for part in get_args(place.annotation) if part is not type(None)]
        return plain(SchemaType(kept[0], place.metadata)) if len(kept) == 1 else place
    return place


def inside(place: SchemaType, part: str | int) -> SchemaType | None:
    """Return the type of a mapping's key or of a list's element; None if there is none."""
    here = plain(place).annotation
    if isinstance(part, int):
        return SchemaType(get_args(here)[0]) if get_origin(here) is tuple else None
    if isinstance(here, type) and issubclass(here, Model) and part in here.model_fields:
        field = here.model_fields[part]
        return SchemaType(field.annotation, tuple(field.metadata))
    return None


def is_list(place: SchemaType) -> bool:
    """Return whether the value is a list."""
    return get_origin(plain(place).annotation) is tuple


def model_of(place: SchemaType | None) -> type[Model] | None:
    """Return the model of a value that is one mapping; None for any other value."""
    here = plain(place).annotation if place else None
    return here if isinstance(here, type) and issubclass(here, Model) else None


def accepts(place: SchemaType) -> str:
    """Return what a type accepts, in words."""
    here = plain(place)
    if wanted := [one.text for one in here.metadata if isinstance(one, Accepted)]:
        return wanted[-1]
    kind = here.annotation
    if get_origin(kind) is tuple:
        return f"a list of at most {_bound(here, annotated_types.MaxLen, 'max_length')}"
    return _of_type(here, kind) if isinstance(kind, type) else f"one of {', '.join(map(str, get_args(kind)))}"


def _of_type(here: SchemaType, kind: type) -> str:
    if issubclass(kind, StrEnum):
        return f"one of {', '.join(kind)}"
    if issubclass(kind, Model):
        needed = [name for name, field in kind.model_fields.items() if field.is_required()]
        return f"a mapping with {', '.join(needed)}" if needed else "a mapping"
    return _number(here) if kind in {int, float} else NAMES.get(kind, "another value")


NAMES: dict[type, str] = {
    bool: "true or false",
    str: "text",
    date: "a day such as 2027-03-31",
    IPAddress: "an IPv4 address",
    IPNetwork: "an IPv4 range",
}


def _number(place: SchemaType) -> str:
    kind = "a whole number" if place.annotation is int else "a number"
    least, above = _bound(place, annotated_types.Ge, "ge"), _bound(place, annotated_types.Gt, "gt")
    most = _bound(place, annotated_types.Le, "le")
    start = f" greater than {above}" if above is not None else f" from {least}" if least is not None else ""
    end = f" {'up ' if above is not None else ''}to {most}" if most is not None else ""
    return kind + start + end


def _bound(place: SchemaType, kind: type, name: str) -> Any:  # noqa: ANN401 - a number of whatever type the schema has
    return next((getattr(one, name) for one in place.metadata if isinstance(one, kind)), None)


def complaint(error: ErrorDetails, *, hint: bool = True) -> Complaint:
    """Return pydantic's error as a complaint, with what may have been meant if `hint`."""
    place = ROOT
    for part in error["loc"]:
        place = inside(place, part) or place
    path = written(error["loc"])
    if error["type"] == "missing":
        return Complaint(path, "nothing", accepts(place))
    if error["type"] == "extra_forbidden":
        return _unknown(path, error["loc"], hint=hint)
    if error["type"] == REFUSED:
        got, want = error["ctx"]["got"] or show(error["input"]), str(error["ctx"]["want"]) or accepts(place)
        return Complaint(path, got, f"{want}; {MAY_BE_UNKNOWN}" if hint and error["input"] == UNKNOWN else want)
    return Complaint(path, show(error["input"]), _wanted(place, error["input"]) if hint else accepts(place))


def _wanted(place: SchemaType, value: object) -> str:
    """Return what is accepted, with a hint: a similar value, how to write an empty list, what is not supported."""
    kind = plain(place).annotation
    text = accepts(place)
    if value == UNKNOWN:
        return f"{text}; {MAY_BE_UNKNOWN}"
    if value is None and get_origin(kind) is tuple:
        return f"{text}; [] if there is none"
    if kind is str and isinstance(value, (bool, int, float)):
        return f"{text}; in quotes, as YAML reads it as {'true or false' if isinstance(value, bool) else 'a number'}"
    options = list(kind) if isinstance(kind, type) and issubclass(kind, StrEnum) else []
    if not isinstance(value, str) or not options:
        return text
    if hint := UNSUPPORTED_VALUES.get(value.lower()):
        return f"{text} ({hint})"
    return offer(value, options)


def _unknown(path: str, loc: tuple[str | int, ...], *, hint: bool) -> Complaint:
    """Return the complaint about a key that is not in the schema, with similar keys, also of other sections."""
    *parents, last = loc
    place: SchemaType | None = ROOT
    for part in parents:
        place = inside(place, part) if place else None
    key = str(last)
    return Complaint(path, f"the unknown key {show(key)}", known_key(key, place or ROOT) if hint else "a known key")


def known_key(key: str, place: SchemaType) -> str:
    """Return the key that was meant instead of one that is not in the schema."""
    for known, limit in UNSUPPORTED_KEYS.items():
        if squash(key) in map(squash, known):
            return limit
    model = model_of(place)
    here = keys_of(model) if model else []
    same = [one for one in here if squash(one) == squash(key)]
    if not same and is_chosen(key):
        return CHOSEN
    near = same or _term(key, here) or _written_as_path(key) or nearest(key, here) or _elsewhere(key)
    return f"a known key (did you mean {' or '.join(near)}?)" if near else f"one of {', '.join(here)}"


def _term(key: str, here: list[str]) -> list[str]:
    """Return the key that Kubernetes' term stands for: by its name if it is in this mapping, else by its path."""
    path = meant_by(key)
    section, dot, last = path.rpartition(".")
    beside = [one.rpartition(".")[2] for one in paths() if one.rpartition(".")[0] == section]
    if dot and beside != here:
        return [path]
    return [last] if last in here else []


def _written_as_path(key: str) -> list[str]:
    """Return the path that has these words: `proxyMode` is `proxy.mode`."""
    return [path for path in paths() if "." in path and squash(path.replace(".", "").replace("[]", "")) == squash(key)]


def _elsewhere(key: str) -> list[str]:
    """Return the paths that end in the most similar key."""
    ends = {path: path.rpartition(".")[2] for path in paths() if not path.startswith(OF_NODES)}
    near = nearest(key, ends.values(), 1)
    return [path for path, end in ends.items() if end in near][:4]


def keys_of(model: type[Model]) -> list[str]:
    """Return the keys that a mapping may have."""
    return [*model.model_fields, *SHORTHAND.get(model.__name__, ())]


@cache
def paths(place: SchemaType = ROOT, prefix: str = "") -> tuple[str, ...]:
    """Return the paths of all keys, `nodes[].ssh.user` and its like, in the order of the schema."""
    model = model_of(place)
    found: list[str] = []
    for key in keys_of(model) if model else []:
        found.append(f"{prefix}{key}")
        below = inside(place, key)
        many = below is not None and is_list(below)
        deeper = inside(below, 0) if below and many else below
        found.extend(paths(deeper, f"{prefix}{key}{'[]' if many else ''}.") if deeper else ())
    return tuple(found)


def written(loc: tuple[str | int, ...]) -> str:
    """Return a path as a complaint names it: `nodes[0].address`."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{_clean(part)}" for part in loc)
    return "".join(parts).lstrip(".") or TOP


def _clean(key: str) -> str:
    return key if key.isidentifier() and len(key) < 80 else show(key)  # noqa: PLR2004 - as long as a shown value
