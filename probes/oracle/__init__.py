"""What kube-proxy of this mode and version must do: environment, snapshot and cell -> expectation, by rules. Pure.

predict.py is the entry, pipeline.py the order of decisions, connection.py the packet on its way. stages/ holds the
rules of each decision, modes/ the chains of iptables, ipvs and nftables. catalogue.py lists every rule,
upstream.py the kube-proxy releases that bound them. Never sees an observation's maker or a live cluster.
Start with predict.py.
"""
