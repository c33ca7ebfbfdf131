"""The version of Hairpin. The package's metadata, reports and `hairpin --version` read it from here."""

from __future__ import annotations

VERSION = "0.1.0"
