"""How the cells of a suite are executed: each is safe by itself, and a scheduler runs them all."""
