"""How a check fails: in one line that says what is wrong and what to mend."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tlml.errors import TlmlError
from tlml.registry.plugins import one_line

# What mends the errors that authors of strategies meet first.
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


class CheckFailed(TlmlError, AssertionError):
    """What a plugin declares is not true, or it does not behave as the core needs."""


def require(condition: bool, text: str) -> None:
    """Raise `CheckFailed` with `text` where `condition` does not hold."""
    if not condition:
        raise CheckFailed(text)


@contextmanager
def doing(what: str, mend: str = "") -> Iterator[None]:
    """Turn whatever a stranger's code raises in here into a `CheckFailed` that says `what`.

    Args:
        what: The thing and what was being done with it, such as ``"domain tides: pickling it"``.
        mend: What to do about it.
    """
    try:
        yield
    except CheckFailed:
        raise
    except Exception as error:  # whatever a stranger's code raises
        found = mend or remedy(error)
        hint = f"; {found}" if found else ""
        raise CheckFailed(f"{what}: {one_line(error)}{hint}") from error


@contextmanager
def as_it_is(start: str = "") -> Iterator[None]:
    """Turn tlml's own errors, which say all there is to say, into failures of the check."""
    try:
        yield
    except TlmlError as error:
        raise CheckFailed(f"{start}{error}") from error


def remedy(error: BaseException) -> str:
    """Return half a sentence on what mends an error; "" where nothing is known of it."""
    text = str(error)
    return next((mend for sign, mend in _REMEDIES if sign in text), "")
