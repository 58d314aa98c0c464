"""`lpaudit config`: every setting, and where it comes from."""

import sys

from lpaudit import config, console
from lpaudit.cli.options import ConfigOption, Format, FormatOption, StoreOption
from lpaudit.cli.world import configured
from lpaudit.errors import Exit


def show_config(
    *,
    store: StoreOption = None,
    row_format: FormatOption = Format.TABLE,
    config_file: ConfigOption = None,
) -> int:
    """Print every setting, its effective value, and where that comes from."""
    settings = configured(config_file, store=store)
    rows = [
        {
            "setting": name,
            "value": config.shown(name, value),
            "from": value.origin,
            "meaning": config.SETTINGS[name].help,
        }
        for name, value in settings.items()
    ]
    names = ["setting", "value", "from", "meaning"]
    console.WRITERS[row_format](names, console.of_dicts(names, rows), sys.stdout)
    return Exit.OK
