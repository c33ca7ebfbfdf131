"""The rules of a topology that no single field can know. Each rule yields its complaints, with what was expected.

rules.py lists the rules and runs those whose sections are sound; the other modules have the rules of one section
each. Reads the models of `topologies/schema/`, which never import this package. Start with rules.py.
"""
