"""Changes of kube-proxy that bound a rule, each with its first release and its backports.

This is the only module of the oracle that compares versions. Every version bound of a rule or of a mode, and every
version check inside a rule, names a change from this module. Two rules that name the same change therefore agree on the
release. This module imports nothing of this project.

The facts come from the pull requests at github.com/kubernetes/kubernetes, the CHANGELOG files, and the dates of the
release tags. A cherry-pick without a release note is in no CHANGELOG. Its patch release is the first one tagged after
the release managers approved the pull request.
"""

from __future__ import annotations

from dataclasses import dataclass

Release = tuple[int, ...]
Span = tuple[Release, Release]  # first and last version; a minor release without a patch means all its patches

OLDEST, NEWEST = (1, 20), (1, 37)  # the minor releases whose kube-proxy the rules describe
MINOR = 2  # parts of a release without its patch

LOOKED_UP = "2026-11-25"
NONE_FOUND = f"none found (cherry-picks of the pull request, {LOOKED_UP})"
GATE = f"none: a feature gate's default does not change in a patch release ({LOOKED_UP})"


@dataclass(frozen=True, slots=True)
class Backport:
    """A cherry-pick of a change to an older branch."""

    pull: str
    """The cherry-pick's pull request, `#108888`."""
    release: Release
    """The first patch release of that branch that has the change, `(1, 22, 10)`."""

    def __str__(self) -> str:
        """Return `1.22.10 (#108888)`."""
        return f"{format_release(self.release)} ({self.pull})"


@dataclass(frozen=True, slots=True, eq=False)
class KubeProxyChange:
    """A change of kube-proxy's behaviour and the releases that have it."""

    source: str
    """The pull request, or the KEP whose feature gate is on by default from then on."""
    release: Release
    """The first minor release that has it from its first patch on, `(1, 24)`."""
    backports: tuple[Backport, ...] = ()
    """The branches before `release` that got it in a patch release."""
    looked_up: str = ""
    """The result of the search for backports, with its date. Required if there are none."""

    def __post_init__(self) -> None:
        """Refuse a change without the result of a search, and one that no known release has."""
        if not (self.backports or self.looked_up):
            message = f"{self.source}: got no backports and no looked_up. Look for cherry-picks, and state the result."
            raise ValueError(message)
        if self.release > NEWEST:
            known = format_release(NEWEST)
            message = f"{self.source}: got release {format_release(self.release)}, want at most {known}. Raise NEWEST."
            raise ValueError(message)

    def is_in(self, version: Release) -> bool:
        """Return whether a kube-proxy of this version has the change."""
        if version[:MINOR] >= self.release:
            return True
        return any(version[:MINOR] == one.release[:MINOR] and version >= one.release for one in self.backports)

    def first_patch(self, minor: Release) -> int | None:
        """Return the first patch of a minor release that has the change, or None if no patch of it has."""
        if minor >= self.release:
            return 0
        return next((one.release[2] for one in self.backports if one.release[:MINOR] == minor), None)

    @property
    def summary(self) -> str:
        """`#132456 (1.34): backported to 1.33.6 (#133969)`, or the result of a search without backports."""
        found = ", ".join(str(one) for one in self.backports)
        text = f"backported to {found}" if found else self.looked_up
        return f"{self.source} ({format_release(self.release)}): {text}"


@dataclass(frozen=True, slots=True, eq=False)
class VersionRange:
    """The versions between two changes of kube-proxy.

    Changes bound a range, not release numbers: a backport changes the behaviour within a minor release.
    """

    since: KubeProxyChange | None = None
    """The change that introduced the behaviour; None if the oldest version has it."""
    until: KubeProxyChange | None = None
    """The change that removed the behaviour; None if the newest version has it."""

    @property
    def changes(self) -> tuple[KubeProxyChange, ...]:
        """The changes that bound the range."""
        return tuple(change for change in (self.since, self.until) if change)

    @property
    def bounded(self) -> bool:
        """Whether a change bounds the range."""
        return self.since is not None or self.until is not None

    @property
    def first_minor(self) -> Release:
        """The first minor release that is in the range from its first patch on."""
        return self.since.release if self.since else OLDEST

    def includes(self, version: Release) -> bool:
        """Return whether a kube-proxy of this version has the behaviour."""
        begun = self.since is None or self.since.is_in(version)
        ended = self.until is not None and self.until.is_in(version)
        return begun and not ended

    def __str__(self) -> str:
        """Return `all`, `<= 1.20`, `>= 1.25`, or with patch releases if a backport bounds it: `1.22.0-1.22.9`."""
        spans = [_format_span(first, last) for first, last in self._spans()]
        return ", ".join(spans) if spans != ["-"] else "all"

    def _spans(self) -> list[Span]:
        """Return the spans of the range, with adjacent minor releases joined."""
        spans: list[Span] = []
        for minor in known_minors():
            if (found := self._span_in(minor)) is None:
                continue
            first, last = found
            if spans and len(first) == MINOR and spans[-1][1] == (minor[0], minor[1] - 1):
                first = spans.pop()[0]
            spans.append((first, last))
        return spans

    def _span_in(self, minor: Release) -> Span | None:
        """Return the versions of one minor release in the range, or None if it has none."""
        begin = self.since.first_patch(minor) if self.since else 0
        end = self.until.first_patch(minor) if self.until else None
        if begin is None or end == 0:
            return None
        return (*minor, begin) if begin else minor, minor if end is None else (*minor, end - 1)


