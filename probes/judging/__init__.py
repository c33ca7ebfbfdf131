"""Expectation x observation -> verdict, facet by facet. Pure: asks nothing and derives no expectation.

compare.py judges a cell, account.py justifies the verdict, run_judge.py judges a run. backend_coverage.py and
binomial.py decide what chance explains. promise.py and suite.py bind a suite's tests to the cells they judge. Start
with compare.py.
"""
