"""Images that are drawn here, and handwriting beside them."""
