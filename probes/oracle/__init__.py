"""What kube-proxy of this mode and version must do: environment, snapshot and cell -> expectation, by rules. Pure.

predict.py is the entry, pipeline.py the order of decisions, connection.py the packet on its way, client.py its sender.
stages/ holds the rules of each decision, modes/ the chains in which iptables, ipvs and nftables list them. catalogue.py
lists every rule. upstream.py has the kube-proxy releases that bound rules, and alone compares versions. mutation/ turns
rules into wrong ones for tests. Does not import code that makes observations or calls a live cluster.
Start with predict.py.
"""
