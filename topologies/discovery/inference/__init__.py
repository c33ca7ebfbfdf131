"""Infer the values of a topology file from an inventory and from what nodes report. Pure.

products.py recognizes the CNI; pod_network.py, proxy.py, kernel.py, balancer.py, ranges.py and own_addresses.py find
the values of one section each. Every value has a source; what is not known is `unknown` with the reason. Reads no API,
runs no pod, and knows nothing of the file's form. Start with pod_network.py.
"""
