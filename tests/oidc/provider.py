"""A real OpenID provider that runs, and what services ask it for."""

import base64
import contextlib
import json
import subprocess
import urllib.parse
import urllib.request
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from tests.gateway.tokens import number
from tests.oidc.packages import PROVIDER

GROUPS = {"worker-etl": ["workers"], "ci": ["ops", "workers"], "agent-x": [], "late": ["workers"]}
"""Its clients, each with the secret ``<name>-secret``, and the groups in their tokens."""
LIFETIMES = {"late": 1}
"""Seconds that a client's tokens are good for; else an hour."""


@contextlib.contextmanager
def provider(folder, port, *keys):
    """Run the provider with some keys; return its issuer's metadata."""
    settings = folder / "provider.json"
    described = {"keys": [_private_jwk(key) for key in keys], "groups": GROUPS, "lifetimes": LIFETIMES}
    settings.write_text(json.dumps(described))
    script = Path(__file__).with_name("provider.mjs")
    process = subprocess.Popen(
        ["node", script, PROVIDER, str(port), settings],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout.readline() == "listening\n", process.stderr.read()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/.well-known/openid-configuration") as answer:
            yield json.load(answer)
    finally:
        process.terminate()
        process.communicate(timeout=30)


def fetch_keys(metadata, path):
    """Fetch the keys as the printed comment says: from the jwks_uri, whole or not at all."""
    with urllib.request.urlopen(metadata["jwks_uri"]) as answer:
        new = path.with_suffix(".new")
        new.write_bytes(answer.read())
        new.replace(path)


def login(metadata, client):
    """Get an access token as a service does."""
    request = urllib.request.Request(
        metadata["token_endpoint"],
        urllib.parse.urlencode({"grant_type": "client_credentials", "scope": "api"}).encode(),
        {"Authorization": "Basic " + base64.b64encode(f"{client}:{client}-secret".encode()).decode()},
    )
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)["access_token"]


def claims_of(token):
    """Read a token's claims, without a look at its signature."""
    body = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))


def _private_jwk(key):
    """A key as a provider is given it."""
    n = key.private.private_numbers()
    if isinstance(key.private, ec.EllipticCurvePrivateKey):
        return key.jwk(alg="ES256", use="sig", d=number(n.private_value, 32))
    parts = {"d": n.d, "p": n.p, "q": n.q, "dp": n.dmp1, "dq": n.dmq1, "qi": n.iqmp}
    return key.jwk(alg="RS256", use="sig", **{name: number(value) for name, value in parts.items()})
