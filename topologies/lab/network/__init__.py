"""The hosts of a lab and everything between them: links, addresses, routes, NAT, pod networks and sshd.

plan.py is pure: topology -> hosts. netns.py creates them and is the one module that imports pyroute2. No
Kubernetes here. Start with plan.py.
"""
