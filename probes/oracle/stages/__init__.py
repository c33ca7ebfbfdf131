"""The rules of each decision about a packet, in the order that the packet meets them.

arrival -> load_balancer -> node_owned_addresses -> host_ports -> source_ranges -> endpoints -> masquerade_mark ->
source_nat -> return_path. A rule is a small function with an id, one sentence, a version range and a source. A rule
of kube-proxy holds only in the modes whose chains list it (modes/). Start with arrival.py.
"""
