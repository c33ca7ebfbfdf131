"""Read a topology file: YAML text -> raw values -> topology, or one error that lists every complaint.

yaml_file.py reads within limits, expansion.py writes out short forms, overrides.py applies `--with`, parsing.py makes
the models and words every complaint, key_tables.py documents the keys. What a topology may contain is defined in
schema/. Start with load.py.
"""
