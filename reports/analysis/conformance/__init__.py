"""A conformance report: the rows of the API's contract that runs show, in the shape of Gateway API's report. Pure.

report.py has the models that are stored as JSON or YAML, rows.py merges the contracts of runs into one list of rows,
features.py checks what is claimed, build.py makes the report. reading.py reads a stored one, diff.py compares two,
junit.py writes one as JUnit. Prints nothing, asks nothing. Start with report.py and docs/conformance.md.
"""
