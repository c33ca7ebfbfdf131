"""The rules of kube-proxy's modes: iptables, ipvs, nftables, and shared.py for what several of them do.

Each mode lists its chains of rules; the first rule that applies decides. A rule that holds in every mode and belongs
to one decision is in stages/. Start with chains.py.
"""
