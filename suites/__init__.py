"""What a run promises: one test per promise, and one module for everything that is judged by the rules alone.

`judge_cells` (marker.py) makes a test of a sentence. Its arguments are the facet that is judged, the cells (selectors),
and what is promised of all of them:

    @judge_cells(Facet.SOURCE, frontend="nodeport", policy="Local", ..., expects="ok kept")
    def test_a_local_node_port_keeps_the_client_address() -> None:
        \"\"\"A backend behind a Local NodePort sees the client's own address.\"\"\"

`expects` is read by `probes/judging/promise.py`. tests/unit/probes/judging/test_promises.py checks that the oracle
expects exactly this of every selected cell of every library topology. A promise must have no exceptions: narrow its
selectors. The cells that it loses are then judged by test_as_the_rules_say.py.
"""
