"""Poles and a control room that are containers, and the network between them.

`street` says what is where; `base` makes the Debian they start from; `machine` boots, cuts and
asks one of them; `network` lays the cables and `links` cuts them; `listening` looks at what
listens. `walk` is `make pole`: all of it from nothing.
"""
