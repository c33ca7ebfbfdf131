"""A release: what a change of version, mode or flags changes, as predicted and as observed. Pure.

change_class.py names what prediction and observation of one cell show together, story.py has the models that are stored
as JSON, build.py makes them of two sides. Prints nothing, starts nothing. Start with story.py.
"""
