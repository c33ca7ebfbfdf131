"""What the Kubernetes API promises of every implementation of Services: one test a row (docs/contract.md).

A run of a kube-proxy cluster is judged by kube-proxy's rules. There a row that is not kept is an expected failure, so
one fault is never red twice. For any other implementation a broken promise fails.
"""
