"""What happens inside a cell: learners are trained, options chosen, episodes adapted to."""
