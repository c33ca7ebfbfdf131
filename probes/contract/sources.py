"""Where a promise is written: a conformance test, the API's text, an e2e test, a KEP, a documentation page, an issue.

The kind of the source decides the level of a row: what the API or a conformance test states must hold, what an e2e
test, a KEP or a documentation page states should hold. An issue or a comment promises nothing.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator

from topologies.schema.network import Model
from topologies.schema.scalars import KubernetesVersion, SomeText, Version

READ_AT = "v1.37.2"  # the release whose files were read
OLDEST_READ = "1.21"  # the oldest release whose e2e tests were read
KUBERNETES = f"https://github.com/kubernetes/kubernetes/blob/{READ_AT}"
E2E = "test/e2e"
API_TYPES = "staging/src/k8s.io/api/core/v1/types.go"
CONFORMANCE = "test/conformance/testdata/conformance.yaml"
KEPS = "https://github.com/kubernetes/enhancements/tree/master/keps/sig-network"
DOCS = "https://kubernetes.io/docs"
ISSUES = "https://github.com/kubernetes/kubernetes/issues"


class Level(StrEnum):
    """How strong a promise is. `UNSPECIFIED`: implementations may differ."""

    MUST = "must"
    SHOULD = "should"
    UNSPECIFIED = "unspecified"


RANKED = (Level.MUST, Level.SHOULD, Level.UNSPECIFIED)


class TextKind(StrEnum):
    """What kind of text or test a source is."""

    CONFORMANCE = "conformance"
    API = "api"
    E2E = "e2e"
    KEP = "kep"
    DOC = "doc"
    ISSUE = "issue"


LEVELS = {
    TextKind.CONFORMANCE: Level.MUST,
    TextKind.API: Level.MUST,
    TextKind.E2E: Level.SHOULD,
    TextKind.KEP: Level.SHOULD,
    TextKind.DOC: Level.SHOULD,
    TextKind.ISSUE: Level.UNSPECIFIED,
}


def format_minor(version: Version) -> str:
    """Return `1.25`."""
    return f"{version.major}.{version.minor}"


class PromiseSource(Model):
    """One place where a promise is written."""

    kind: TextKind
    name: SomeText
    """The exact name of a test, the field of the API, or the title of a section."""
    at: SomeText
    """The file below `test/e2e/` of a test, `core/v1` for the API, the folder of a KEP, the path of a page, the
    number of an issue."""
    quote: str = ""
    """The words of the text, or what the test asserts."""
    since: KubernetesVersion | None = None
    """The first minor release whose API, conformance suite or e2e tests have it. None: 1.21 or older."""
    until: KubernetesVersion | None = None
    """The last minor release that has it. None: the newest has it."""
    level: Level | None = None
    """The level of this source. Default: that of its kind."""
    verified: bool = True
    """Whether the text was read. `false`: it is from memory."""

    @model_validator(mode="after")
    def _has_levels_in_order(self) -> Self:
        if self.since and self.until and self.until < self.since:
            message = f"until of {self.name!r}: got {self.until}, want {self.since} or newer"
            raise ValueError(message)
        if self.level is not None and RANKED.index(self.level) < RANKED.index(LEVELS[self.kind]):
            message = f"level of {self.name!r}: got {self.level}, want at most {LEVELS[self.kind]} from {self.kind}"
            raise ValueError(message)
        return self

    def level_at(self, version: Version) -> Level:
        """Return how strong this source's promise is in a version; unspecified before it was written."""
        minor = version[:2]
        if (self.since and minor < self.since[:2]) or (self.until and minor > self.until[:2]):
            return Level.UNSPECIFIED
        return self.level or LEVELS[self.kind]

    @property
    def link(self) -> str:
        """The address of the file, page or issue."""
        return {
            TextKind.CONFORMANCE: f"{KUBERNETES}/{CONFORMANCE}",
            TextKind.API: f"{KUBERNETES}/{API_TYPES}",
            TextKind.E2E: f"{KUBERNETES.replace(READ_AT, self._tag)}/{E2E}/{self.at}",
            TextKind.KEP: f"{KEPS}/{self.at}",
            TextKind.DOC: f"{DOCS}/{self.at}",
            TextKind.ISSUE: f"{ISSUES}/{self.at}",
        }[self.kind]

    @property
    def _tag(self) -> str:
        """The release whose file has the test: an old test is not in the newest."""
        return f"v{self.until.major}.{self.until.minor}.0" if self.until else READ_AT

    @property
    def releases(self) -> str:
        """`since 1.25`, `1.21 to 1.30`, or an empty string if every release has it."""
        since = format_minor(self.since) if self.since else ""
        if self.until:
            return f"{since or OLDEST_READ} to {format_minor(self.until)}"
        return f"since {since}" if since else ""


Sources = Annotated[tuple[PromiseSource, ...], Field(min_length=1)]
