"""HTTP as functions of values: negotiation, preconditions, headers, problems.

The only place with header names, status codes and query strings. It decides on
strings and returns values; it knows neither the ``request`` proxy nor Flask,
neither Matplotlib nor the cache.
"""

from .conditions import (
    NOT_MODIFIED,
    OK,
    PRECONDITION_FAILED,
    RANGE_NOT_SATISFIABLE,
    Conditions,
    Outcome,
    answer_to,
    evaluate,
    has_copy,
)
from .headers import (
    CACHE_NAME,
    STEPS,
    Freshness,
    Headers,
    Policy,
    Presentation,
    cache_status,
    cache_word,
    content_disposition,
    content_range,
    file_stem,
    picture_headers,
    server_timing,
    validator_headers,
)
from .problems import (
    PROBLEM_TYPE,
    Problem,
    fault,
    not_acceptable,
    precondition_failed,
    problem_headers,
    problem_of,
    range_not_satisfiable,
)
from .requests import MAX_ARGUMENTS, MAX_HEADER_LENGTH, negotiate, parse_query

__all__ = [
    "CACHE_NAME",
    "MAX_ARGUMENTS",
    "MAX_HEADER_LENGTH",
    "NOT_MODIFIED",
    "OK",
    "PRECONDITION_FAILED",
    "PROBLEM_TYPE",
    "RANGE_NOT_SATISFIABLE",
    "STEPS",
    "Conditions",
    "Freshness",
    "Headers",
    "Outcome",
    "Policy",
    "Presentation",
    "Problem",
    "answer_to",
    "cache_status",
    "cache_word",
    "content_disposition",
    "content_range",
    "evaluate",
    "fault",
    "file_stem",
    "has_copy",
    "negotiate",
    "not_acceptable",
    "parse_query",
    "picture_headers",
    "precondition_failed",
    "problem_headers",
    "problem_of",
    "range_not_satisfiable",
    "server_timing",
    "validator_headers",
]
