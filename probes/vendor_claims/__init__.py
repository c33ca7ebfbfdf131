"""The vendors' documented tables as data, and their check against the rules.

data/ has one YAML file per vendor page, model.py its schema, scenario.py makes the cluster that a claim needs, check.py
asks the rules, live.py finds the cells of a run that can show it. Decides nothing about a run's verdicts. Start with
model.py and docs/documented.md.
"""
