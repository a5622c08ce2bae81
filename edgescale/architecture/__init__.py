"""A network as numbers: block strings, baselines, rounding, layers and their cost."""
