"""Settings are read as Prefect's own client reads them: it is asked, and says the same."""

import json
import subprocess

import pytest

from lpaudit.errors import ConfigError
from lpaudit.prefect.settings import load
from tests.realprefect import environment

PROFILES = """
active = "here"
[profiles.here]
PREFECT_API_URL = "http://here.example/api"
PREFECT_API_KEY = "key-of-here"
PREFECT_CLIENT_MAX_RETRIES = "2"
[profiles.there]
PREFECT_API_URL = "https://there.example/api"
PREFECT_API_AUTH_STRING = "user:pässword"
PREFECT_CLIENT_CUSTOM_HEADERS = '{"X-A": "b"}'
"""
TOML = '[api]\nurl = "http://toml.example/api"\nrequest_timeout = 7\n[client]\ncustom_headers = {"X-Toml" = "t"}\n'
PYPROJECT = '[tool.prefect.api]\nurl = "http://pyproject.example/api"\nkey = "key-of-pyproject"\n'
DOTENV = 'PREFECT_API_URL="http://dotenv.example/api"\nexport PREFECT_API_REQUEST_TIMEOUT=9 # seconds\n'

CASES = {
    "active profile": ({}, {}),
    "named profile": ({"PREFECT_PROFILE": "there"}, {}),
    "environment": (
        {"PREFECT_API_URL": "http://env.example/api/", "PREFECT_API_TLS_INSECURE_SKIP_VERIFY": "true"},
        {},
    ),
    "prefect.toml": ({}, {"prefect.toml": TOML}),
    "pyproject.toml": ({}, {"pyproject.toml": PYPROJECT}),
    "both": ({}, {"prefect.toml": TOML, "pyproject.toml": PYPROJECT}),
    ".env": ({}, {".env": DOTENV, "prefect.toml": TOML}),
    "everything": (
        {"PREFECT_API_REQUEST_TIMEOUT": "3", "PREFECT_CLIENT_MAX_RETRIES": "0", "PREFECT_PROFILE": "there"},
        {".env": DOTENV, "prefect.toml": TOML, "pyproject.toml": PYPROJECT},
    ),
    "headers of two sources": (
        {
            "PREFECT_CLIENT_CUSTOM_HEADERS": '{"X-Env": "e", "Authorization": "Basic eA=="}',
            "PREFECT_PROFILE": "there",
        },
        {},
    ),
    "extra statuses": ({"PREFECT_CLIENT_RETRY_EXTRA_CODES": "500,504"}, {}),
}
ORACLE = """
import json
from prefect.settings import get_current_settings
from prefect.client.orchestration import get_client
s = get_current_settings()
c = get_client(sync_client=True)._client
print(json.dumps({
    "url": s.api.url, "timeout": s.api.request_timeout, "retries": s.client.max_retries,
    "verify": not s.api.tls_insecure_skip_verify, "codes": sorted(s.client.retry_extra_codes),
    "headers": {k: v for k, v in c.headers.items() if k == "authorization" or k.startswith("x-") and "prefect" not in k},
}))
"""


def laid_out(tmp_path, files):
    home, folder = tmp_path / "prefect-home", tmp_path / "work"
    home.mkdir()
    folder.mkdir()
    (home / "profiles.toml").write_text(PROFILES)
    for name, text in files.items():
        (folder / name).write_text(text)
    return home, folder


@pytest.mark.prefect
@pytest.mark.parametrize("case", CASES)
def test_prefect_s_client_reads_the_same(tmp_path, case, prefect_server):
    given, files = CASES[case]
    home, folder = laid_out(tmp_path, files)
    environ = {**environment(home), **given}
    ran = subprocess.run(
        [prefect_server.python, "-c", ORACLE],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    theirs = json.loads(ran.stdout)
    ours = load(environ, folder)
    assert ours.url == theirs["url"].rstrip("/")
    assert (ours.timeout, ours.retries, ours.verify) == (
        theirs["timeout"],
        theirs["retries"],
        theirs["verify"],
    )
    assert ours.headers == theirs["headers"]
    assert ours.retry_statuses == {408, 429, 502, 503, *theirs["codes"]}


def test_options_come_before_everything(tmp_path):
    home, folder = laid_out(tmp_path, {".env": DOTENV})
    environ = {"PREFECT_HOME": str(home), "PREFECT_API_URL": "http://env.example/api"}
    assert load(environ, folder).url == "http://env.example/api"
    named = load(environ, folder, profile="there")
    assert (named.url, named.origin) == ("https://there.example/api", "profile there")
    assert load(environ, folder, profile="there", url="http://u.example/api").url == "http://u.example/api"


def test_credentials_in_the_url_are_used_and_not_kept_in_it(tmp_path):
    told = load({"PREFECT_API_URL": "https://bob:pw@h.example/api?x=1", "HOME": str(tmp_path)}, tmp_path)
    assert told.url == "https://h.example/api"
    assert told.headers == {"authorization": "Basic Ym9iOnB3"}
    assert "Ym9iOnB3" not in repr(told)


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({}, "not known where"),
        ({"PREFECT_API_URL": ""}, "not known where"),
        ({"PREFECT_API_URL": "h.example/api"}, "does not begin with http"),
        ({"PREFECT_API_URL": "ftp://h/api"}, "does not begin with http"),
        ({"PREFECT_API_URL": "http://h:x/api"}, "not a URL"),
        ({"PREFECT_PROFILE": "nope"}, "no profile 'nope'"),
        ({"PREFECT_API_URL": "http://h/api", "PREFECT_CLIENT_CUSTOM_HEADERS": "[1]"}, "JSON object"),
        ({"PREFECT_API_URL": "http://h/api", "PREFECT_API_KEY": "a\nb"}, "characters that a header cannot"),
        ({"PREFECT_API_URL": "http://h/api", "PREFECT_API_REQUEST_TIMEOUT": "soon"}, "not a number"),
        (
            {"PREFECT_API_URL": "http://h/api", "PREFECT_CLIENT_RETRY_EXTRA_CODES": "x"},
            "not a list of statuses",
        ),
    ],
)
def test_settings_that_cannot_work_are_said(tmp_path, environ, says):
    with pytest.raises(ConfigError, match=says):
        load({"HOME": str(tmp_path), **environ}, tmp_path)


def test_a_broken_file_is_named_and_not_quoted(tmp_path):
    (tmp_path / "prefect.toml").write_text("[api]\nkey = s3cret\n")
    with pytest.raises(ConfigError) as told:
        load({"HOME": str(tmp_path)}, tmp_path)
    assert "prefect.toml is not TOML" in told.value.message
    assert "s3cret" not in told.value.message
