"""Gradient steps with momentum (Polyak 1964)."""

from tlml import Strategy, gradient


class HeavyBall(Strategy):
    """Steps down the gradient that remember where they came from.

    Args:
        lr: Size of a step.
        steps: How many.
        momentum: How much of the last step is kept, at least 0 and below 1.
    """

    batched = True

    def __init__(self, lr: float = 0.05, steps: int = 5, momentum: float = 0.5):
        super().__init__(lr=lr, steps=steps)
        self.momentum = momentum

    def steps(self, loss, params, support):
        """Yield the parameters after each step."""
        speed = dict.fromkeys(params, 0.0)
        for _ in range(self.max_steps):
            slope = gradient(loss, params, support)
            speed = {n: self.momentum * speed[n] - self.lr * slope[n] for n in params}
            params = {n: p + speed[n] for n, p in params.items()}
            yield params
