"""Verification layer by layer, for a network that does not fit into memory.

`layers` says what is compared, `parts` runs the source, `paging` the script, `runs` compares, `compare` is all of it in
the process of a job, and `result` reads its facts.
"""
