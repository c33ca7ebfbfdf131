"""Why a run did not pass: its verdict in one line, and failed cells grouped by what one repair would mend. Pure.

differences.py describes how a cell differs from its expectation, common_factors.py finds what cells share,
failure_groups.py groups them, deciding_rule.py names one rule, run_verdict.py makes the headline. The search for
explanations is in probes/diagnosis; here they are read from the run. Start with run_verdict.py.
"""
