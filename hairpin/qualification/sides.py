"""The sides of `hairpin qualify`: VERSION/MODE, VERSION, MODE, a topology or a run, each with overrides.

    1.34.4/nftables      1.34.4      nftables      lab-routed      mine.yaml      out/last
    1.34.4/nftables,proxy.masquerade_all=true      lab-routed,mode=ipvs

What a side leaves open is the base topology's: --topology, or the topology or the run of the other side.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hairpin.verb import CommandError, near_matches
from reports.records import journal
from reports.records.rejudge import raw_contents
from reports.records.run import FILE
from topologies.loading import overrides
from topologies.loading.load import SUFFIXES, names, raw, validated
from topologies.schema.complaints import show
from topologies.schema.enums import ProxyMode
from topologies.schema.topology import Version

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reports.records.run import Run
    from topologies.schema.topology import Topology

DEFAULT = "lab-flannel"
LONGEST = 200  # characters of a side that may be a path
WANTED = "VERSION/MODE (1.34.4/nftables), VERSION, MODE, a topology (a file, a name of the library) or a run"


@dataclass(frozen=True, slots=True)
class GivenSide:
    """One side as given. At most one of `topology` and `run` is set; without both, the base topology applies."""

    text: str
    topology: str = ""
    run: Path | None = None
    version: str = ""
    mode: str = ""
    changes: tuple[str, ...] = ()

    @property
    def is_base(self) -> bool:
        """Whether it names a topology or a run, which the other side can build on."""
        return bool(self.topology or self.run)


@dataclass(frozen=True, slots=True)
class ResolvedSide:
    """One side with its topology, the raw contents of that, and its run if it was given as one."""

    name: str
    contents: dict[str, Any]
    topology: Topology
    run: Run | None = None
    folder: Path | None = None
    base: Run | None = None
    """The run whose topology it builds on: a prediction for the same cluster."""


def resolve_sides(before: str, after: str | None, *, topology: str, changes: tuple[list[str], list[str]]) -> Sides:
    """Return both sides.

    Args:
        before: FROM.
        after: TO; None: FROM as it is written, with the changes of TO.
        topology: --topology; empty if not given.
        changes: PATH=VALUE of --with-from, and of --with-to.

    Raises:
        CommandError: A side or a combination of sides cannot be used.
        TopologyError: A topology cannot be read.

    """
    first = read_side(before, changes[0])
    if after is None and not changes[1]:
        message = "TO: got none, want a side to compare with. Give TO, or what changes by --with-to PATH=VALUE"
        raise CommandError(message)
    if after is None and first.run:
        second = GivenSide("", changes=tuple(changes[1]))
    else:
        second = read_side(before if after is None else after, changes[1])
    base = _choose_base(first, second, topology)
    return resolve_side(first, base), resolve_side(second, base)


Sides = tuple[ResolvedSide, ResolvedSide]


def read_side(text: str, changes: Sequence[str]) -> GivenSide:
    """Return a side of the command line with its overrides; CommandError if it is none."""
    first, *more = text.split(",")
    if not first.strip():
        message = f"side: got {show(text)}, want {WANTED}. See hairpin qualify --help"
        raise CommandError(message)
    if "=" in first:
        first, more = "", [first, *more]
    if wrong := [one for one in more if "=" not in one]:
        message = (
            f"{show(text)}: got {show(wrong[0])} after a comma, want PATH=VALUE. Values with commas go to --with-to"
        )
        raise CommandError(message)
    named = (*more, *changes)
    path = Path(first)
    if not first:
        return GivenSide(text, changes=named)
    if first in names() or path.suffix in SUFFIXES:
        return GivenSide(text, topology=first, changes=named)
    if path.suffix == ".json" or _holds_run(path):
        return _read_run(text, path, named)
    return _read_release(text, first, path, named)


def _holds_run(path: Path) -> bool:
    with suppress(OSError, ValueError):  # a text that no file can be named
        return (path / FILE).exists()
    return False


def _read_run(text: str, path: Path, changes: tuple[str, ...]) -> GivenSide:
    if changes:
        message = (
            f"{text}: got a run with {', '.join(changes)}, want no override of what was observed. Override a topology"
        )
        raise CommandError(message)
    return GivenSide(text, run=path)


def _read_release(text: str, first: str, path: Path, changes: tuple[str, ...]) -> GivenSide:
    """Return the side of VERSION/MODE, VERSION or MODE; CommandError with similar words."""
    words = first.split("/")
    versions = [word for word in words if _is_version(word)]
    modes = [word for word in words if word in list(ProxyMode)]
    if len(versions) + len(modes) == len(words) and len(versions) <= 1 and len(modes) <= 1:
        return GivenSide(text, version="".join(versions), mode="".join(modes), changes=changes)
    if len(first) < LONGEST and path.is_dir():
        held = sorted(one.name for one in path.iterdir())[:8]
        message = f"{text}: got a folder without {FILE} ({held}), want a run's folder. Give out/<run> or out/last"
        raise CommandError(message)
    near = _near(words, path)
    meant = f"Did you mean {' or '.join(near)}?" if near else "See hairpin qualify --help"
    message = f"side: got {show(text)}, want {WANTED}. {meant}"
    raise CommandError(message)


def _is_version(word: str) -> bool:
    try:
        Version.parse(word)
    except ValueError:
        return False
    return True


def _near(words: list[str], path: Path) -> list[str]:
    """Return what may have been meant: the mode spelt right, a topology of the library, a run in that folder."""
    if len(words) <= 2:  # noqa: PLR2004 - VERSION/MODE
        spelt = [word if _is_version(word) else "".join(near_matches(word, list(ProxyMode), 1)) for word in words]
        if all(spelt) and spelt != words:
            return ["/".join(spelt)]
    runs: list[str] = []
    with suppress(OSError, ValueError):
        runs = [str(one.parent) for one in path.parent.glob(f"*/{FILE}")]
    return near_matches(str(path), [*names(), *runs])


def _choose_base(first: GivenSide, second: GivenSide, topology: str) -> GivenSide:
    """Return the side whose topology applies where a side names none."""
    if topology:
        if first.is_base and second.is_base:
            message = f"--topology: got {topology}, want none: {first.text} and {second.text} name theirs. Leave it out"
            raise CommandError(message)
        return GivenSide(topology, topology=topology)
    return next((one for one in (first, second) if one.is_base), GivenSide(DEFAULT, topology=DEFAULT))


def resolve_side(side: GivenSide, base: GivenSide) -> ResolvedSide:
    """Return the side with its topology; TopologyError or JournalError if that cannot be read."""
    if side.run:
        run = journal.load(side.run)
        contents = raw_contents(run)
        return ResolvedSide(side.text, contents, validated(contents, str(side.run)), run, side.run)
    place = side if side.topology else base
    stored = journal.load(place.run) if place.run else None
    given, source = (raw_contents(stored), str(place.run)) if stored else raw(place.topology)
    changes = {**_release(side, given), **overrides.parse(side.changes)}
    title = _name(side, base)
    contents = overrides.apply(given, changes) if changes else given
    return ResolvedSide(title, contents, validated(contents, f"{source}: side {title}"), base=stored)


def _release(side: GivenSide, given: dict[str, Any]) -> dict[str, object]:
    """Return the overrides that VERSION and MODE stand for. A file that declares kube-proxy's version gets it there."""
    proxy = given.get("proxy")
    found: dict[str, object] = {"kubernetes": side.version} if side.version else {}
    if side.version and isinstance(proxy, dict) and "version" in proxy:
        found["proxy.version"] = side.version
    return found | ({"proxy.mode": side.mode} if side.mode else {})


def _name(side: GivenSide, base: GivenSide) -> str:
    words = [side.topology or base.text, "/".join(filter(None, (side.version, side.mode)))]
    changes = f"with {', '.join(side.changes)}" if side.changes else ""
    return " ".join(filter(None, [*words, changes]))
