"""What the lake costs on AWS: `make cost`.

measure   counts what a session's run uses, on the local AWS, into measured.json
prices    the dated price list, prices.yaml
estimate  from the two, dollars
report    docs/cost.md
"""
