"""What is asked, what should come back, what came back, and how the two compare.

plan/           topology -> cells. Pure.
oracle/         cell -> expectation, by kube-proxy's rules. Pure.
asking/         cells -> observations. Knows no expectation.
judging/        expectation x observation -> verdict. Pure.
lifecycle/      what a run does before and after it asks.
vendor_claims/  the vendors' documented tables, as data.

session.py is one run without pytest, shared_answers.py lets xdist's processes ask once, plugin.py is pytest's side.
observation.py is what every attempt got. Start with session.py.
"""
