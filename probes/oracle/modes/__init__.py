"""The rules of kube-proxy's modes: iptables, ipvs, nftables, and shared.py for what several of them do.

Each mode's module ends in `CHAINS`: every chain of rules of that mode, in order (mode_chains.py). The first rule of a
chain that applies decides. A mode has only the rules that it lists. chains.py maps a mode to its chains. A rule that
belongs to one decision may be in stages/. Start with iptables.py.
"""
