"""`python -m probes predict …`: as the command `hairpin`. A door to the street: nothing of ours imports it."""

from __future__ import annotations

import sys

from reports.cli import main

if __name__ == "__main__":
    sys.exit(main())
