"""Tokens of a real OpenID provider, and its keys fetched as the printed comment says: from its jwks_uri."""

import pytest

from tests.gateway import gateway, upstream
from tests.gateway.tokens import EC, RSA
from tests.oidc.packages import needs_lua, needs_provider
from tests.oidc.provider import fetch_keys, login, provider
from tests.rig import free_ports

pytestmark = [pytest.mark.lighttpd, needs_lua, needs_provider]


def bearer(metadata, client):
    return f"Authorization: Bearer {login(metadata, client)}"


def test_its_tokens_pass_until_its_key_is_withdrawn(tmp_path, lpaudit):
    """Its new key is of another kind, too."""
    (port,) = free_ports(1)
    jwks, old, new = tmp_path / "jwks.json", RSA("key-1"), EC("key-2")
    options = ["--auth", "oidc", "--issuer", f"http://127.0.0.1:{port}", "--audience", "prefect-api"]
    options += ["--jwks", jwks, "--may-run", "workers", "--may-delete", "ops"]
    with (
        upstream.running() as behind,
        gateway.running(tmp_path / "gateway", behind.url, *options) as front,
    ):
        front.begin(lpaudit, tmp_path)
        run, delete = (
            ("POST", "/prefect/api/deployments/d/create_flow_run"),
            ("DELETE", "/prefect/api/flow_runs/1"),
        )
        with provider(tmp_path, port, old) as metadata:
            fetch_keys(metadata, jwks)
            first = bearer(metadata, "worker-etl")
            assert front.status(*run, first) == 200
            assert front.status(*delete, first) == 403
            assert front.status(*delete, bearer(metadata, "ci")) == 200
            agent = bearer(metadata, "agent-x")
            assert front.status("GET", "/prefect/api/flows/x", agent) == 200
            assert front.status(*run, agent) == 403
        with provider(tmp_path, port, new, old) as metadata:  # it signs with the new key, and shows both
            second = bearer(metadata, "worker-etl")
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
