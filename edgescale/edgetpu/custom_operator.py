"""The operator that the Edge TPU compiler puts in the place of those it maps.

A file of its own: a worker's process needs the name, and not the reader of models.
"""

COMPILED_OPERATOR = "edgetpu-custom-op"
