pytest_plugins = ("topologies.plugin", "probes.plugin", "reports.plugin")
