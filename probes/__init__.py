"""What is asked, what should come back, what came back.

Imports topologies (never its lab); asking never sees the expectation.
"""
