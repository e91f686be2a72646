"""Where the cells of a suite run."""
