"""Images from files to tensors, and what is kept of them."""
