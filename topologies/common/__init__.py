"""Tools that every package may use and that know nothing of Kubernetes networking.

Imports nothing of ours. Waiting, subprocesses, threads, errors, time limits and addresses live here, so that each
exists once. What needs a topology or a cluster does not belong here. Start with waiting.py.
"""
