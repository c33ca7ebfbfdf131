"""The places that probes are sent from: a pod, a host by SSH, or a simulated one.

base.py is what each must do: run a script, return its output. pod.py is a door to `kubernetes`, ssh.py and
ssh_files.py the only doors to paramiko. Nothing here knows what a probe is. Start with base.py.
"""
