"""What learners that keep a table of values share."""
