"""Tokens of a real OpenID provider, and its keys fetched as the printed comment says: from its jwks_uri."""

import base64
import contextlib
import json
import subprocess
import urllib.parse
import urllib.request
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.gateway import gateway, upstream
from tests.gateway.tokens import EC, RSA, number
from tests.oidc.packages import PROVIDER, needs_lua, needs_provider
from tests.rig import free_ports

pytestmark = [pytest.mark.lighttpd, needs_lua, needs_provider]


def private_jwk(key):
    """A key as a provider is given it."""
    n = key.private.private_numbers()
    if isinstance(key.private, ec.EllipticCurvePrivateKey):
        return key.jwk(alg="ES256", use="sig", d=number(n.private_value, 32))
    parts = {"d": n.d, "p": n.p, "q": n.q, "dp": n.dmp1, "dq": n.dmq1, "qi": n.iqmp}
    return key.jwk(alg="RS256", use="sig", **{name: number(value) for name, value in parts.items()})


@contextlib.contextmanager
def provider(folder, port, *keys):
    """Run the provider with some keys; return its issuer's metadata."""
    jwks = folder / "private.json"
    jwks.write_text(json.dumps({"keys": [private_jwk(key) for key in keys]}))
    script = Path(__file__).resolve().parents[1] / "oidc" / "provider.mjs"
    process = subprocess.Popen(
        ["node", script, PROVIDER, str(port), jwks], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout.readline() == "listening\n", process.stderr.read()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/.well-known/openid-configuration") as answer:
            yield json.load(answer)
    finally:
        process.terminate()
        process.communicate(timeout=30)


def fetch_keys(metadata, path):
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
        return "Authorization: Bearer " + json.load(answer)["access_token"]


@pytest.mark.parametrize("kind", [RSA, EC])
def test_its_tokens_pass_until_its_key_is_withdrawn(kind, tmp_path, lighttpd, lpaudit):
    (port,) = free_ports(1)
    jwks, old, new = tmp_path / "jwks.json", kind("key-1"), kind("key-2")
    options = ["--auth", "oidc", "--issuer", f"http://127.0.0.1:{port}", "--audience", "prefect-api"]
    options += ["--jwks", jwks, "--may-run", "workers", "--may-delete", "ops"]
    with (
        upstream.running() as behind,
        gateway.running(lighttpd, lpaudit, tmp_path / "gateway", behind.url, *options) as front,
    ):
        run, delete = (
            ("POST", "/prefect/api/deployments/d/create_flow_run"),
            ("DELETE", "/prefect/api/flow_runs/1"),
        )
        with provider(tmp_path, port, old) as metadata:
            fetch_keys(metadata, jwks)
            first = login(metadata, "worker-etl")
            assert front.status(*run, first) == 200
            assert front.status(*delete, first) == 403
            assert front.status(*delete, login(metadata, "ci")) == 200
            agent = login(metadata, "agent-x")
            assert front.status("GET", "/prefect/api/flows/x", agent) == 200
            assert front.status(*run, agent) == 403
        with provider(tmp_path, port, new, old) as metadata:  # it signs with the new key, and shows both
            second = login(metadata, "worker-etl")
            assert front.status(*run, second) == 401
            fetch_keys(metadata, jwks)
            assert front.status(*run, second) == 200
            assert front.status(*run, first) == 200
        with provider(tmp_path, port, new) as metadata:
            fetch_keys(metadata, jwks)
            assert front.status(*run, first) == 401
            assert front.status(*run, second) == 200
        rows = front.rows()
    assert [r["user_name"] for r in rows[:5]] == ["worker-etl", "worker-etl", "ci", "agent-x", "agent-x"]
    assert rows[2]["fields"]["%{AUTH_GROUPS}e"] == "ops,workers"
    assert [
        (r["fields"] or {}).get("%{AUTH_FAIL}e") for r in rows if r["http_response_status_code"] == 401
    ] == ["unknown-key"] * 2
    tokens = [r["fields"].get("%{AUTH_JTI}e") for r in rows if r["user_name"]]
    assert all(tokens)
    assert len(set(tokens)) == 5 - 1
