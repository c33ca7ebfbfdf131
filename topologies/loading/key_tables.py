"""The tables of keys in docs/topology.md, from the schema: each field's type, default and docstring.

`python -m topologies.loading.key_tables` writes them into the page, between the marks; a test holds that page and
schema agree.
"""

from __future__ import annotations

import ast
import inspect
import sys
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from topologies.loading.field_words import SchemaType, accepts, inside, is_list, model_of
from topologies.schema import limits
from topologies.schema.cluster_dns import ClusterDns
from topologies.schema.facts import UNKNOWN
from topologies.schema.pods import PodSettings, Resources, Toleration
from topologies.schema.presets import cni, load_balancer
from topologies.schema.topology import (
    Backend,
    Cni,
    Deviation,
    External,
    Images,
    Kernel,
    LabSettings,
    Listener,
    LoadBalancer,
    Model,
    Node,
    NodeCni,
    Patience,
    Proxy,
    Service,
    Ssh,
    Topology,
    Vantage,
    Workload,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from topologies.schema.presets.preset import Preset

PAGE = Path(__file__).parents[2] / "docs" / "topology.md"
BEGIN, END = "<!-- keys: begin, written by `python -m topologies.loading.key_tables` -->", "<!-- keys: end -->"
EXTERNAL_IPS = (
    "external_ips",
    "a list of at most 2 IPv4 addresses",
    "`[]`",
    "Addresses for the two externalIPs Services of the standard workload.",
)
ALIAS = (
    "as",
    "a DNS label: a-z, 0-9 and '-', at most 63 characters",
    "`none`",
    "The node's name in cell ids and reports. `name` is then `metadata.name` only, see [Nodes](#nodes).",
)
SPECIAL_DEFAULTS: Mapping[type[Model], Mapping[str, str]] = {
    PodSettings: {"tolerations": "`[{operator: Exists}]`"},
    NodeCni: dict.fromkeys(NodeCni.model_fields, "as in `cni`"),
    Topology: {"workload": "the standard one"},
    Kernel: {"kubelet_rules": "by kubelet's version"},
    Node: {"kubelet_version": "`kubernetes`"},
}
BY_KIND: Mapping[type[Model], frozenset[str]] = {Cni: cni.FACTS, LoadBalancer: load_balancer.FACTS}
SECTIONS: tuple[tuple[str, type[Model]], ...] = (
    ("Top level", Topology),
    ("`nodes[]`", Node),
    ("`nodes[].cni`; `nodes[].proxy` and `nodes[].kernel` have the keys of `proxy` and `kernel`", NodeCni),
    ("`external[]`", External),
    ("`ssh`, of a node or an external host", Ssh),
    ("`cni`", Cni),
    ("`proxy`", Proxy),
    ("`kernel`", Kernel),
    ("`load_balancer`", LoadBalancer),
    ("`load_balancer.listeners[]`", Listener),
    ("`cluster_dns`", ClusterDns),
    ("`workload`", Workload),
    ("`workload.backends[]`", Backend),
    ("`workload.services[]`", Service),
    ("`workload.vantages[]`", Vantage),
    ("`deviations[]`", Deviation),
    ("`images`", Images),
    ("`pods`", PodSettings),
    ("`pods.resources`", Resources),
    ("`pods.tolerations[]`", Toleration),
    ("`patience`", Patience),
    ("`lab`", LabSettings),
)


def page(text: str) -> str:
    """Return the page with its tables written anew; ValueError if a mark is missing."""
    before, _, rest = text.partition(BEGIN)
    _, mark, after = rest.partition(END)
    if not mark:
        message = f"{PAGE.name}: got no marks, want {BEGIN} and {END}"
        raise ValueError(message)
    return f"{before}{BEGIN}\n\n{tables()}\n{END}{after}"


def tables() -> str:
    """Return a table for each section of the schema, and one of the limits."""
    parts = [f"### {title}\n\n{_table(model)}" for title, model in SECTIONS]
    networks = f"### Presets of `cni.kind`\n\n{_presets(Cni, cni.PRESETS)}"
    balancers = f"### Presets of `load_balancer.kind`\n\n{_presets(LoadBalancer, load_balancer.PRESETS)}"
    return "\n".join([*parts, networks, balancers, f"### Limits of a file\n\n{_limits()}"])


def _table(model: type[Model]) -> str:
    texts = descriptions(model)
    rows = [(name, _type(model, name), _default(model, name), texts[name]) for name in model.model_fields]
    rows[1:1] = [ALIAS] if model is Node else []
    rows += [EXTERNAL_IPS] if model is Topology else []
    lines = [f"| `{name}` | {kind} | {default} | {text} |" for name, kind, default, text in rows]
    return "\n".join(["| key | type | default | means |", "|---|---|---|---|", *lines, ""])


def descriptions(model: type[Model]) -> dict[str, str]:
    """Return each field's docstring: the string below it in the source."""
    body = ast.parse(inspect.getsource(model)).body[0]
    found: dict[str, str] = {}
    statements = body.body if isinstance(body, ast.ClassDef) else []
    for before, after in pairwise(statements):
        if isinstance(before, ast.AnnAssign) and isinstance(before.target, ast.Name) and _is_text(after):
            found[before.target.id] = " ".join(ast.literal_eval(after.value).split())  # type: ignore[attr-defined] # _is_text checks it
    return found


def _is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _type(model: type[Model], name: str) -> str:
    field = model.model_fields[name]
    place = SchemaType(field.annotation, tuple(field.metadata))
    if is_list(place) and (one := inside(place, 0)) and not model_of(one) and accepts(place).startswith("a list of at"):
        return f"{accepts(place)}: {accepts(one)}"
    return "a mapping" if model_of(place) else accepts(place).replace("|", "\\|")


def _default(model: type[Model], name: str) -> str:
    field = model.model_fields[name]
    if special := SPECIAL_DEFAULTS.get(model, {}).get(name):
        return special
    if field.is_required():
        return "required"
    if isinstance(field.default, Model):
        return "see below"
    return f"`{_format_default(field.default)}`{', or by `kind`' if name in BY_KIND.get(model, ()) else ''}"


def _format_default(value: object) -> str:
    if value is None or value == "":
        return "none" if value is None else '""'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {text}' for key, text in value.items())}}}"
    if isinstance(value, (tuple, frozenset)):
        return f"[{', '.join(map(str, value))}]"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _presets(model: type[Model], presets: Mapping[str, Preset]) -> str:
    """Return the table of presets, each with the facts that differ from the defaults of the model's keys."""
    rows = [
        f"| `{kind}` | {preset.about} | {_list_facts(model, preset)} | {preset.source} |"
        for kind, preset in presets.items()
    ]
    return "\n".join(["| kind | what it is, or where it is found | sets | source |", "|---|---|---|---|", *rows, ""])


def _list_facts(model: type[Model], preset: Preset) -> str:
    given = {key: fact for key, fact in preset.facts.items() if fact != model.model_fields[key].default}
    facts = {**given, **dict.fromkeys(preset.unknown, UNKNOWN)}
    return ", ".join(f"`{key}: {_format_default(fact)}`" for key, fact in facts.items())


def _limits() -> str:
    rows = (
        ("size of the file", f"{limits.FILE_BYTES >> 20} MiB"),
        ("mappings, lists and values, aliases expanded", f"{limits.VALUES:,}"),
        ("levels of nesting", str(limits.DEPTH)),
        ("characters of one value", f"{limits.SCALAR_CHARACTERS:,}"),
        ("planned cells and omissions: Services x vantages x nodes", f"{limits.CELLS:,}"),
    )
    return "\n".join(["| of | at most |", "|---|---|", *(f"| {what} | {most} |" for what, most in rows), ""])


def main() -> int:
    """Write the tables into the page; 0."""
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    sys.stdout.write(f"{PAGE}: written\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
