"""Discover a cluster, and write a topology file for it, with the source of every value.

api_reads.py lists what the API has and inventory.py holds it as plain values; nodes.py chooses nodes; probe_pods.py
runs unprivileged pods there, node_facts.py and reachability.py read what they print; inference/ finds the values
(pure); writing.py makes the file. What cannot be read is written as `unknown`: nothing here guesses, and nothing here
judges. Needs no pytest and nothing above `topologies/`. Start with discover.py.
"""
