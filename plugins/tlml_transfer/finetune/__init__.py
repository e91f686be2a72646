"""Fine-tuning a trained network, parts of it, or nothing."""
