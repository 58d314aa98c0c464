"""What is asked of `lpaudit lighttpd-config --prefect`, and what it cannot do."""

import subprocess

import pytest

from lpaudit.lighttpd.rules import RULES, conditions, regex

OIDC = ("--auth", "oidc", "--issuer", "https://op.example", "--audience", "prefect-api")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--prefect", "localhost:4200"), "not the URL of a Prefect server"),
        (("--prefect", "http://"), "not the URL of a Prefect server"),
        (("--prefect", "http://h:99999"), "is no URL"),
        (("--prefect", "http://h/prefect"), "not the URL of a Prefect server"),
        (("--prefect", "http://h/api?x=1"), "not the URL of a Prefect server"),
        (("--prefect", 'http://h"x/'), "not the URL of a Prefect server"),
        (("--prefect", "https://h/api"), "plain HTTP"),
        (("--prefect", "http://u:secret@h/api"), "holds a password"),
        (("--prefect", "http://h", "--file", "access.log"), "not absolute"),
        (("--prefect", "http://h", "--htpasswd", "users"), "--htpasswd is not absolute"),
        (("--prefect", "http://h", "--tls-pem", "x.pem"), "--tls-pem is not absolute"),
        (("--prefect", "http://h", "--tls-pem", "/x\n.pem"), "cannot hold"),
        (("--prefect", "http://h", "--prefix", "/api"), "--prefix is no path"),
        (("--prefect", "http://h", "--prefix", "/a(b"), "--prefix is no path"),
        (("--prefect", "http://h", "--listen", "everywhere"), "--listen is no address"),
        (("--prefect", "http://h", "--listen", "127.0.0.1:0"), "no port 0"),
        (("--prefect", "http://h", "--listen", "0.0.0.0:80"), "in clear text"),
        (("--prefect", "http://h", "--listen", "[::]:80", *OIDC), "in clear text"),
        (("--prefect", "http://h", "--may-run", "a,b|user=c"), "--may-run cannot be"),
        (("--prefect", "http://h", "--may-delete", ""), "--may-delete cannot be"),
        (("--prefect", "http://h", "--lua"), "needs no Lua script"),
        (("--lua",), "--lua needs --prefect"),
        (("--prefect", "http://h", "--auth", "oidc"), "--issuer is no URL"),
        (("--prefect", "http://h", "--auth", "oidc", "--issuer", "https://op"), "--audience is missing"),
        (("--prefect", "http://h", *OIDC, "--lua", "--jwks", "/a\n.json"), "cannot hold"),
        (("--prefect", "http://h", "--auth", "forwarder", "--forwarder", "all"), "no address"),
        (("--prefect", "http://h", "--auth", "forwarder", "--forwarder", "0.0.0.0/0"), "no address"),
        (
            ("--prefect", "http://h", "--auth", "forwarder", "--lua", "--identity-header", "a b"),
            "no header's name",
        ),
    ],
)
def test_what_cannot_work_is_refused_with_a_hint(arguments, said, lpaudit):
    ran = lpaudit("lighttpd-config", *arguments)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert said in ran.stderr
    assert "\nhint: " in ran.stderr
    assert "secret" not in ran.stderr


def test_without_prefect_the_other_options_change_nothing(lpaudit):
    assert lpaudit("lighttpd-config").stdout == lpaudit("lighttpd-config", "--prefix", "/x").stdout
    assert "proxy.server" not in lpaudit("lighttpd-config").stdout


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:4200", "http://127.0.0.1:4200/", "http://127.0.0.1:4200/api/"]
)
def test_prefects_address_may_be_with_or_without_api(url, lpaudit):
    printed = lpaudit("lighttpd-config", "--prefect", url).stdout
    assert 'proxy.server = ( "" => ( ( "host" => "127.0.0.1", "port" => 4200 ) ) )' in printed


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--prefix", ""),
        ("--listen", "[::1]:8080"),
        ("--listen", "[::]:8080", "--auth", "forwarder", "--forwarder", "10.0.0.8"),
        (*OIDC, "--prefix", "/a/b", "--audience", 'a"\\b'),
        ("--may-run", "alice, bob.b@example.org,svc-ci"),
    ],
)
@pytest.mark.lighttpd
def test_lighttpd_takes_it_without_a_word(options, lpaudit, lighttpd, tmp_path):
    printed = lpaudit("lighttpd-config", "--prefect", "http://[::1]:4200", *options)
    assert printed.returncode == 0, printed.stderr
    path = tmp_path / "l.conf"
    path.write_text(printed.stdout)
    ran = subprocess.run([lighttpd, "-tt", "-f", path], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout + ran.stderr) == (0, "")
    assert "<<" not in printed.stdout
    assert "<%" not in printed.stdout


def test_what_is_printed_says_what_must_be_installed_and_done(lpaudit):
    basic = lpaudit("lighttpd-config", "--prefect", "http://h").stdout
    assert "htpasswd -B" in basic
    assert "PREFECT_CLIENT_CUSTOM_HEADERS" in basic
    assert "PREFECT_SERVER_API_AUTH_STRING" in basic
    oidc = lpaudit("lighttpd-config", "--prefect", "http://h", *OIDC).stdout
    assert "lighttpd-modules-lua lua-luaossl lua-cjson" in oidc
    assert "/api/events/in," in oidc  # which Prefect's client opens without its API key
    assert "/api/events/in," not in basic
    over_tls = lpaudit(
        "lighttpd-config", "--prefect", "http://h", "--tls-pem", "/etc/lighttpd/gateway.pem"
    ).stdout
    assert "lighttpd-mod-openssl" in over_tls
    assert "lighttpd-mod-openssl" not in basic
    script = lpaudit("lighttpd-config", "--prefect", "http://h", *OIDC, "--lua").stdout
    assert "/etc/cron.d/" in script


def test_the_last_rule_is_for_everything():
    """Then conditions, of which the last decides, and a table, of which the first does, say the same."""
    assert (RULES[-1].methods, RULES[-1].path) == (("*",), "/**")
    assert all(rule.methods != ("*",) for rule in RULES[:-1])
    outer = [(path, method) for _, path, method in conditions()]
    assert len(outer) == len(set(outer))
    # lighttpd takes conditions that read the same for one, where the first of them stood.
    assert len({path or method for path, method in outer}) == len(outer)


@pytest.mark.parametrize(
    ("path", "expected"),
    [("/**", "(?:/|$)"), ("/a/*/b", "/a/[^/]+/b/?$"), ("/a/**", "/a(?:/|$)"), ("/a.b", r"/a\.b/?$")],
)
def test_a_rules_path_as_a_regular_expression(path, expected):
    assert regex(path) == expected
