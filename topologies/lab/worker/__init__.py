"""A worker of a lab: containerd, kubelet and kube-proxy in a network namespace of its own.

node.py writes their files, init.py is the first process that starts them, workers.py makes all workers of a kernel,
proxy_mode.py checks that every kube-proxy runs in its declared mode. Start with node.py.
"""
