"""The topologies of the library as parameters of a test."""

from __future__ import annotations

import pytest

from topologies.loading.load import names

QUICK = {"lab-small", "lab-ipvs-flannel"}
"""One topology in iptables mode and one in IPVS mode. Of a test over the library, the quick set runs these alone."""
LIBRARY = [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in names()]
