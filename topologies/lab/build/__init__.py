"""The programs and images of a lab: Kubernetes from source, container images without a registry, and their cache.

binaries.py decides where the programs come from, kubernetes.py builds them, apt.py fetches sources and packages
without installing them, images.py makes the images, cluster_dns.py builds CoreDNS for one of them. Starts nothing that
stays. Start with binaries.py.
"""
