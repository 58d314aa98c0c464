"""What a gateway with tokens needs on this machine beside lighttpd."""

import os
import shutil
import sys
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


PROVIDER = Path(sys.prefix) / "oidc"
"""Where `make oidc` installs the provider, with what is in package-lock.json."""


def why_no_provider():
    """Say why there is no OpenID provider to test against; None if there is one."""
    if shutil.which("node") is None:
        return "there is no node: NOT tested against a real OpenID provider"
    if not (PROVIDER / "node_modules" / "oidc-provider").is_dir():
        return "`make oidc` has not installed oidc-provider: NOT tested against a real OpenID provider"
    return None


needs_provider = pytest.mark.skipif(why_no_provider() is not None, reason=str(why_no_provider()))
