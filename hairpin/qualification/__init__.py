"""The parts of `hairpin qualify`: sides.py reads what was given, lab_runs.py observes a side in a lab.

Only hairpin/qualify.py imports it. Start there.
"""
