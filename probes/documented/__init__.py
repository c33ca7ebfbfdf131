"""Vendors' documented tables as data: what each cell claims, the cluster it needs, and what the rules say to it."""
