"""The rules turned into wrong ones, one at a time: what tests and recordings must notice.

mutations.py flips every rule, alternatives.py gives each rule's natural alternative. Used by tests.mutants and
tests.confirmed; no run of the suite imports it.
"""
