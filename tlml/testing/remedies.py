"""What mends the errors that authors of strategies meet first."""

from __future__ import annotations

_REMEDIES = (
    ("a leaf Variable that requires grad", "don't change params: yield new tensors, "
     "{n: p - self.lr * grads[n] for n, p in params.items()}"),
    ("in-place operation", "don't change tensors in place: make new ones"),
    (".item() on a Tensor", "batched = True runs all tasks at once: keep numbers as tensors, "
     "without .item(), float() or if"),
    ("data-dependent control flow", "batched = True runs all tasks at once: no if on values; take "
     "torch.where"),
    ("does not require grad and does not have a grad_fn", "take gradients by "
     "tlml.gradient(loss, params, support), not by .backward()"),
    ("operand type(s) for *: 'float' and 'NoneType'", "take gradients by "
     "tlml.gradient(loss, params, support), not by .backward()"),
    ("has no attribute 'keys'", "yield a dict of parameters by name after each step"),
)  # fmt: skip


def remedy(error: BaseException) -> str:
    """Return half a sentence on what mends an error; "" where nothing is known of it."""
    text = str(error)
    return next((mend for sign, mend in _REMEDIES if sign in text), "")
