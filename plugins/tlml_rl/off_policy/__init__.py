"""What agents share that learn from replayed steps: memory, values of actions, twin critics."""
