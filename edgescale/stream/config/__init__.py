"""The file that holds sources, outputs and budget of a live run."""
