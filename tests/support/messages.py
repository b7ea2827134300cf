"""What every message of an error must be."""

from __future__ import annotations

import re

import pytest


def assert_short(caught: pytest.ExceptionInfo[BaseException]) -> None:
    """The problem and the fix, two sentences at most and not pydantic's."""
    text = str(caught.value)
    assert len(re.findall(r"[.?!](?= [A-Z]|$)", text)) <= 2, text
    assert "Input should" not in text
