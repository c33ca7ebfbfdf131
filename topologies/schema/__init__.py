"""The declared cluster: frozen models of a topology file, and the rules that hold between their fields.

topology.py is the whole file, network.py and workload.py are its two halves, enums.py and scalars.py the types of
their fields. presets/ has what is usual for each `kind`, validation/ has what no single field can know. Reads no file
and talks to no cluster: loading/ makes a topology, cluster/ deploys it. Start with topology.py.
"""
