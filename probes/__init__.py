"""What is asked, what should come back, what came back, and how the two compare.

plan/           topology -> cells. Pure.
oracle/         cell -> expectation, by kube-proxy's rules. Pure.
asking/         cells -> observations. Knows no expectation.
judging/        expectation x observation -> verdict. Pure.
lifecycle/      what a run does before and after it probes.
vendor_claims/  the vendors' documented tables, as data.

session.py is a live run without pytest, plugin.py the pytest plugin. shared_answers.py and shared_verdicts.py let one
process of pytest-xdist probe and judge for all. observation.py has the results of attempts. Start with session.py.
"""
