"""Hostile input, by the thousand: every reader of the product must end with its own error, in time and in bounds.

`make unit` runs a tenth of each set, `make fuzz` the whole sets. A case that failed once is kept as a unit test.
"""
