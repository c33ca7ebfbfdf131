"""What records mean when put together: diffs, classes of change, failure groups. Pure.

diff.py compares two sides (diff_side.py), change_classes.py names each change, samples.py decides what chance
explains, failure_groups.py puts failures with one cause together. Prints nothing.
Start with diff.py.
"""
