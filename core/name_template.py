"""Patterns for file names as a biologist writes them: ``{sample}_{passage}_f{field}_*`` instead of a regular expression."""

import re

from core.errors import InputError
from core.naming import DEFAULT_PATTERN, PATTERN_GROUPS

_PIECE = re.compile(r"\{(\w*)\}|(\*)|([^{*]+)|(\{)")


def pattern_of(text: str) -> str:
    """The pattern for ``parse_name`` that ``text`` means.

    Parameters
    ----------
    text : "" for the automatic reading (``DEFAULT_PATTERN``); a regular expression with named groups as it is; else a
        template of the whole file name without its ending: ``{sample}``, ``{passage}`` and so on take any text up to
        what follows them, ``*`` takes anything, everything else stands for itself (capitals do not matter).

    Raises
    ------
    InputError
        A template without a column, with one that does not exist, or with one twice.
    """
    text = text.strip()
    if not text or "(?P<" in text:
        return text or DEFAULT_PATTERN
    parts, names = [], []
    for name, star, literal, brace in _PIECE.findall(text):
        if brace or (not star and not literal and name not in PATTERN_GROUPS):
            wanted = ", ".join(f"{{{group}}}" for group in PATTERN_GROUPS)
            raise InputError(f"The name pattern has {{{name or text[text.index('{') + 1 :][:12]}; wanted columns in braces out of: {wanted}.")
        names += [name] if name else []
        parts.append(f"(?P<{name}>.+?)" if name else ".*?" if star else re.escape(literal))
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice or not names:
        raise InputError(f"The name pattern has {{{twice}}} twice." if twice else "The name pattern names no column; write for example {sample}_{passage}_*.")
    return f"(?i)^{''.join(parts)}$"
