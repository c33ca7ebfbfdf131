pytest_plugins = ("topologies.plugin", "probes.plugin", "probes.scenarios.plugin", "reports.plugin")
