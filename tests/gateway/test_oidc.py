"""Bearer tokens, verified in lighttpd: those of the provider's keys pass, everything else is refused."""

import contextlib
import socket
import threading
import time

import pytest

from tests.gateway import gateway, upstream
from tests.gateway.test_basic import ID, MAY, ROUTES, SPELLINGS, reaches_bulk_delete
from tests.gateway.tokens import AUDIENCE, EC, ISSUER, RSA, b64, claims, hmac_token, key_set, token
from tests.oidc.packages import needs_lua
from tests.recording.upstream import wait_for

pytestmark = [pytest.mark.lighttpd, needs_lua]

READ, MAKE = ("GET", "/prefect/api/flows/x"), ("POST", "/prefect/api/deployments/d/create_flow_run")
RSA_KEY, EC_KEY, OTHER = RSA("rsa-1"), EC("ec-1"), RSA("rsa-1")
WEAK = RSA("weak", 1024)


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A gateway, the upstream behind it, and the file with its keys."""
    folder = tmp_path_factory.mktemp("oidc")
    jwks = folder / "jwks.json"
    options = ["--auth", "oidc", "--issuer", ISSUER, "--audience", AUDIENCE, "--jwks", jwks]
    options += ["--may-run", "workers,runners", "--may-delete", "ops", "--may-administer", "admins"]
    with (
        upstream.running() as behind,
        gateway.running(folder / "gateway", behind.url, *options) as front,
    ):
        yield front, behind, jwks


@pytest.fixture
def started(shared, lpaudit, tmp_path):
    """The same, as if nobody had asked them anything yet."""
    front, behind, jwks = shared
    key_set(jwks, RSA_KEY.jwk(use="sig", alg="RS256"), EC_KEY.jwk(), WEAK.jwk(), {"kid": "enc", "use": "enc"})
    behind.seen.clear()
    return front.begin(lpaudit, tmp_path), behind, jwks


def bearer(text):
    return f"Authorization: Bearer {text}"


def test_tokens_of_the_providers_keys_pass_and_the_log_says_whose(started):
    front, behind, _ = started
    assert front.status(*READ, bearer(token(RSA_KEY))) == 200
    assert (
        front.status(*READ, bearer(token(EC_KEY, claims(aud=["a", AUDIENCE], sub=None, client_id="ci"))))
        == 200
    )
    assert front.status(*READ, "authorization: bEARER " + token(EC_KEY, claims(groups="one"))) == 200
    for _ in range(300):  # the length of r and s in DER changes from signature to signature
        assert front.status(*READ, bearer(token(EC_KEY))) == 200
    assert {(m, t) for m, t, _ in behind.seen} == {("GET", "/api/flows/x")}
    assert not any("authorization" in headers for _, _, headers in behind.seen)
    rows = front.rows()
    assert "format lpaudit-gateway" in front.said
    assert len(rows) == 303
    assert [(r["user_name"], r["fields"]["%{AUTH_GROUPS}e"]) for r in rows[:3]] == [
        ("worker-etl", "workers"),
        ("ci", "workers"),
        ("worker-etl", "one"),
    ]
    assert {r["fields"]["%{AUTH_JTI}e"] for r in rows} == {"jti-1"}
    assert {r["http_response_status_code"] for r in rows} == {200}
    assert front.errors.count("lpaudit:") == 0


def swapped(good, body):
    """A good token's header and signature around other claims."""
    head, _, signature = good.split(".")
    return f"{head}.{b64(body)}.{signature}"


