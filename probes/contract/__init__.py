"""What the Kubernetes API promises of every implementation of Services, as rows of data, and verdicts by it.

data/ has the rows, model.py their schema, sources.py where a promise is written. selecting.py finds the cells that a
row is about, judging.py compares the answers of a cell with a row. predicted.py does the same with kube-proxy's rules,
and page.py writes docs/contract.md.

Verdicts come from observations. kube-proxy's rules never decide them. Start with model.py and docs/contract.md.
"""
