"""Declared topologies, the workload of a run in a live cluster, and the lab: what is there.

common/         waiting, subprocesses, errors, timeouts, addresses: used by every package, knows nothing of a topology.
schema/         the declared cluster as frozen models, and the rules that hold between their fields.
loading/        YAML file -> topology, or one error that lists every complaint.
cluster_state/  what the API reports, as plain values, and its comparison with what is declared. Pure.
cluster/        the live cluster: the API client, the objects of a run, and what a run waits for.
discovery/      the topology file of a cluster that has none, with the source of every value.
lab/            a small real cluster in network namespaces, for topologies named `lab-*`.

Imports nothing from probes, reports, suites or hairpin. Start with schema/topology.py and library/lab-flannel.yaml.
"""
