"""What the agents share: policies, networks, and their arithmetic."""
