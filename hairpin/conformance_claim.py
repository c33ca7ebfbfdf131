"""What the user of `hairpin conformance` declares: the implementation, its mode, its features. Not a verb.

    organization: example
    project: proxy
    url: https://example.com/proxy
    version: v1.2.3
    contact: ["@example/maintainers"]
    mode: default
    claims: [external-ips]
    unsupported: [load-balancer]

Options override the file.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from hairpin.verb import CommandError, near_matches
from probes.contract.model import Feature
from reports.analysis.conformance.build import ImplementationClaim
from reports.analysis.conformance.report import Implementation
from topologies.loading import yaml_file
from topologies.schema.complaints import TopologyError, summarize

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Sequence

TEXTS = ("organization", "project", "url", "version", "mode")
LISTS = ("contact", "claims", "unsupported")
REQUIRED = ("organization", "project", "url", "version", "contact")  # Gateway API takes no report without them
BRANCHES = frozenset({"main", "master", "head", "latest", "nightly", "dev", "trunk"})
FEATURES = tuple(one.value for one in Feature)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the implementation."""
    group = parser.add_argument_group("the implementation", "By these options, or by a YAML file with these keys.")
    group.add_argument("--implementation", type=Path, metavar="FILE", help="a YAML file with the values below")
    group.add_argument("--organization", metavar="NAME", help="who maintains it")
    group.add_argument("--project", metavar="NAME", help="its name")
    group.add_argument("--url", metavar="URL", help="where it is described")
    group.add_argument("--version", metavar="VERSION", help="a release, a tag or a commit")
    group.add_argument("--contact", metavar="WHO,...", help="@user, @team/name, mail addresses or a support page")
    group.add_argument("--mode", metavar="NAME", help="the mode that was tested (default: default)")
    known = ", ".join(FEATURES)
    group.add_argument("--claims", metavar="FEATURE,...", help=f"refuse a report that skips their rows: {known}")
    group.add_argument("--unsupported", metavar="FEATURE,...", help="it does not have these: their rows do not count")


def read_claim(options: argparse.Namespace) -> ImplementationClaim:
    """Return what the user declares.

    Raises:
        CommandError: The file cannot be read, a key or a feature is unknown, or a value is missing or not usable.

    """
    given = _read_file(options.implementation) if options.implementation else {}
    given |= {name: value for name in (*TEXTS, *LISTS) if (value := getattr(options, name)) is not None}
    found = {name: str(given.get(name) or "").strip() for name in TEXTS}
    lists = {name: _split(name, given.get(name)) for name in LISTS}
    _check(found, lists["contact"])
    return ImplementationClaim(
        Implementation(contact=lists["contact"], **{name: found[name] for name in REQUIRED if name != "contact"}),
        mode=found["mode"] or "default",
        claims=_features("claims", lists["claims"]),
        unsupported=_features("unsupported", lists["unsupported"]),
    )


def _read_file(path: Path) -> dict[str, Any]:
    try:
        contents = yaml_file.parse(yaml_file.read(path, str(path)), str(path))
    except TopologyError as error:
        message = f"--implementation: {path}: {'; '.join(summarize(error.complaints))}"
        raise CommandError(message) from error
    except OSError as error:
        message = f"--implementation: {path} cannot be read: {error.strerror}"
        raise CommandError(message) from error
    known = (*TEXTS, *LISTS)
    if not isinstance(contents, dict):
        message = f"--implementation: {path}: got no keys, want {', '.join(known)}"
        raise CommandError(message)
    _refuse_unknown(f"--implementation: {path}", [str(name) for name in contents], known)
    return contents


def _split(name: str, value: object) -> tuple[str, ...]:
    """Return a list as given in a file, or with commas between its words."""
    words = value.split(",") if isinstance(value, str) else value or []
    if not isinstance(words, list) or not all(isinstance(one, str) for one in words):
        message = f"{name}: got {value!r:.60}, want a list of texts"
        raise CommandError(message)
    return tuple(dict.fromkeys(word.strip() for word in words if word.strip()))


def _check(texts: dict[str, str], contact: tuple[str, ...]) -> None:
    given: dict[str, object] = {**texts, "contact": contact}
    if missing := [name for name in REQUIRED if not given[name]]:
        options = " ".join(f"--{name}" for name in missing)
        message = (
            f"the implementation is not described: got no {', '.join(missing)}, want {', '.join(REQUIRED)}. "
            f"Give {options}, or --implementation FILE"
        )
        raise CommandError(message)
    parts = urlsplit(texts["url"])
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        message = f"url: got {texts['url']!r:.60}, want an address such as https://example.com/project"
        raise CommandError(message)
    if texts["version"].lower() in BRANCHES:
        message = f"version: got {texts['version']!r}, want a release, a tag or a commit. A branch moves"
        raise CommandError(message)


def _features(name: str, words: tuple[str, ...]) -> tuple[Feature, ...]:
    _refuse_unknown(name, words, FEATURES)
    return tuple(map(Feature, words))


def _refuse_unknown(place: str, words: Iterable[str], known: Sequence[str]) -> None:
    if unknown := [word for word in words if word not in known]:
        near = dict.fromkeys(close for word in unknown for close in near_matches(word, known))
        meant = f"; did you mean {' or '.join(near)}?" if near else ""
        message = f"{place}: got {', '.join(unknown)}, want some of {', '.join(known)}{meant}"
        raise CommandError(message)
