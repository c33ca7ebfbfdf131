"""What the API reports of a cluster, as plain values, and how it differs from what is declared. Pure.

snapshot.py is the state at one moment, declared_workload.py puts the declared workload over it, shortfalls.py lists
what is missing, api_fields.py reads required fields, proxy_facts.py reads what a kube-proxy reports of itself. Calls no
API: cluster/ fills these values. The declared workload is the reference: nothing here may lower an expectation because
a cluster is broken. Start with snapshot.py.
"""
