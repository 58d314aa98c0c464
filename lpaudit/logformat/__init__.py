"""Lines → entries: what a format string means, and how lines written with it are read."""

from lpaudit.logformat.layout import Layout, compile_layout
from lpaudit.logformat.parse import Parsed, parse
from lpaudit.logformat.presets import PRESETS, Preset, log_format_of

__all__ = ["PRESETS", "Layout", "Parsed", "Preset", "compile_layout", "log_format_of", "parse"]
