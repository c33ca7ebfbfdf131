"""A small data plane of our own that obeys the API's contract, to test how one that is not kube-proxy is judged.

It runs on every node of a lab in kube-proxy's place (`lab.data_plane`). Where the contract leaves it free, it does
something else than each mode of kube-proxy. It is test equipment: nothing of the product imports it.

services.py    Services and EndpointSlices of the API as frontends and endpoints
decisions.py   which endpoints serve which clients: every difference from kube-proxy, with the row that leaves it free
violations.py  decisions that break one promise each, planted on purpose
ruleset.py     decisions as one nft transaction
health.py      healthCheckNodePorts
watching.py    list and watch of the API server
__main__.py    the program

Start with decisions.py.
"""
