"""Cells -> observations: batches of curl at every vantage, all vantages at once. Never sees what is expected.

schedule.py is the order of the phases (phase.py is one of them), runner.py the loop over them, vantage_run.py one
vantage's questions and attempts. icmp_rate_limit.py and low_load.py make the phases that depend on results. batch.py,
curl.py, transfers.py and classify.py go from requests to attempts. budget.py and load_meter.py keep our own load out of
the verdicts. Does not import the oracle or judging. Start with schedule.py.
"""
