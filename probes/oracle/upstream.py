"""Changes of kube-proxy that bound a rule, each with its first release and its backports.

Every version bound of a rule, and every version check inside one, names a change from this module. Two rules that
name the same change therefore agree on the release. This module imports nothing of this project.

The facts come from the pull requests at github.com/kubernetes/kubernetes, the CHANGELOG files, and the dates of the
release tags. A cherry-pick without a release note is in no CHANGELOG. Its patch release is the first one tagged after
the release managers approved the pull request.
"""

from __future__ import annotations

from dataclasses import dataclass

Release = tuple[int, ...]

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


@dataclass(frozen=True, slots=True)
class KubeProxyChange:
    """A change of kube-proxy's behaviour and the releases that have it."""

    source: str
    """The pull request, or the KEP whose feature gate is on by default from then on."""
    release: Release
    """The first minor release that has it from its first patch on, `(1, 24)`."""
    backports: tuple[Backport, ...] = ()
    """The branches before `release` that got it in a patch release."""
    looked_up: str = NONE_FOUND
    """The result of the search for backports if it found none."""

    def is_in(self, version: Release) -> bool:
        """Return whether a kube-proxy of this version has the change."""
        if version[:2] >= self.release:
            return True
        return any(version[:2] == one.release[:2] and version >= one.release for one in self.backports)

    def first_patch(self, minor: Release) -> int | None:
        """Return the first patch of a minor release that has the change, or None if no patch of it has."""
        if minor >= self.release:
            return 0
        return next((one.release[2] for one in self.backports if one.release[:2] == minor), None)

    @property
    def summary(self) -> str:
        """`#132456 (1.34): backported to 1.33.6 (#133969)`, or the result of a search without backports."""
        found = ", ".join(str(one) for one in self.backports)
        text = f"backported to {found}" if found else self.looked_up
        return f"{self.source} ({format_release(self.release)}): {text}"


def format_release(release: Release) -> str:
    """Return `1.24` for `(1, 24)`."""
    return ".".join(str(part) for part in release)


# iptables
EXTERNAL_IPS_CAPTURED = KubeProxyChange("#96296", (1, 21))
NO_MARK_DROP_FOR_RANGES = KubeProxyChange("#110289", (1, 25))
NO_MARK_DROP_WITHOUT_LOCAL = KubeProxyChange("#110290", (1, 25))
EXTERNAL_CHAINS = KubeProxyChange("#109060", (1, 24))
LOCALHOST_NODE_PORTS_FLAG = KubeProxyChange("--iptables-localhost-nodeports", (1, 26), looked_up="none: a new flag")

# iptables and ipvs
INTERNAL_POLICY = KubeProxyChange("KEP-2086 (ServiceInternalTrafficPolicy on by default)", (1, 22), looked_up=GATE)
INTERNAL_POLICY_APART = KubeProxyChange("#106497", (1, 24))
# Approved for the branches on 2022-04-28: after 1.21.12, 1.22.9 (tagged 04-13) and 1.23.6 (04-14), before the patch
# releases of 05-24. ACK's upgrade notes confirm 1.22.10.
PORT_OPENER_REMOVED = KubeProxyChange(
    "#108496",
    (1, 24),
    (Backport("#108896", (1, 21, 13)), Backport("#108888", (1, 22, 10)), Backport("#108885", (1, 23, 7))),
)

# all modes
TERMINATING_ENDPOINTS = KubeProxyChange("KEP-1669 (ProxyTerminatingEndpoints on by default)", (1, 26), looked_up=GATE)
BALANCER_IP_MODE = KubeProxyChange("KEP-1860 (LoadBalancerIPMode on by default), #119937", (1, 30), looked_up=GATE)

# ipvs
NO_LOOPBACK_SERVER = KubeProxyChange("#101023", (1, 22))
LOCAL_FALLS_BACK = KubeProxyChange("#97081", (1, 24))
NO_MARK_DROP_IN_IPVS = KubeProxyChange("#110628", (1, 25))
VIP_FILTER = KubeProxyChange("#108460", (1, 26))
LOOPBACK_RETURN = KubeProxyChange("#112950", (1, 26))
# The bug of #114815, in the releases with which it was reproduced.
NODE_IPS_WITHOUT_BOUND = KubeProxyChange(
    "1.23 (#114815 reports it)",
    (1, 23),
    looked_up="none: the pull request is not identified, so its backports were not looked up",
)
NODE_IPS_WITH_OWN = KubeProxyChange("#115019", (1, 28), (Backport("#117684", (1, 27, 2)),))
NODE_OUT_FILTER = KubeProxyChange("#119791", (1, 29))
# Requested from the release managers on 2023-12-16. A real 1.29.1 (tagged 2024-01-17, as 1.28.6) still refused. 1.29.2
# and 1.28.7 are the next releases (2024-02-14). Neither cherry-pick has a release note. None goes to 1.26 or 1.27.
EXTERNAL_IP_LOCAL_ADMITTED = KubeProxyChange(
    "#121919", (1, 30), (Backport("#121928", (1, 28, 7)), Backport("#122323", (1, 29, 2)))
)

# nftables
RANGES_BEFORE_DNAT = KubeProxyChange("#122614", (1, 30))
CLUSTER_IP_REJECT = KubeProxyChange("#122692", (1, 30))
PRIMARY_NODE_PORTS = KubeProxyChange("#122724, #123105", (1, 30))
NODE_PORT_CHECK_IN_INPUT = KubeProxyChange("#122692 (as #122687 announces)", (1, 30))
NODE_SHORT_CIRCUIT = KubeProxyChange("#132456", (1, 34), (Backport("#133969", (1, 33, 6)),))  # CHANGELOG-1.33
HAIRPIN_SET = KubeProxyChange("#136499", (1, 36))
