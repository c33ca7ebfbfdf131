"""`python -m hairpin VERB …`: the same as the command `hairpin`."""

from __future__ import annotations

import sys

from hairpin.main import main

if __name__ == "__main__":
    sys.exit(main())