def _format_span(first: Release, last: Release) -> str:
    oldest, newest = first == OLDEST, last == NEWEST
    if oldest or newest:
        return "-" if oldest and newest else f"<= {format_release(last)}" if oldest else f">= {format_release(first)}"
    if first == last:
        return format_release(first)
    if len(first) > len(last):
        return f"{format_release(first)}+"
    first = (*first, 0) if first == last[:MINOR] else first
    return f"{format_release(first)}-{format_release(last)}"


def known_minors() -> tuple[Release, ...]:
    """Return the minor releases that the rules describe, oldest first."""
    return tuple((OLDEST[0], minor) for minor in range(OLDEST[1], NEWEST[1] + 1))


def is_known(version: Release) -> bool:
    """Return whether the rules describe the minor release of this version."""
    return version[:MINOR] in known_minors()


def format_release(release: Release) -> str:
    """Return `1.24` for `(1, 24)`."""
    return ".".join(str(part) for part in release)


# iptables
EXTERNAL_IPS_CAPTURED = KubeProxyChange("#96296", (1, 21), looked_up=NONE_FOUND)
NO_MARK_DROP_FOR_RANGES = KubeProxyChange("#110289", (1, 25), looked_up=NONE_FOUND)
NO_MARK_DROP_WITHOUT_LOCAL = KubeProxyChange("#110290", (1, 25), looked_up=NONE_FOUND)
EXTERNAL_CHAINS = KubeProxyChange("#109060", (1, 24), looked_up=NONE_FOUND)
LOCALHOST_NODE_PORTS_FLAG = KubeProxyChange("--iptables-localhost-nodeports", (1, 26), looked_up="none: a new flag")

# iptables and ipvs
INTERNAL_POLICY = KubeProxyChange("KEP-2086 (ServiceInternalTrafficPolicy on by default)", (1, 22), looked_up=GATE)
INTERNAL_POLICY_APART = KubeProxyChange("#106497", (1, 24), looked_up=NONE_FOUND)
# Approved for the branches on 2022-04-28: after 1.21.12, 1.22.9 (tagged 04-13) and 1.23.6 (04-14), before the patch
# releases of 05-24. ACK's upgrade notes confirm 1.22.10.
PORT_OPENER_REMOVED = KubeProxyChange(
    "#108496",
    (1, 24),
    (Backport("#108896", (1, 21, 13)), Backport("#108888", (1, 22, 10)), Backport("#108885", (1, 23, 7))),
)

# all modes
TERMINATING_ENDPOINTS = KubeProxyChange("KEP-1669 (ProxyTerminatingEndpoints on by default)", (1, 26), looked_up=GATE)
EXTERNAL_IPS_GATE = KubeProxyChange(
    "#137293 (KEP-5707, AllowServiceExternalIPs)", (1, 36), looked_up="none: a new feature gate"
)
BALANCER_IP_MODE = KubeProxyChange("KEP-1860 (LoadBalancerIPMode on by default), #119937", (1, 30), looked_up=GATE)

# ipvs
NO_LOOPBACK_SERVER = KubeProxyChange("#101023", (1, 22), looked_up=NONE_FOUND)
LOCAL_FALLS_BACK = KubeProxyChange("#97081", (1, 24), looked_up=NONE_FOUND)
NO_MARK_DROP_IN_IPVS = KubeProxyChange("#110628", (1, 25), looked_up=NONE_FOUND)
VIP_FILTER = KubeProxyChange("#108460", (1, 26), looked_up=NONE_FOUND)
LOOPBACK_RETURN = KubeProxyChange("#112950", (1, 26), looked_up=NONE_FOUND)
# The bug of #114815, in the releases with which it was reproduced.
NODE_IPS_WITHOUT_BOUND = KubeProxyChange(
    "1.23 (#114815 reports it)",
    (1, 23),
    looked_up="none: the pull request is not identified, so its backports were not looked up",
)
NODE_IPS_WITH_OWN = KubeProxyChange("#115019", (1, 28), (Backport("#117684", (1, 27, 2)),))
NODE_OUT_FILTER = KubeProxyChange("#119791", (1, 29), looked_up=NONE_FOUND)
# Requested from the release managers on 2023-12-16. A real 1.29.1 (tagged 2024-01-17, as 1.28.6) still refused. 1.29.2
# and 1.28.7 are the next releases (2024-02-14). Neither cherry-pick has a release note. None goes to 1.26 or 1.27.
EXTERNAL_IP_LOCAL_ADMITTED = KubeProxyChange(
    "#121919", (1, 30), (Backport("#121928", (1, 28, 7)), Backport("#122323", (1, 29, 2)))
)

# nftables
NFTABLES_MODE = KubeProxyChange("KEP-3866 (NFTablesProxyMode)", (1, 29), looked_up="none: a new mode")
RANGES_BEFORE_DNAT = KubeProxyChange("#122614", (1, 30), looked_up=NONE_FOUND)
CLUSTER_IP_REJECT = KubeProxyChange("#122692", (1, 30), looked_up=NONE_FOUND)
PRIMARY_NODE_PORTS = KubeProxyChange("#122724, #123105", (1, 30), looked_up=NONE_FOUND)
NODE_PORT_CHECK_IN_INPUT = KubeProxyChange("#122692 (as #122687 announces)", (1, 30), looked_up=NONE_FOUND)
NODE_SHORT_CIRCUIT = KubeProxyChange("#132456", (1, 34), (Backport("#133969", (1, 33, 6)),))  # CHANGELOG-1.33
LOCALHOST_NODE_PORT_PROXY = KubeProxyChange(
    "#138427 (KEP-6032, KubeProxyNFTablesLocalhostNodePorts)", (1, 37), looked_up="none: a new feature gate"
)
HAIRPIN_SET = KubeProxyChange("#136499", (1, 36), looked_up=NONE_FOUND)
