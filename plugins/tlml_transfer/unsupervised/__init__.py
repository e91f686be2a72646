"""Learning from inputs without labels, with the source as a prior."""
