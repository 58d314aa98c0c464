"""`lpaudit doctor --lighttpd-config`: one mistake at a time in a configuration that has none."""

import json
import re

import pytest

from lpaudit.doctor.gateway import modes, of_gateway, scripts, upstreams
from lpaudit.lighttpd.reader import read_file

OIDC = ("--auth", "oidc", "--issuer", "https://op", "--audience", "a")


@pytest.fixture
def printed(lpaudit):
    def text(*options):
        ran = lpaudit("lighttpd-config", "--prefect", "http://127.0.0.1:4200", *options)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    return text


def codes(tmp_path, text):
    path = tmp_path / "l.conf"
    path.write_text(text)
    source = read_file(path)
    return sorted(f.code for f in of_gateway(source, modes(source)))


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--tls-pem", "/x.pem"),
        ("--prefix", ""),
        OIDC,
        (*OIDC, "--tls-pem", "/x"),
        ("--auth", "forwarder"),
    ],
)
def test_what_is_printed_has_no_finding(options, printed, tmp_path, lpaudit):
    assert codes(tmp_path, printed(*options)) == []
    ran = lpaudit("doctor", "--lighttpd-config", "l.conf")
    assert (ran.returncode, ran.stdout) == (0, "l.conf: nothing to complain about\n")


def without(pattern, flags=re.MULTILINE | re.DOTALL):
    return lambda text: re.sub(pattern, "", text, count=1, flags=flags)


def instead(old, new):
    return lambda text: text.replace(old, new, 1)


def added(*lines):
    return lambda text: text + "\n".join(lines) + "\n"


REQUIRE = 'auth.require = ( "" => ( "method" => "basic", "realm" => "prefect", "require" => var.may_run ) )'
GLOBAL = f"\n{REQUIRE}\n"
MISTAKES = {
    "no login outside of conditions": (instead(GLOBAL, "\n"), ["no-login", "rule-with-holes"]),
    "no login under a condition": (added('$HTTP["host"] == "a" { auth.require = () }'), ["no-login"]),
    "no login on another socket": (added('$SERVER["socket"] == "127.0.0.1:81" { auth.require = () }'), ["no-login"]),
    "login for a prefix only": (
        added('$HTTP["host"] == "a" { auth.require = ( "/prefect" => ( "require" => "valid-user" ) ) }'),
        ["login-on-prefix"],
    ),
    "a group of htpasswd": (instead('"user=prefect-run"', '"group=run"'), ["no-groups"]),
    "plain passwords": (instead('auth.backend = "htpasswd"', 'auth.backend = "plain"'), ["plain-passwords"]),
    "bulk_delete forgotten": (instead("/api/[^/]+/bulk_delete/?$", "/api/x"), ["rule-with-holes"]),
    "only DELETE": (lambda text: cut_rules(text, 'DELETE", "^/"'), ["rule-with-holes"]),
    "rule for the prefix only": (lambda text: cut_rules(text, 'DELETE", "^/prefect/api/"'), ["rule-with-holes", "rule-with-holes"]),
    "clear text on every address": (instead('server.bind = "127.0.0.1"', 'server.bind = "0.0.0.0"'), ["no-tls"]),
    "no address at all": (instead('server.bind = "127.0.0.1"', ""), ["no-tls"]),
    "another socket in clear text": (added('$SERVER["socket"] == "[::]:81" { }'), ["no-tls"]),
    "automation headers come through": (instead('"Prefect-Automation-Name" => "",', ""), ["automation-headers"]),
    "headers kept, renamed": (instead('"Prefect-Automation-Id" => ""', '"Prefect-Automation-Id" => "x"'), ["automation-headers"]),
    "a condition replaces the list": (
        added('$HTTP["host"] == "a" { setenv.set-request-header = ( "X" => "y" ) }'),
        ["automation-headers", "forwarded-for"],
    ),
    "mod_setenv is not loaded": (instead('    "mod_setenv",\n', ""), ["automation-headers", "forwarded-for"]),
    "forwarded addresses come through": (instead('"X-Forwarded-For" => "",', ""), ["forwarded-for"]),
    "everybody is a forwarder": (added('extforward.forwarder = ( "all" => "trust" )'), ["everybody-trusted"]),
    "the whole net is a forwarder": (added('extforward.forwarder = ( "0.0.0.0/0" => "trust" )'), ["everybody-trusted"]),
    "no websockets": (instead('"upgrade" => "enable",', ""), ["no-websockets"]),
    "no normalisation": (instead('"url-normalize" => "enable"', '"url-normalize" => "disable"'), ["not-normalised"]),
    "no proxy": (without(r"^proxy\.server .*?$"), ["no-proxy"]),
    "no access log": (without(r"^accesslog\.filename .*?$"), ["no-access-log"]),
    "mod_accesslog is not loaded": (instead('    "mod_accesslog",\n', ""), ["no-access-log"]),
    "some requests are not logged": (added('$HTTP["url"] =~ "^/api/health" { accesslog.filename = "" }'), ["unlogged"]),
    "nobody in the log": (instead('user=\\"%u\\" ', ""), ["no-identity"]),
    "no quotes": (instead('path=\\"%U\\"', "path=%U"), ["unquoted"]),
    "no connection": (instead("client_port=%{remote}p ", ""), ["no-connection"]),
    "a secret in the log": (instead('line=\\"%r\\"', 'line=\\"%r\\" a=\\"%{Authorization}i\\"'), ["secret-field"]),
    "an identity header in the log": (
        instead('line=\\"%r\\"', 'line=\\"%r\\" a=\\"%{X-Forwarded-Email}i\\"'),
        ["identity-header"],
    ),
    "another format under a condition": (
        added('$HTTP["host"] == "a" { accesslog.format = "%{begin:usec}t %a %{remote}p %k" }'),
        ["no-identity"],
    ),
    "no error log": (without(r"^server\.errorlog .*?$"), ["no-error-log"]),
    "headers in the error log": (added('debug.log-request-header = "enable"'), ["headers-logged"]),
}  # fmt: skip


