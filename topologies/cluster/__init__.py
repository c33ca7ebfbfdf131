"""The live cluster: connect to its API, deploy the workload of a run, wait for it, and remove it.

api.py makes every call and raises every error; client.py applies, observes and removes; manifests.py makes the
objects; pods.py creates pods and reads the policies that restrict them; inventory.py reads what is there before;
run_namespaces.py owns the namespaces of runs, shared_namespace.py the objects in one made beforehand; other_runs.py
finds other runs; proxy_barrier.py and lb_targets.py check whether a change has arrived. rights.py and account.py are
`hairpin rbac`. library.py imports `kubernetes` at its first use: apart from the pod vantage, nothing else does. Judges
nothing. Start with client.py.
"""
