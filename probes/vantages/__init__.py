"""Ways to run a command where a question is asked from: exec into a pod, SSH to a host, or a function handed in."""