def cut_rules(text, narrow):
    """Replace the printed rules by one that looks good."""
    method, path = narrow.split('", "')
    a, b = text.index("# Of the conditions"), text.index("# What clients could pretend")
    rule = REQUIRE.replace("var.may_run", "var.may_delete")
    path = path.rstrip('"')
    return (
        text[:a]
        + REQUIRE.replace("var.may_run", '"valid-user"')
        + f'\n$HTTP["request-method"] == "{method}" {{ $HTTP["url"] =~ "{path}" {{ {rule} }} }}\n'
        + text[b:]
    )


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_found_and_nothing_else(mistake, printed, tmp_path):
    change, expected = MISTAKES[mistake]
    text = printed()
    changed = change(text)
    assert changed != text
    if mistake == "rule for the prefix only":
        # Rewritten before it is judged, the path never has the prefix: nothing is limited at all.
        assert codes(tmp_path, changed) == []
        changed = re.sub(r"(?m)^url\.rewrite-once .*$", "", changed).replace("/prefect/api", "/api/flow_runs")
        expected = ["rule-with-holes"]
    assert codes(tmp_path, changed) == expected


def test_clear_text_that_only_leads_to_https_is_no_mistake(printed, tmp_path):
    text = printed("--tls-pem", "/gw.pem")
    redirect = 'url.redirect = ( "" => "https://gateway.example/" )'
    plain = '$SERVER["socket"] == "0.0.0.0:80" { ssl.engine = "disable" }\n'
    assert codes(tmp_path, text + plain) == ["no-tls"]
    assert codes(tmp_path, text + plain.replace("}", f"{redirect} }}")) == []
    assert codes(tmp_path, f'{text}{plain}$HTTP["scheme"] == "http" {{ {redirect} }}\n') == []


def test_files_that_others_can_read_or_download(printed, tmp_path):
    htpasswd, pem = tmp_path / "htpasswd", tmp_path / "gw.pem"
    for file in (htpasswd, pem):
        file.write_text("x")
        file.chmod(0o640)
    text = printed("--htpasswd", htpasswd, "--tls-pem", pem)
    assert codes(tmp_path, text) == []
    htpasswd.chmod(0o644)
    assert codes(tmp_path, text) == ["readable-file"]
    pem.chmod(0o604)
    assert codes(tmp_path, text) == ["readable-file", "readable-file"]
    htpasswd.chmod(0o640)
    pem.chmod(0o600)
    assert codes(tmp_path, text.replace('"/var/empty"', f'"{tmp_path}"')) == ["served-file", "served-file"]


