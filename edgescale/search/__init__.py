"""The search of alpha, beta, gamma: candidates of equal cost, trained, scored, judged honestly."""
