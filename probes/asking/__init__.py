"""Cells -> observations: one batch of curl per vantage, all vantages at once. Never sees what is expected.

schedule.py is the order, runner.py the loop, vantage_run.py what one vantage was asked and answered. batch.py,
curl.py, transfers.py and classify.py go from requests to attempts. icmp_rate_limit.py confirms timeouts; budget.py,
load_meter.py and low_load.py keep our own load out of the verdicts. Imports neither the oracle nor judging. Start
with runner.py.
"""
