"""Developer's tool: the detector's published weights to the int8 files beside this directory.

Run through `convert.sh` (`make model`). Needs TensorFlow and so an environment of
its own; nothing of the product imports it.
"""
