"""The largest topology file that is read. A complaint names the limit, and docs/topology.md lists them all."""

from __future__ import annotations

FILE_BYTES = 1 << 20
VALUES = 100_000  # mappings, lists and scalars, each alias counted with all that it stands for
DEPTH = 20  # levels of nesting; the schema itself needs 5
SCALAR_CHARACTERS = 4_096
NODES = 5_000
LISTED = 101  # nodes of one class that a plan lists for one client and Service; the others are counted
NUMBERED_NODES = 200  # `nodes: N`, which takes its addresses from 198.18.1.0/24
EXTERNAL_HOSTS = 100
LISTENERS = 100
BACKENDS = 1_000
SERVICES = 1_000
VANTAGES = 200
DEVIATIONS = 1_000
CELLS = 200_000  # client x frontend, those included that the plan leaves out with a reason
HINTS = 200  # complaints about single values with similar keys or values; difflib takes its time
COMPARED = 250  # words that are compared letter by letter with one that is not known
OF_A_RULE = 200  # complaints
LINES = 100  # of an error
SIMILAR = 3  # complaints that differ only in a list's index; more are counted
