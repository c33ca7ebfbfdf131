"""Expectation x observation -> verdict, facet by facet. Pure: asks nothing and derives no expectation.

compare.py judges a cell, run_judge.py a run, backend_coverage.py and binomial.py decide what chance explains,
promise.py and suite.py bind a suite's tests to the cells they judge. Start with compare.py.
"""
