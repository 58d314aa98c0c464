"""What somebody should not have sent does not get into the store; that it was the same twice can be seen."""

import json
import stat

import pytest

KEY = "pnu_aB3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1xY3zA5"
ACCESS = f"""\
192.0.2.7 gw alice [23/Nov/2026:10:15:00 +0000] "GET /api/flows?api_key={KEY} HTTP/1.1" 200 22 "-" "curl"
192.0.2.9 gw - [23/Nov/2026:10:16:00 +0000] "GET /hook HTTP/1.1" 404 22 "https://ci:{KEY}@example.com/" "curl"
192.0.2.9 gw - [23/Nov/2026:10:16:01 +0000] "GET /hook?token=hunter2&x=*** HTTP/1.1" 404 22 "-" "*/*"
"""
ERROR = f"2026-11-23 10:15:47: (mod_auth.c.805) missing ':' in {KEY}\n"


@pytest.fixture
def logs(tmp_path):
    (tmp_path / "access.log").write_text(ACCESS)
    (tmp_path / "error.log").write_text(ERROR)
    return tmp_path


def ask(lpaudit, query):
    ran = lpaudit("sql", "--format", "json", query)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def test_secrets_are_in_no_file_and_the_same_ones_look_alike(logs, lpaudit):
    ran = lpaudit("ingest", "--host", "gw1", "access.log", "error.log")
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == ""
    for file in (logs / "lpaudit-store").rglob("*"):
        if file.is_file():
            assert KEY[4:].encode() not in file.read_bytes(), file
    found = ask(lpaudit, "select field, fingerprint, client from leaked_secret order by time, field")
    assert [row["field"] for row in found] == ["query", "error log", "referer", "query", "query"]
    prints = [row["fingerprint"] for row in found]
    assert prints[0] == prints[1] == prints[2]
    assert len(prints[0]) == 16
    assert sorted(prints[3:], key=str) == sorted([prints[3], None], key=str), "a few stars say nothing"
    rows = ask(lpaudit, "select query, referer, user_agent from access order by time")
    assert rows[0]["query"] == f"api_key=pnu_*{prints[0]}*".ljust(len(f"api_key={KEY}"), "*")
    assert rows[2]["user_agent"] == "*/*"
    verified = lpaudit("verify", "--full")
    assert "changed" not in verified.stdout
    assert "compared with" in verified.stdout


def test_the_key_is_its_users_alone_and_made_once(logs, lpaudit):
    key = logs / "elsewhere" / "fingerprint.key"
    settings = {"XDG_STATE_HOME": "", "LPAUDIT_FINGERPRINT_KEY": str(key)}
    assert lpaudit("ingest", "--dry-run", "access.log", env=settings).returncode == 0
    assert not key.exists()
    assert lpaudit("ingest", "access.log", env=settings).returncode == 0
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert len(bytes.fromhex(key.read_text())) == 32
    before = ask(lpaudit, "select fingerprint from leaked_secret order by all")
    again = lpaudit("ingest", "--store", "other", "access.log", env=settings)
    assert again.returncode == 0
    ran = lpaudit(
        "sql", "--store", "other", "--format", "json", "select fingerprint from leaked_secret order by all"
    )
    assert json.loads(ran.stdout) == before


def test_another_key_makes_no_other_log_of_it(logs, lpaudit):
    assert lpaudit("ingest", "access.log", "error.log").returncode == 0
    other = {"LPAUDIT_FINGERPRINT_KEY": "other.key"}
    ran = lpaudit("ingest", "access.log", "error.log", env=other)
    assert "nothing new in 2 sources" in ran.stdout
    with (logs / "access.log").open("a") as log:
        log.write(ACCESS.splitlines()[0].replace("10:15:00", "10:17:00") + "\n")
    assert lpaudit("ingest", "access.log", env=other).returncode == 0
    rows = ask(lpaudit, "select fingerprint from leaked_secret where length(fingerprint) = 16")
    assert (len(rows), len({row["fingerprint"] for row in rows})) == (4, 2)


@pytest.mark.parametrize(
    ("setting", "text", "said"),
    [
        ("lpaudit-store/fingerprint.key", None, "would be in the store"),
        ("bad.key", "no digits", "is no key of fingerprints"),
        ("short.key", "00ff", "is no key of fingerprints"),
        ("access.log/key", None, "cannot use the key of fingerprints"),
    ],
)
def test_a_key_that_is_none_is_told_and_nothing_is_stored(setting, text, said, logs, lpaudit):
    if text:
        (logs / setting).write_text(text)
    ran = lpaudit("ingest", "access.log", env={"LPAUDIT_FINGERPRINT_KEY": setting})
    assert ran.returncode == 2
    assert said in ran.stderr
    assert "hint: " in ran.stderr
    assert not (logs / "lpaudit-store").exists()


def test_where_no_key_can_be_made_secrets_are_redacted_all_the_same(logs, lpaudit):
    ran = lpaudit("ingest", "access.log", env={"XDG_STATE_HOME": str(logs / "access.log")})
    assert ran.returncode == 0
    assert "secrets get no fingerprints" in ran.stderr
    rows = ask(lpaudit, "select query from access order by time limit 1")
    assert rows == [{"query": f"api_key=pnu_{'*' * len(KEY[4:])}"}]


def test_a_store_is_for_its_user_and_group(logs, lpaudit):
    assert lpaudit("ingest", "access.log").returncode == 0
    assert stat.S_IMODE((logs / "lpaudit-store").stat().st_mode) & 0o007 == 0
