"""The command line: `hairpin VERB …`, the same as `python -m hairpin VERB …`.

main.py finds the verb; each verb is one module with `add(verbs)`, which declares it, and `run(options)`, which returns
the exit code. Imports every other package; none imports it. Needs no pytest. Start with main.py.
"""
