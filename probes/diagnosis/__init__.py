"""Explains the failed cells of a run: which change of the declaration, or which fault, predicts what was observed.

change.py is one change; faults.py, masquerade_faults.py, network_faults.py, packet_drops.py and rule_change.py are
changes that no topology declares; candidates.py lists all that are tried.
hypothesis.py judges cells under changes, search.py finds the smallest that fit, inference.py finds the values of facts
that fit. Pure: asks nothing, reads a judge (probes/judging). Must not import the session or reports. Start with
search.py.
"""
