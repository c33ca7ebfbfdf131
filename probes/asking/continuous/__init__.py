"""Ask fixed cells again and again from every vantage, and hold connections, while something changes in the cluster.

client.py is the program at a vantage, clients.py starts one for each vantage and ends them, events.py reads what they
have written. Every line is written as soon as it is known, so that a killed run loses nothing. Knows no expectation and
no lab: the caller gives the command that enters a vantage's namespaces. Start with client.py.
"""
