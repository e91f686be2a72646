"""Does to runs of suites what happens to them, and worse, and counts what holds."""
