"""Lines → entries: what a format string means, and how lines written with it are read."""

from lpaudit.logformat.layout import Layout, compile_layout
from lpaudit.logformat.parse import Parsed, parse
from lpaudit.logformat.presets import PRESETS, Preset, custom_format

__all__ = ["PRESETS", "Layout", "Parsed", "Preset", "compile_layout", "custom_format", "parse"]
