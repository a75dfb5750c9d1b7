"""One suite of faults for every pole: a container, a machine, or a rig on a bench.

A test says which capabilities it needs and never on which tier it runs; an environment file in
`../environments` says what its tier is capable of. `python -m suite TIER` runs what the tier
can show and prints the table of faults and tiers.
"""
