"""What a gateway with tokens needs on this machine beside lighttpd."""

import os
from pathlib import Path

import pytest

_MODULES = {
    "lighttpd-modules-lua": "lighttpd/mod_magnet.so",
    "lua-luaossl": "*/lua/5.4/_openssl.so",
    "lua-cjson": "*/lua/5.4/cjson.so",
}


def missing():
    """Debian's packages that are not installed."""
    return [name for name, module in _MODULES.items() if not list(Path("/usr/lib").glob(module))]


needs_lua = pytest.mark.skipif(
    bool(missing()) and os.environ.get("LPAUDIT_SKIP_LIGHTTPD") == "1",
    reason=f"LPAUDIT_SKIP_LIGHTTPD=1, and not installed: {', '.join(missing())}",
)
