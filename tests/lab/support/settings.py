"""Environment variables that the lab tests read."""

from __future__ import annotations

import os
from pathlib import Path

SLOW = "HAIRPIN_SLOW"  # set: also run the tests that take many minutes
GIVEN = os.environ.get("HAIRPIN_KUBERNETES_BIN")
PROGRAMS = Path(GIVEN) if GIVEN else None
"""The directory of the Kubernetes programs. None: the lab downloads them."""
