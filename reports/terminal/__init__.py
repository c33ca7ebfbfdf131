"""What a terminal shows: the matrix of a run, its summary, a prediction, a diff, an explanation.

Takes records and analyses, returns text or rich renderables. Decides nothing: analysis/ does. Start with matrix.py.
"""
