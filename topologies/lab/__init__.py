"""A small real Kubernetes in network namespaces: a whole topology on one machine, with no link to its network.

network/        hosts, links, addresses, routes, sshd                control_plane/  etcd, API server, certificates
load_balancer/  the balancer's configuration and controller          worker/         kubelet, containerd, kube-proxy
build/          Kubernetes programs and images, built and cached     guest/          a kernel with IPVS for the workers

lab.py is its life (`up`, `down`), supervisor.py the first process inside, sandbox.py the way in, ownership.py the
proof before anything is removed. Nothing outside topologies/plugin.py imports it. Start with lab.py.
"""
