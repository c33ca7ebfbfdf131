"""Reads recordings of real kube-proxies: the kube-proxy and its network, the cells, and the known noise.

docs/observations.md describes the format. A file is JSON lines: an optional header, and one line per cell. Keys that
are constant in a file are in its header or on every line.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "observed"
NOISE = FOLDER / "noise.json"
FILES = tuple(sorted(path.stem for path in FOLDER.glob("*.jsonl")))
Values = dict[str, Any]

NETWORKS = {
    "flannel": "flannel-vxlan",
    "overlay": "tunnel",
    "tunnel": "tunnel",
    "routed": "routed",
    "host-gw": "routed",
    "eni": "eni",
    "vpc": "vpc-routed",
}
FLAGS = {  # key of a header -> section of a topology that has it
    "detect_local": "proxy",
    "masquerade_all": "proxy",
    "node_port_addresses": "proxy",
    "localhost_nodeports": "proxy",
    "localhost_nodeport_proxy": "proxy",
    "allow_external_ips": "proxy",
    "rp_filter": "kernel",
    "bridge_nf_call_iptables": "kernel",
    "hairpin": "kernel",
    "kubelet_rules": "kernel",
    "masquerade": "cni",
    "anti_spoof": "cni",
}
WORLD = {
    "version",
    "mode",
    "network",
    "cluster_cidr",
    "variant",
    "load_balancer_source_ranges",
    "external_routes_to_pods",
}
HEADER = {*WORLD, *FLAGS, "about", "noise"}
CELL = ("service", "client", "target", "outcome")
VARIANTS: dict[str, Values] = {  # names of variants that a file may use instead of flags
    "strict": {"rp_filter": 1},
    "no-kubelet": {"kubelet_rules": False},
    "masquerade-all": {"masquerade_all": True},
    "no-br-netfilter": {"bridge_nf_call_iptables": False},
    "no-hairpin": {"hairpin": False},
    "no-localhost-nodeports": {"localhost_nodeports": False},
    "anti-spoof": {"anti_spoof": True},
}
SYNONYMS = {
    "rpf": "strict",
    "rpf1": "strict",
    "rp-filter": "strict",
    "rp-filter=1": "strict",
    "rp-filter-1": "strict",
    "strict-rp-filter": "strict",
    "nokubelet": "no-kubelet",
    "no-kubelet-rules": "no-kubelet",
    "masqall": "masquerade-all",
    "masq-all": "masquerade-all",
    "no-bridge-nf": "no-br-netfilter",
    "nohairpin": "no-hairpin",
    "guarded": "anti-spoof",
}


class RecordingError(ValueError):
    """A file is not a valid recording. The message has the place, the value and the valid values."""


@dataclass(frozen=True)
class Recording:
    """One file: a kube-proxy, its network, and the recorded cells."""

    name: str
    """The file's name without `.jsonl`."""
    values: Values
    """The keys of the header, with the flags of a named variant."""
    rows: tuple[Values, ...]
    """The cells, in the order of the file."""
    noise: dict[str, str]
    """Cells with known noise, `pod-c NodePort@n1 from b`, each with its reason."""

    @property
    def title(self) -> str:
        """`ipvs 1.20.2 flannel`, followed by the variant."""
        values = self.values
        words = [values["mode"], values["version"], values["network"]]
        words += [] if values.get("cluster_cidr", True) else ["without cluster CIDR"]
        return " ".join([*words, str(values.get("variant") or "")]).strip()


@cache
def read(name: str, folder: Path = FOLDER) -> Recording:
    """Return a recording.

    Raises:
        RecordingError: The file is no recording, or a key or a value of its header is unknown.
    """
    lines = [line for line in _lines(folder / f"{name}.jsonl") if line[1]]
    if not lines:
        raise _error(name, "the file", "nothing", "one line of JSON a cell")
    header = _header(name, lines[0][1])
    rows = [(number, _row(name, number, row)) for number, row in (lines[1:] if header is not None else lines)]
    if not rows:
        raise _error(name, "the file", "a header alone", "one line of JSON a cell after it")
    values = _values(name, header or {}, rows)
    noise = {**(header or {}).get("noise", {}), **_listed(folder).get(name, {})}
    return Recording(name, values, tuple(row for _, row in rows), _checked_noise(name, noise, rows))


