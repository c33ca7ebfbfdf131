"""What the Kubernetes API promises while Services and pods change: one test a scenario (docs/contract.md).

They run only with `--scenarios`, or if this folder is named on the command line. On any cluster a broken promise fails,
unless kube-proxy's rules predict it in this mode and version.
"""
