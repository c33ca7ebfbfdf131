"""What records mean when put together: the verdict on a run, its causes, diffs, classes of change. Pure.

causes/ makes the verdict on a run and groups its failures. diff.py compares two sides (diff_side.py),
change_classes.py names each change, samples.py decides what chance explains. overview.py, cluster_facts.py and
repeat_command.py prepare parts of a run's report, explanations.py stores what probes/diagnosis finds. Prints nothing.
Start with causes/run_verdict.py or diff.py.
"""
