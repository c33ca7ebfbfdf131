"""What a run shows: records on disk, their analysis, the terminal, HTML, JUnit and Allure.

records/   versioned data: what was asked, expected, observed.    analysis/  pure: verdict, causes, diff, explanations.
terminal/  matrices, summaries, tables.                           html/      self-contained pages.

columns.py, formatting.py and glossary.py serve both outputs. quiet_lists.py keeps the tests of cells out of pytest's
lists. Imports probes and topologies; never asks and never judges. Start with records/record.py.
"""
