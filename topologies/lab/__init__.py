"""A small real Kubernetes in network namespaces: a whole topology on one machine, with no link to its network."""
