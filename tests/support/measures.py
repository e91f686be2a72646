"""Tables of scores, and the text of an error."""

from __future__ import annotations

import pytest
from gymnasium.spaces import Box, Discrete

from tlml.errors import TlmlError

CLASSES, VALUES = Discrete(3), Box(-1.0, 1.0, (2,))


def message(call, *arguments, **options) -> str:
    with pytest.raises(TlmlError) as caught:
        call(*arguments, **options)
    return str(caught.value)
