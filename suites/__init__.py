"""What a run promises: one short test per promise, and one module for everything that is judged by the rules alone.

The marker of a test says which cells it judges (selectors), in which facet, and what it promises of all of them:

    @pytest.mark.cells(Facet.SOURCE, frontend="nodeport", policy="Local", ..., expects="ok kept")

`expects` is read by `probes/judging/promise.py`. tests/unit/probes/judging/test_promises.py holds that the oracle
expects exactly that of every selected cell of every library topology. A promise with exceptions is no promise:
narrow its selectors. The cells that it loses go to test_as_the_rules_say.py by themselves.
"""