HOSTILE = {
    "no-token": lambda: None,
    "not-bearer": [lambda: "Basic Ym9iOmJvYi1wdw==", lambda: "Bearer ", lambda: "x"],
    "not-a-jwt": [
        lambda: "Bearer x",
        lambda: "Bearer a.b",
        lambda: "Bearer a.b.c.d",
        lambda: bearer(token(RSA_KEY))[15:] + "=",
        lambda: bearer(token(RSA_KEY))[15:] + ", Bearer x",
        lambda: bearer(token(RSA_KEY, signature=b""))[15:],
    ],
    "malformed": [
        lambda: "Bearer a.b.c",
        lambda: "Bearer " + token(RSA_KEY, raw_body=b"{"),
        lambda: "Bearer " + token(RSA_KEY, raw_body=b"[]x"),
        lambda: "Bearer " + token(RSA_KEY, raw_body=b'"text"'),
        lambda: "Bearer " + token(RSA_KEY, raw_body=b"[" * 3000),
        lambda: "Bearer " + token(RSA_KEY, raw_body=b'{"exp":NaN}'),
        lambda: "Bearer " + token(RSA_KEY, raw_body=b'{"exp":Infinity}'),
    ],
    "algorithm": [
        lambda: "Bearer " + token(RSA_KEY, header={"alg": "none"}),
        lambda: "Bearer " + token(RSA_KEY, header={"alg": "RS512"}),
        lambda: "Bearer " + token(RSA_KEY, header={"alg": None}),
        lambda: "Bearer " + token(RSA_KEY, header={"alg": {"RS256": 1}}),
        lambda: "Bearer " + token(EC_KEY, header={"alg": "RS256"}),
        lambda: "Bearer " + token(RSA_KEY, header={"kid": "ec-1"}),
        lambda: "Bearer " + hmac_token(RSA_KEY.pem(), "rsa-1"),
    ],
    "critical-header": lambda: "Bearer " + token(RSA_KEY, header={"crit": ["exp"]}),
    "unknown-key": [
        lambda: "Bearer " + token(RSA_KEY, header={"kid": "rsa-2"}),
        lambda: "Bearer " + token(RSA_KEY, header={"kid": None}),
        lambda: "Bearer " + token(RSA_KEY, header={"kid": ["rsa-1"]}),
        lambda: "Bearer " + token(WEAK),
        lambda: "Bearer " + token(RSA_KEY, header={"kid": "enc"}),
    ],
    "bad-signature": [
        lambda: "Bearer " + token(OTHER),
        lambda: "Bearer " + token(EC("ec-1")),
        lambda: "Bearer " + token(RSA_KEY, signature=b"\0"),
        lambda: "Bearer " + token(EC_KEY, signature=bytes(64)),
        lambda: "Bearer " + token(EC_KEY, signature=b"\xff" * 64),
        lambda: "Bearer " + token(EC_KEY, signature=b"\x30\x06\x02\x01\x00\x02\x01\x00"),
        lambda: "Bearer " + swapped(token(RSA_KEY), claims(sub="root")),
        lambda: "Bearer " + token(RSA_KEY).rsplit(".", 1)[0] + ".A",
    ],
    "issuer": [
        lambda: "Bearer " + token(RSA_KEY, claims(iss=ISSUER + "/")),
        lambda: "Bearer " + token(RSA_KEY, claims(iss=None)),
        lambda: "Bearer " + token(RSA_KEY, claims(iss=[ISSUER])),
    ],
    "audience": [
        lambda: "Bearer " + token(RSA_KEY, claims(aud="other")),
        lambda: "Bearer " + token(RSA_KEY, claims(aud=None)),
        lambda: "Bearer " + token(RSA_KEY, claims(aud=[])),
        lambda: "Bearer " + token(RSA_KEY, claims(aud={"x": AUDIENCE})),
    ],
    "no-expiry": [
        lambda: "Bearer " + token(RSA_KEY, claims(exp=None)),
        lambda: "Bearer " + token(RSA_KEY, claims(exp="9999999999")),
        lambda: "Bearer " + token(RSA_KEY, claims(exp=1e300)),
        lambda: "Bearer " + token(RSA_KEY, claims(exp=True)),
    ],
    "expired": [
        lambda: "Bearer " + token(RSA_KEY, claims(exp=int(time.time()) - 31)),
        lambda: "Bearer " + token(RSA_KEY, claims(exp=0)),
    ],
    "not-yet-valid": [
        lambda: "Bearer " + token(RSA_KEY, claims(nbf=int(time.time()) + 60)),
        lambda: "Bearer " + token(RSA_KEY, claims(nbf="0")),
    ],
    "no-subject": [
        lambda: "Bearer " + token(RSA_KEY, claims(sub=None)),
        lambda: "Bearer " + token(RSA_KEY, claims(sub="")),
        lambda: "Bearer " + token(RSA_KEY, claims(sub="-")),
        lambda: "Bearer " + token(RSA_KEY, claims(sub=["root"])),
        lambda: "Bearer " + token(RSA_KEY, claims(sub="a\n lpaudit=2 begin=0")),
        lambda: "Bearer " + token(RSA_KEY, claims(sub="a" * 257)),
    ],
}
CASES = [
    (why, make) for why, makes in HOSTILE.items() for make in (makes if isinstance(makes, list) else [makes])
]


