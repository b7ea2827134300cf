"""The rules for all error messages."""

from __future__ import annotations

import re

import pytest


def assert_short(caught: pytest.ExceptionInfo[BaseException]) -> None:
    """Check that a message has at most two sentences and no text of pydantic's."""
    text = str(caught.value)
    assert len(re.findall(r"[.?!](?= [A-Z]|$)", text)) <= 2, text
    assert "Input should" not in text
