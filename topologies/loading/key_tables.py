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
from topologies.schema.pods import PodSettings, Resources, Toleration
from topologies.schema.presets import cni as network_presets
from topologies.schema.presets import load_balancer as load_balancer_presets
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

    from pydantic.fields import FieldInfo


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
BY_OTHERS = {
    "tolerations": "`[{operator: Exists}]`",
    **dict.fromkeys(sorted({key for preset in network_presets.PRESETS.values() for key in preset.facts}), "by `kind`"),
    "workload": "the standard one",
}
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
    networks = f"### Presets of `cni.kind`\n\n{_network_presets()}"
    presets = f"### Presets of `load_balancer.kind`\n\n{_presets()}"
    return "\n".join([*parts, networks, presets, f"### Limits of a file\n\n{_limits()}"])


def _presets() -> str:
    """Return the table of the presets, each with the facts that differ from the defaults of the keys."""
    rows = (
        (kind, preset.about, ", ".join(f"`{name}: {_format_default(value)}`" for name, value in facts.items()))
        for kind, preset in load_balancer_presets.PRESETS.items()
        for facts in ({**preset.facts, **dict.fromkeys(preset.unknown, load_balancer_presets.UNKNOWN)},)
    )
    lines = [
        f"| `{kind}` | {about} | {facts} | {load_balancer_presets.PRESETS[kind].source} |"
        for kind, about, facts in rows
    ]
    return "\n".join(["| kind | what it is | its facts | source |", "|---|---|---|---|", *lines, ""])


def _table(model: type[Model]) -> str:
    texts = descriptions(model)
    rows = [
        (name, _type(model, name), BY_OTHERS.get(name) or _default(field), texts[name])
        for name, field in model.model_fields.items()
    ]
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


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    return "see below" if isinstance(field.default, Model) else f"`{_format_default(field.default)}`"


def _format_default(value: object) -> str:
    if value is None or value == "":
        return "none" if value is None else '""'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {text}' for key, text in value.items())}}}"
    return "[]" if value == () else f"{value:g}" if isinstance(value, float) else str(value)


def _network_presets() -> str:
    """Return the table of network presets: facts that differ from the keys' defaults, examples and source."""
    rows = [
        f"| `{kind}` | {_list_facts(preset.facts)} | {preset.examples} | {preset.source} |"
        for kind, preset in network_presets.PRESETS.items()
    ]
    return "\n".join(["| `cni.kind` | sets | found in | source |", "|---|---|---|---|", *rows, ""])


def _list_facts(facts: Mapping[str, object]) -> str:
    given = {key: fact for key, fact in facts.items() if fact != Cni.model_fields[key].default}
    return ", ".join(f"`{key}: {_format_fact(fact)}`" for key, fact in given.items())


def _format_fact(fact: object) -> str:
    return f"[{', '.join(fact)}]" if isinstance(fact, tuple) else _format_default(fact)


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