def test_every_other_token_is_refused_and_the_log_says_why(started):
    front, behind, _ = started
    for why, make in CASES:
        header = make()
        headers = [] if header is None else [f"Authorization: {header}"]
        status, answer = front.ask(*READ, *headers)
        assert status == 401, (why, header)
        assert b'WWW-Authenticate: Bearer realm="prefect"' in answer
    assert front.status(*READ, "Authorization: Bearer " + "A" * 12_000 + ".e.e") == 401
    assert behind.seen == []
    rows = front.rows()
    assert [r["fields"].get("%{AUTH_FAIL}e") for r in rows] == [*(why for why, _ in CASES), "malformed"]
    assert {r["user_name"] for r in rows} == {None}
    assert not any("could not be judged" in line for line in front.errors.splitlines())


def test_a_clock_may_differ_by_half_a_minute(started):
    front, *_ = started
    now = int(time.time())
    assert front.status(*READ, bearer(token(RSA_KEY, claims(exp=now - 10, nbf=now + 10)))) == 200


def test_keys_are_exchanged_without_a_restart(started):
    front, _, jwks = started
    newer = RSA("rsa-2")
    assert front.status(*READ, bearer(token(RSA_KEY))) == 200
    assert front.status(*READ, bearer(token(newer))) == 401
    key_set(jwks, RSA_KEY.jwk(), newer.jwk())
    assert front.status(*READ, bearer(token(newer))) == 200
    assert front.status(*READ, bearer(token(RSA_KEY))) == 200
    key_set(jwks, newer.jwk())
    assert front.status(*READ, bearer(token(RSA_KEY))) == 401
    assert front.status(*READ, bearer(token(newer))) == 200
    key_set(jwks, OTHER.jwk())  # the id of the old key, another key
    assert front.status(*READ, bearer(token(RSA_KEY))) == 401
    assert front.status(*READ, bearer(token(OTHER))) == 200


@pytest.mark.parametrize(
    "broken", [b"", b"{", b"[]", b'{"keys": 1}', b"\xff\0", b'{"keys": [null, 1, {"kid": 3}]}', None]
)
def test_a_broken_file_of_keys_lets_nobody_in(broken, started):
    front, behind, jwks = started
    if broken is None:
        jwks.unlink()
    else:
        jwks.write_bytes(broken)
    assert front.status(*READ, bearer(token(RSA_KEY))) == 401
    assert behind.seen == []
    key_set(
        jwks, {"kty": "RSA", "kid": "odd"}, {"kty": "RSA", "kid": "n", "n": "!", "e": "AQAB"}, RSA_KEY.jwk()
    )
    assert front.status(*READ, bearer(token(RSA_KEY))) == 200


