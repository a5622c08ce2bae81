"""Compound scaling: from a baseline and a phi to a variant."""
