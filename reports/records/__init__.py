"""The data of a run as it is stored: versioned, written as soon as it is known, readable after a kill.

record.py is one judged cell, run.py a whole run, schema.py their parts, journal.py the files, reading.py reads them
back within limits, build.py makes records from answers, crash_recovery.py finishes a killed run. Formats nothing for
people. Start with record.py.
"""
