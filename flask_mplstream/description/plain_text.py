"""Texts of a figure as one line, without mathtext.

Description layer. For alternative texts and headings of data. It does not import
Matplotlib and treats every text as untrusted.
"""

from __future__ import annotations

import re
import unicodedata

#: Maximum characters of a text; the rest is dropped.
_MOST_CHARACTERS = 1000
#: Maximum nesting of commands, such as a fraction of fractions.
_MOST_NESTED = 8

#: Symbols by command; Greek letters are looked up in Unicode.
_SYMBOLS = dict(
    re.findall(
        r"(\w+) (\S)",
        """
    approx ≈  cdot ·  circ °  deg °  degree °  div ÷  dots …  equiv ≡  ge ≥  geq ≥
    in ∈  infty ∞  int ∫  langle ⟨  ldots …  le ≤  leq ≤  nabla ∇  ne ≠  neq ≠
    partial ∂  pm ±  prime ′  prod ∏  propto ∝  rangle ⟩  rightarrow →  sim ~  sum ∑
    times ×  to →  varepsilon ε  varphi φ
    """,
    )
)
#: Commands for fonts and sizes, which are dropped.
_LOOKS = re.compile(
    r"(math(rm|it|bf|sf|tt|cal|bb|frak|scr|regular|default|bfit)|boldsymbol|text|rm"
    r"|it|bf|operatorname|left|right|big|Big|bigg|Bigg|limits|displaystyle)"
)
_RAISED = str.maketrans("0123456789+-−", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻")
_LOWERED = str.maketrans("0123456789+-−", "₀₁₂₃₄₅₆₇₈₉₊₋₋")

_MATH = re.compile(r"(?<!\\)\$((?:\\.|[^$\\])*)\$", re.DOTALL)
_ARGUMENT = r"\s*(?:\{([^{}]*)\}|([^\s{}\\^_]))"
_FRACTION = re.compile(r"\\[dt]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}")
_ROOT = re.compile(r"\\sqrt\s*(?:\[[^\]]*\])?\s*\{([^{}]*)\}")
_LIMITS = re.compile(rf"([∑∫∏])\s*_{_ARGUMENT}\s*\^{_ARGUMENT}")
_RAISE = re.compile(rf"\^{_ARGUMENT}")
_LOWER = re.compile(rf"_{_ARGUMENT}")
_SPACE = re.compile(r"\\(?:[,;:! ]|q?quad\b)")
#: A space after a command ends it; before an operator it also remains a space.
_COMMAND = re.compile(r"\\([A-Za-z]+)(?: (?=[\w\\]))?")


def to_plain(text: object) -> str:
    """Return *text* on one line, with mathtext in words and no control characters."""
    read = str(text)[:_MOST_CHARACTERS]
    if "$" in read:
        read = _MATH.sub(lambda found: _replace_markup(found[1]), read)
        read = read.replace(r"\$", "$")
    return " ".join(_keep_printable(read).split())


def _keep_printable(text: str) -> str:
    if text.isprintable():
        return text
    # No controls, lone surrogates or unassigned code points.
    return "".join(
        " " if c.isspace() else c
        for c in text
        if c.isspace() or unicodedata.category(c) not in {"Cc", "Cs", "Cn"}
    )


def _replace_markup(math: str) -> str:
    math = _COMMAND.sub(_replace_command, _SPACE.sub(" ", math))
    for _ in range(_MOST_NESTED):
        simpler = _replace_innermost(math)
        if simpler == math:
            break
        math = simpler
    return re.sub(r"[{}]|\\(?=[%&#_|])", "", math)


def _replace_command(found: re.Match[str]) -> str:
    name = found[1]
    if name in {"frac", "dfrac", "tfrac", "sqrt"}:
        return f"\\{name}"
    if _LOOKS.fullmatch(name):
        return ""
    return _SYMBOLS.get(name) or _find_greek(name) or f" {name} "


def _find_greek(name: str) -> str:
    size = "SMALL" if name.islower() else "CAPITAL"
    try:
        # Unicode spells it without the b.
        letter = name.upper().replace("LAMBDA", "LAMDA")
        return unicodedata.lookup(f"GREEK {size} LETTER {letter}")
    except KeyError:
        return ""


def _replace_innermost(math: str) -> str:
    math = _FRACTION.sub(lambda m: f"{_group(m[1])}/{_group(m[2])}", math)
    math = _ROOT.sub(lambda m: f"√{_group(m[1])}", math)
    math = _LIMITS.sub(lambda m: f"{m[1]} from {m[2] or m[3]} to {m[4] or m[5]} ", math)
    math = _RAISE.sub(lambda m: _raise(m[1] or m[2] or ""), math)
    return _LOWER.sub(lambda m: _lower(m[1] or m[2] or ""), math)


def _group(math: str) -> str:
    """Return *math*, in parentheses if they are necessary without braces."""
    math = math.strip()
    return f"({math})" if re.search(r"[\s+\-−/]", math) else math


def _raise(math: str) -> str:
    math = math.strip()
    if all(ord(c) in _RAISED for c in math):
        return math.translate(_RAISED)
    return math if math in {"°", "′", "*"} else f" to the {math} "


def _lower(math: str) -> str:
    math = math.strip()
    if all(ord(c) in _LOWERED for c in math):
        return math.translate(_LOWERED)
    return f" {math} "