def test_groups_decide_who_may_do_what(started):
    front, behind, _ = started

    def asked(groups, method, target):
        return front.status(method, target, bearer(token(EC_KEY, claims(groups=groups))))

    assert asked(None, *READ) == 200
    assert asked(["workers"], *MAKE) == 200
    assert asked(["ops", "x"], "DELETE", "/prefect/api/flow_runs/1") == 200
    passed = len(behind.seen)
    for groups in (
        None,
        [],
        "ops,admins",
        ["ops,workers"],
        {"a": "workers"},
        [["workers"]],
        [1],
        ["Workers"],
        5,
    ):
        assert asked(groups, *MAKE) == 403, groups
    assert asked(["workers"], "DELETE", "/prefect/api/flow_runs/1") == 403
    assert asked(["workers", "ops"], "PATCH", "/prefect/api/deployments/1") == 403
    assert len(behind.seen) == passed
    rows = front.rows()
    assert rows[-1]["user_name"] == "worker-etl"
    assert rows[-1]["fields"]["%{AUTH_FAIL}e"] == "not-allowed-to-administer"
    assert rows[-1]["fields"]["%{AUTH_GROUPS}e"] == "workers,ops"


def test_a_websocket_without_a_token_is_everyday_noise_and_with_one_that_is_over_it_is_not(started, lpaudit):
    front, *_ = started
    over = bearer(token(RSA_KEY, claims(exp=1)))
    assert front.statuses([("GET", "/prefect/api/events/out"), ("GET", "/prefect/api/events/out", over)]) == [
        401,
        401,
    ]
    front.rows()
    ran = lpaudit("sql", "--format", "csv", "select cause, noise from failed_request order by noise")
    assert ran.stdout.split() == [
        "cause,noise",
        *("refused", "by", "the", "gateway:", "expired,false"),
        *("refused", "by", "the", "gateway:", "no-token,true"),
    ]


def test_claims_cannot_forge_fields_of_the_log(started):
    front, *_ = started
    lie = 'x" status=200 refused="-" line="GET / HTTP/1.1\\'
    assert (
        front.status(
            *READ, bearer(token(RSA_KEY, claims(sub=lie, jti=lie, groups=["a", lie, "b\n", "c,d", "é"])))
        )
        == 200
    )
    (row,) = front.rows()
    assert row["user_name"] == lie
    assert row["fields"]["%{AUTH_JTI}e"] == lie
    assert row["fields"]["%{AUTH_GROUPS}e"] == f"a,{lie},é"
    assert row["http_request_method"] == "GET"
    assert row["reject_reason"] is None


BREAK = {
    "a row that is none": ('"GET HEAD OPTIONS", "/**"', "nil, nil"),
    "an error": ("local function judge()", "local function judge() error('x')"),
    "no answer": ("return 0\nend", "return nil\nend"),
    "an odd answer": ("return 0\nend", "return {}\nend"),
    "no syntax": ("local ROLES", "lokal ROLES"),
    "a library that is missing": ('require("cjson")', 'require("cjsonn")'),
}


@pytest.mark.parametrize("case", BREAK)
def test_a_script_that_breaks_lets_nobody_in(case, started):
    """mod_magnet answers an error with 500, but lets pass what returns no number. It reads a changed script within seconds."""
    front, behind, _ = started
    script = front.folder / "gateway.lua"
    text = script.read_text()
    broken = text.replace(*BREAK[case])
    assert broken != text
    good = (*READ, bearer(token(RSA_KEY)))
    try:
        script.write_text(broken)
        wait_for(lambda: front.status(*good) >= 400, 20, "the broken script")
        passed = len(behind.seen)
        assert front.status(*good) >= 400
        assert front.status(*READ) >= 400
        assert len(behind.seen) == passed
    finally:
        script.write_text(f"{text}-- {case}\n")
    wait_for(lambda: front.status(*good) == 200, 20, "the script as it was")


def test_websockets_want_a_token_and_the_role(started):
    front, behind, _ = started
    upgrade = ("Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: eA==")
    reader = bearer(token(EC_KEY, claims(groups=["staff"])))
    assert front.status("GET", "/api/refused", *upgrade, "Connection: Upgrade") == 401
    assert front.status("GET", "/prefect/api/events/in", *upgrade, "Connection: Upgrade", reader) == 403
    assert front.status("GET", "/api/work_pools/x/workers/connect", *upgrade, reader) == 403
    assert behind.seen == []


