"""The label of the output that stands before the first class in models with a label offset.

A file of its own: a worker's process needs the name, and not the reader of label files.
"""

BACKGROUND = "background"
