"""A guest: a user-mode Linux with what this machine's kernel lacks (IPVS), which holds a lab's workers.

Everything else of the lab (control plane, load balancer, router, external hosts, pytest) stays on the machine's own
kernel. The guest is a process of the island, with the island's view of the machine's files as its root (hostfs), so
that it finds the lab's state where everybody does; its only cards are plugged into the island's own switches.
"""
