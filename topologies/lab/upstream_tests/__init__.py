"""Upstream's own end-to-end tests as a witness of the lab: run them, read their reports, write the page.

suite.py starts them against a running lab, image.py makes the image that stands for upstream's, results.py reads the
reports, page.py writes and reads docs/upstream-e2e.md. Which tests are left out, and the command, are in
topologies/lab/upstream_e2e.py. Start with suite.py.
"""
