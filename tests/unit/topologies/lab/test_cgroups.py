from __future__ import annotations

from pathlib import Path

from topologies.lab import cgroups

V1 = """\
30 23 0:26 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct
31 23 0:27 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
32 23 0:28 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd
33 23 0:29 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
"""
V1_OWN = "9:name=systemd:/user\n4:memory:/a/b\n1:cpu,cpuacct:/\n0::/user\n"
V2 = "30 23 0:26 / /sys/fs/cgroup rw,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"


def test_every_hierarchy_of_version_1_is_found_and_a_hybrid_counts_as_version_1() -> None:
    found = {group.name: group.options for group in cgroups.hierarchies(V1, V1_OWN)}

    assert found == {"cpu,cpuacct": "cpu,cpuacct", "memory": "memory", "systemd": "none,name=systemd"}


def test_the_labs_group_is_below_our_own() -> None:
    bases = {group.name: group.base("x") for group in cgroups.hierarchies(V1, V1_OWN)}

    assert bases["memory"] == Path("/sys/fs/cgroup/memory/a/b/hairpin-x")
    assert bases["cpu,cpuacct"] == Path("/sys/fs/cgroup/cpu,cpuacct/hairpin-x")


def test_a_hierarchy_mounted_at_a_group_of_its_own_counts_from_there() -> None:
    mounted = "31 23 0:27 /docker/1 /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"

    [group] = cgroups.hierarchies(mounted, "4:memory:/docker/1\n")

    assert group.base("x") == Path("/sys/fs/cgroup/memory/hairpin-x")


def test_version_2_takes_a_group_below_the_root() -> None:
    [group] = cgroups.hierarchies(V2, "0::/user.slice/session-1.scope\n")

    assert group.unified
    assert group.base("x") == Path("/sys/fs/cgroup/hairpin-x")
