"""The live cluster: connect to its API, deploy the workload of a run, wait for it, and remove it.

api.py makes every call and raises every error; client.py applies, observes and removes; manifests.py makes the
objects; run_namespaces.py owns the namespaces; proxy_barrier.py and lb_targets.py check whether a change has arrived.
library.py imports `kubernetes` at its first use: apart from the pod vantage, nothing else does. Judges nothing. Start
with client.py.
"""