def cell_id(row: Values) -> str:
    """Return `pod-c NodePort@n1 from b`."""
    return f"{row['service']} {row['target']} from {row['client']}"


def _lines(path: Path) -> list[tuple[int, Values]]:
    found = []
    for number, text in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), start=1):
        try:
            value = json.loads(text) if text.strip() else {}
        except ValueError:
            raise _error(path.stem, f"line {number}", repr(text[:40]), "a JSON object") from None
        if not isinstance(value, dict):
            raise _error(path.stem, f"line {number}", repr(text[:40]), "a JSON object")
        found.append((number, value))
    return found


def _header(name: str, first: Values) -> Values | None:
    """Return the first line if it is a header: `{"header": {...}}`, or an object without the keys of a cell."""
    if "header" not in first and any(key in first for key in CELL):
        return None
    header = dict(first.get("header", first))
    header = {("network" if key == "cni" else key): value for key, value in header.items()}
    if unknown := sorted(header.keys() - HEADER):
        raise _error(name, "header", ", ".join(unknown), f"only {', '.join(sorted(HEADER))}")
    return header


def _row(name: str, number: int, row: Values) -> Values:
    if missing := [key for key in CELL if not isinstance(row.get(key), str)]:
        raise _error(name, f"line {number}", f"no {', '.join(missing)}", f"the texts {', '.join(CELL)}")
    return {("network" if key == "cni" else key): value for key, value in row.items()}


def _values(name: str, header: Values, rows: list[tuple[int, Values]]) -> Values:
    """Return the header, the keys that are constant on all lines, and the flags of a named variant."""
    values = {key: value for key, value in header.items() if key not in {"about", "noise"}}
    for number, row in rows:
        for key in (*WORLD, *FLAGS):
            if key in row and values.setdefault(key, row[key]) != row[key]:
                want = f"{values[key]!r} as before: one file is one kube-proxy"
                raise _error(name, f"line {number}, {key}", repr(row[key]), want)
    if missing := [key for key in ("version", "mode", "network") if not values.get(key)]:
        raise _error(name, "header", f"no {', '.join(missing)}", "them in the header or on every line")
    if values["network"] not in {*NETWORKS, *NETWORKS.values()}:
        raise _error(name, "network", repr(values["network"]), f"one of {', '.join(NETWORKS)}")
    return {**_flags_of(name, str(values.get("variant") or ""), values), **values}


def _flags_of(name: str, variant: str, values: Values) -> Values:
    """Return the flags of a variant: names and `key=value`, separated by `+`, comma or space."""
    if values.keys() & FLAGS.keys():
        return {}  # the file has its own flags: the variant is only a name
    flags: Values = {}
    for word in filter(None, re.split(r"[+,\s]+", variant)):
        spelt = word.lower().replace("_", "-")
        key, _, text = word.partition("=")
        if (known := SYNONYMS.get(spelt, spelt)) in VARIANTS:
            flags |= VARIANTS[known]
        elif key in FLAGS and text:
            flags[key] = _parsed(text)
        else:
            want = f"one of {', '.join(VARIANTS)}, or key=value with a key of {', '.join(FLAGS)}"
            raise _error(name, "variant", repr(word), want, "Or name the flags in the header.")
    return flags


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


@cache
def _listed(folder: Path) -> dict[str, dict[str, str]]:
    """Return the noise in noise.json: file -> cell -> reason."""
    path = folder / NOISE.name
    listed: dict[str, dict[str, str]] = json.loads(path.read_text()) if path.exists() else {}
    return listed


def _checked_noise(name: str, noise: Values, rows: list[tuple[int, Values]]) -> dict[str, str]:
    cells = {cell_id(row) for _, row in rows}
    if unknown := sorted(noise.keys() - cells):
        raise _error(name, "noise", unknown[0], "a cell of the file, such as 'pod-c NodePort@n1 from b'")
    if silent := [cell for cell, reason in noise.items() if not isinstance(reason, str) or not reason.strip()]:
        raise _error(name, f"noise, {silent[0]}", "no reason", "a reason in words")
    return noise


def _error(name: str, where: str, got: str, want: str, then: str = "") -> RecordingError:
    text = f"cannot read a recording: {name}.jsonl, {where}: got {got}, want {want}."
    return RecordingError(f"{text} {then}".strip())
