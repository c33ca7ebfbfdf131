"""What is usual for each kind of pod network and load balancer: presets of facts, each with its source.

cni.py has the presets of `cni.kind`, load_balancer.py those of `load_balancer.kind`. A preset gives the defaults of
keys; a key in the file overrides it. Imports enums only: the models of `topologies/schema/` read the presets. Rules
and the lab read facts, and of a kind only whether there is a load balancer.
"""
