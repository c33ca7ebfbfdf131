"""Tests that bring up real labs on this machine. They need root.

`lifecycle/`: a lab comes up and goes down without traces, also after a kill. `verdicts/`: a run on a real cluster gets
the verdicts that the rules give. `faults/`: whatever is broken, misconfigured or missing changes exactly the right
cells. `support/`: programs that run inside a lab, and helpers.
"""