def test_a_script_that_others_can_write(printed, tmp_path):
    script = tmp_path / "gateway.lua"
    script.write_text("return 0")
    text = printed(*OIDC, "--script", script)
    script.chmod(0o644)
    assert codes(tmp_path, text) == []
    script.chmod(0o646)
    assert codes(tmp_path, text) == ["writable-script"]


def test_a_forwarder_that_anybody_can_pretend_to_be(printed, tmp_path):
    text = printed("--auth", "forwarder")
    everybody = text.replace('"127.0.0.1" => "trust"', '"all" => "trust"')
    assert codes(tmp_path, everybody) == ["everybody-trusted"]
    # Basic beside a header that is logged: who may send it?
    text = printed().replace('line=\\"%r\\"', 'line=\\"%r\\" e=\\"%{X-Forwarded-Email}i\\"')
    only = '$HTTP["remote-ip"] != "10.0.0.1" { url.access-deny = ( "" ) }\n'
    assert codes(tmp_path, text) == ["identity-header"]
    assert codes(tmp_path, text + only) == []
    assert codes(tmp_path, text + only.replace("!=", "==")) == ["identity-header"]
    # mod_extforward has the condition see the client's address instead of the forwarder's.
    forwarded = 'extforward.forwarder = ( "10.0.0.1" => "trust" )\n'
    assert codes(tmp_path, text + only + forwarded) == ["identity-header"]


def test_what_is_not_looked_at_is_said(printed, tmp_path, lpaudit):
    path = tmp_path / "l.conf"
    path.write_text(printed(*OIDC).replace('"host" => "127.0.0.1"', '"host" => "10.0.0.7"'))
    source = read_file(path)
    assert (upstreams(source), scripts(source)) == (("10.0.0.7",), ("/etc/lighttpd/lpaudit-gateway.lua",))
    ran = lpaudit("doctor", "--lighttpd-config", path)
    assert ran.returncode == 0
    assert "10.0.0.7: whoever reaches it there goes past the gateway, unseen" in ran.stderr
    assert "lpaudit-gateway.lua decides who comes in, which is not looked at" in ran.stderr


def test_the_command_says_no_with_hints_to_people_and_to_programs(printed, tmp_path, lpaudit):
    (tmp_path / "l.conf").write_text(printed().replace('"upgrade" => "enable",', "").replace(GLOBAL, "\n"))
    ran = lpaudit("doctor", "--lighttpd-config", "l.conf")
    assert ran.returncode == 1
    first, *rest = ran.stdout.splitlines()
    assert first == "l.conf: 3 findings"
    assert rest[0].startswith("open: everybody reaches Prefect without a login, except where $HTTP")
    assert rest[1].startswith("  → ")
    ran = lpaudit("doctor", "--format", "json", "--lighttpd-config", "l.conf")
    answer = json.loads(ran.stdout)
    assert (ran.returncode, answer["good"], answer["configuration"]) == (1, False, "l.conf")
    assert [f["code"] for f in answer["findings"]] == ["no-login", "rule-with-holes", "no-websockets"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "Missing argument"),
        (("a.log", "--lighttpd-config", "l.conf"), "either logs or"),
        (("--lighttpd-config", "none.conf"), "cannot read none.conf"),
    ],
)
def test_what_cannot_be_asked(arguments, said, lpaudit):
    ran = lpaudit("doctor", *arguments)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert said in ran.stderr
    assert "hint: " in ran.stderr


def test_what_a_configuration_says_is_shown_harmless(tmp_path, lpaudit):
    (tmp_path / "l.conf").write_text(
        'proxy.server = ( "" => ( ( "host" => "127.0.0.1" ) ) )\n$HTTP["host"] == "a\x1b[31m\u202e" { auth.require = () }\n'
    )
    ran = lpaudit("doctor", "--lighttpd-config", "l.conf")
    assert ran.returncode == 1
    assert "\x1b" not in ran.stdout + ran.stderr
    assert "\u202e" not in ran.stdout + ran.stderr


def test_a_hostile_pattern_does_not_stop_it(tmp_path):
    for pattern in ("(", "(?<n>a)(?&n)", "[[:alpha:]]+", "(?i)a(?-i)b", "\\K", "a{99999999999}", "(" * 3000):
        text = f'proxy.server = ( "" => ( ( "port" => 1 ) ) )\n$HTTP["url"] =~ "{pattern}" {{ auth.require = () }}\n'
        assert "no-login" in codes(tmp_path, text)
