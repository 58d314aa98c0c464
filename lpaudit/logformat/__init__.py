"""Lines → entries: what a format string means, and how lines written with it are read."""

from lpaudit.logformat.layout import Layout, compile_layout
from lpaudit.logformat.parse import Parsed, fits, parse
from lpaudit.logformat.people import people
from lpaudit.logformat.presets import PRESETS, Preset, log_format_of
from lpaudit.logformat.redact import redact
from lpaudit.logformat.secret_fields import has_secrets, redact_fields

__all__ = [
    "PRESETS",
    "Layout",
    "Parsed",
    "Preset",
    "compile_layout",
    "fits",
    "has_secrets",
    "log_format_of",
    "parse",
    "people",
    "redact",
    "redact_fields",
]
