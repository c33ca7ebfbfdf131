"""The places that probes are sent from: a pod, or a host by SSH.

base.py is what each must do: run a script, return its output. pod.py is a door to `kubernetes`, ssh.py and
ssh_files.py the only doors to paramiko. Nothing here knows what a probe is. Start with base.py.
"""