def test_of_several_tokens_none_is_believed(started):
    """lighttpd makes one header of two: it is no token."""
    front, behind, _ = started
    good, other = bearer(token(RSA_KEY)), bearer(token(RSA_KEY, claims(sub="root")))
    for headers in ((good, other), (good, good), (good, "authorization: Basic eDp4"), (good + ",x",)):
        assert front.status(*READ, *headers) in (400, 401), headers
    for query in ("?access_token=", "?token="):
        assert front.status("GET", READ[1] + query + token(RSA_KEY)) == 401
    assert front.status(*READ, f"Cookie: Authorization={token(RSA_KEY)}") == 401
    assert front.status(*READ, good.replace("Authorization", "X-Authorization")) == 401
    assert front.status(*READ, good.replace("Authorization", "Proxy-Authorization")) == 401
    assert behind.seen == []


def test_a_token_that_is_too_long_is_refused_and_one_with_many_groups_passes(started):
    front, behind, _ = started
    many = bearer(token(EC_KEY, claims(groups=[f"group-{i}" for i in range(600)])))
    assert 8_000 < len(many) < 16_000
    assert front.status(*READ, many) == 200
    long = bearer(token(EC_KEY, claims(groups=[f"group-{i}" for i in range(2000)])))
    assert front.status(*READ, long) in (0, 431)  # lighttpd may hang up before it has read all of it
    assert len(behind.seen) == 1
    assert front.rows()[0]["fields"]["%{AUTH_GROUPS}e"].endswith(",group-599")


def test_when_prefect_is_away_it_is_still_known_who_asked(tmp_path, lpaudit):
    """A connection that Prefect closes is tried again: without Authorization, which was removed the first time."""
    jwks = tmp_path / "jwks.json"
    key_set(jwks, RSA_KEY.jwk())
    options = ["--auth", "oidc", "--issuer", ISSUER, "--audience", AUDIENCE, "--jwks", jwks]
    with socket.create_server(("127.0.0.1", 0)) as closing:
        threading.Thread(target=_close_all, args=[closing], daemon=True).start()
        url = f"http://127.0.0.1:{closing.getsockname()[1]}"
        with gateway.running(tmp_path / "gateway", url, *options) as front:
            front.begin(lpaudit, tmp_path)
            status = front.status(*READ, bearer(token(RSA_KEY)))
            assert status >= 500
            closing.shutdown(socket.SHUT_RDWR)
            closing.close()
            assert front.status(*READ, bearer(token(RSA_KEY))) == 503
            rows = front.rows()
    assert [(row["user_name"], row["http_response_status_code"]) for row in rows] == [
        ("worker-etl", status),
        ("worker-etl", 503),
    ]


def _close_all(server):
    with contextlib.suppress(OSError):
        while True:
            server.accept()[0].close()


ROLES = {"run": "workers", "delete": "ops", "administer": "admins"}


def test_rules_are_the_same_in_lua_and_no_spelling_gets_around_them(started):
    front, behind, _ = started

    def of(roles):
        return bearer(token(EC_KEY, claims(groups=[ROLES[role] for role in sorted(roles) if role != "read"])))

    asked = [(m, t.replace("{id}", ID), role, roles) for m, t, role in ROUTES for roles in MAY.values()]
    statuses = front.statuses([(m, t, of(roles)) for m, t, _, roles in asked])
    allowed = zip(asked, statuses, strict=True)
    assert [one for one, status in allowed if (status != 403) != (one[2] in one[3])] == []
    passed = len(behind.seen)
    assert passed == sum(role in roles for m, _, role, roles in asked if m != "PROPFIND")
    others = of({"run", "administer"})
    front.statuses([("POST", target, others) for target in SPELLINGS])
    assert not any(reaches_bulk_delete(target) for _, target, _ in behind.seen[passed:])
    assert front.status("POST", "/api//flow_runs/bulk%5Fdelete", of({"delete"})) == 200
    assert reaches_bulk_delete(behind.seen[-1][1])
