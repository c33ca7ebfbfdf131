"""Scenarios: promises of the API's contract that need a change while they are asked, on any cluster.

`results` has what a report reads. Must not import reports or pytest.
Start reading at `results`.
"""
