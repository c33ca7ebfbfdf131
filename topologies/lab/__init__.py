"""A small real Kubernetes in network namespaces: a whole topology on one machine, with no link to its network.

network/        hosts, links, addresses, routes, sshd                control_plane/  etcd, API server, certificates
load_balancer/  the balancer's configuration and controller          worker/         kubelet, containerd, kube-proxy
build/          Kubernetes programs and images, built and cached     guest/          a kernel with IPVS for the workers

lab.py creates a lab (`up`), teardown.py removes it (`down`), supervisor.py is the first process inside, sandbox.py runs
commands inside, ownership.py checks what may be removed. The product does not import this package; topologies/plugin.py
and `hairpin lab` do. Start with lab.py.
"""
