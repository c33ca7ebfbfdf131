"""A guest: a user-mode Linux with what this machine's kernel lacks (IPVS), in which the same lab runs.

The machine's `/` is the guest's root (hostfs), so that a program finds the same files there and leaves its own in the
same places. A guest has no network card: its one line to the machine carries commands (`wire.py`) from `client.py` by
way of `keeper.py`, which holds the guest's process, to `init.py`, the guest's first process.
"""
