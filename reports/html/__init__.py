"""Self-contained HTML pages: a run, a prediction, a diff, the vendors' claims.

page.py renders every template of templates/ with its style and script in one file. Decides nothing: analysis/ does.
Start with page.py.
"""
