"""Maps of inputs from one side to the other, without a network."""
