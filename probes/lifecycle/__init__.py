"""What a run does around asking: compare the declared cluster with the real one, wait, watch, end.

preflight.py ends a run whose topology contradicts the cluster, settling.py waits for the workload, stability.py
notices that it changed while cells were asked, shutdown.py ends an interrupted run in time. probers.py makes what runs
commands at the vantages. Sends no probe of a cell and judges none. Start with preflight.py.
"""
