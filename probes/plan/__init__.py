"""Topology -> the cells of a run, in order, and what was left out and why. Pure.

A cell is vantage x frontend x family x protocol; its id is a pytest id, a folder name and a `-k` expression.
node_ports.py chooses the nodes to probe, selection.py reads `@pytest.mark.cells`, deviations.py the declared
deviations. Needs no cluster and no pytest. Start with plan.py.
"""
