"""The control plane of a lab: etcd, API server, controller manager and scheduler as processes of host `cp`.

components.py starts them, pki.py makes keys and certificates, kubeconfigs.py the tokens and kubeconfigs, api.py is
the lab's own small API client, used before anything else runs. cluster_dns.py has the objects of the cluster's DNS.
Start with components.py.
"""
