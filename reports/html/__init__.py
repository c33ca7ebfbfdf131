"""Self-contained HTML pages: a run, a prediction, a diff, the vendors' claims.

page.py renders every template of templates/ with its style and script in one file; run.py, prediction.py, diff.py and
claims.py prepare the variables of one page each. Decides nothing: analysis/ does. Start with page.py.
"""
