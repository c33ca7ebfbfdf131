"""What a run shows: records on disk, their analysis, the terminal, HTML, JUnit and Allure.

records/   versioned data: what was asked, expected, observed.    analysis/  pure: diff, failure groups, explanations.
terminal/  matrices, summaries, tables.                           html/      self-contained pages.

columns.py and formatting.py serve both outputs. Imports probes and topologies; never asks and never judges. Start with
records/record.py.
"""
