"""The truth table: live runs of the standard matrix for versions, modes, networks and flags of kube-proxy.

rows.py       which runs the table has
recording.py  one run as a compact file: what each cell showed, and what ran (recordings/)
page.py       docs/truth.md, made from the recordings
__main__.py   `python -m tests.truth`: run rows in the lab, and write recordings and the page

`tests/unit/probes/oracle/test_truth.py` compares every recording with today's oracle. Start with rows.py.
"""
