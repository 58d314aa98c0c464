"""lighttpd.conf as the file alone tells it; and the same by lighttpd itself."""

import contextlib
import subprocess
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lpaudit.errors import ConfigError
from lpaudit.lighttpd import access_logs, load
from lpaudit.lighttpd.accesslogs import DEFAULT_FORMAT
from lpaudit.lighttpd.reader import Unknown, read_file, read_printed
from lpaudit.lighttpd.snippet import snippet
from lpaudit.logformat import PRESETS
from lpaudit.model import Escaping, LogFormat

MAIN = r"""
# a comment with "quotes" and { braces
server.document-root = "/tmp"   # and one behind
server.modules = ( "mod_accesslog", "mod_rewrite" )
server.port = 18999
var.logs = "/var/log"
name = "access"
include "more/*.conf"
include "none/*.conf"
server.modules += (
  "mod_access",  # a list over several lines
)
accesslog.filename = var.logs + "/" + name + 2 + ".log"
accesslog.format = "%h \"%{User-Agent}i\" \\ back\\\" \t #no comment"
$SERVER["socket"] == "127.0.0.1:9001" {
  accesslog.filename = logs + "/json.log"
  accesslog.escaping = "json"
  $HTTP["host"] =~ "^a\." {
    accesslog.format = "%r a"
  }
  else $HTTP["host"] == "b" {
    accesslog.format = "%r b"
  } else {
    accesslog.format = "%r c"
  }
}
$SERVER["socket"] == "[::1]:9002" { include "port.inc" }
"""
FILES = {
    "lighttpd.conf": MAIN,
    "more/1.conf": 'accesslog.use-syslog = "disable"\nserver.tag = "x"',
    "more/2.conf": 'server.tag := "y"\nlogs := logs + "/lighttpd"\n',
    "port.inc": 'accesslog.filename = "/srv/" + var.name\naccesslog.format = "%s " + var.logs\n',
}


@pytest.fixture
def folder(tmp_path):
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return tmp_path


def logs_of(text, tmp_path):
    path = tmp_path / "one.conf"
    path.write_text(text)
    return access_logs(read_file(path))


EXPECTED = {
    ("/var/log/lighttpd/access2.log", '%h "%{User-Agent}i" \\\\ back\\\\" \\t #no comment', "default"),
    ("/var/log/lighttpd/json.log", '%h "%{User-Agent}i" \\\\ back\\\\" \\t #no comment', "json"),
    ("/var/log/lighttpd/json.log", "%r a", "json"),
    ("/var/log/lighttpd/json.log", "%r b", "json"),
    ("/var/log/lighttpd/json.log", "%r c", "json"),
    ("/srv/access", "%s /var/log/lighttpd", "default"),
}


def test_variables_sums_includes_and_conditions_are_followed(folder):
    source = read_file(folder / "lighttpd.conf")
    assert {(log.filename, log.format_string, log.escaping) for log in access_logs(source)} == EXPECTED
    assert source.notes == ()


@pytest.mark.lighttpd
def test_lighttpd_itself_says_the_same(folder, lighttpd):
    """The reader's oracle: what `lighttpd -p` makes of the same file."""
    printed = subprocess.run(
        [lighttpd, "-p", "-f", folder / "lighttpd.conf"], capture_output=True, text=True, check=True
    ).stdout
    assert access_logs(read_printed(printed)) == access_logs(read_file(folder / "lighttpd.conf"))
    assert load(folder / "lighttpd.conf", lighttpd).logs == access_logs(read_printed(printed))


@pytest.mark.lighttpd
@pytest.mark.parametrize("name", PRESETS)
def test_a_format_survives_lighttpds_own_reader(name, lighttpd, tmp_path):
    path = tmp_path / "one.conf"
    path.write_text(
        'server.modules = ()\nserver.document-root = "/tmp"\n'
        + snippet(PRESETS[name].log_format(ZoneInfo("UTC")), "/var/log/a.log")
    )
    for found in (load(path, lighttpd), load(path, None)):
        (log,) = found.logs
        assert (log.filename, log.format_string) == ("/var/log/a.log", PRESETS[name].format_string)
        assert log.escaping == PRESETS[name].escaping


@given(st.text(st.characters(exclude_categories=("C",)), min_size=1).filter(lambda t: not t.endswith("\\")))
def test_what_the_snippet_quotes_is_read_back(tmp_path_factory, text):
    log_format = LogFormat("x", text, Escaping.DEFAULT, ZoneInfo("UTC"))
    (log,) = logs_of(snippet(log_format, "/a"), tmp_path_factory.mktemp("conf"))
    assert log.format_string == text


@given(st.text(alphabet='ab.="\\(){}$[]#\n +=~!,1'))
def test_no_text_breaks_the_reader(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("conf") / "x.conf"
    path.write_text(text)
    with contextlib.suppress(ConfigError):
        access_logs(read_file(path))


def test_include_shell_is_never_executed(tmp_path):
    """Nor by lighttpd, which `lighttpd -p` would have do it."""
    proof = tmp_path / "proof"
    path = tmp_path / "x.conf"
    path.write_text(f'accesslog.filename = "/a.log"\ninclude_shell "touch {proof}"\n')

    def run(_):
        raise AssertionError("lighttpd was asked")

    found = load(path, "/usr/sbin/lighttpd", run)
    assert found.notes == (
        f"{path}:2: include_shell is not executed; what it would add is not known",
        f"/usr/sbin/lighttpd -p is not asked: it would execute every include_shell, and there is one at {path}:2",
    )
    assert load(path, None).notes == found.notes[:1]
    assert found.logs[0].format_string == DEFAULT_FORMAT
    assert not proof.exists()


@pytest.mark.parametrize(
    "text",
    [
        "include env.ELSEWHERE",
        'include var.PID + ".conf"',
        'include "[^a].conf"',
        'include "{a,{b,c}}.conf"',
        'include "{a,b}{c,d}.conf"',
        'include "\\\\a.conf"',
        'x.y = include "a.conf"',
        'x.y = ( include_shell, "true" )',
        '# a comment\rinclude_shell "true"',
        'include "{more,shell}.inc"',
        # lighttpd takes both for one block
        'v = "more"\n$HTTP["host"] == "x" { v := "shell" }\n$HTTP["host"] == "x" { include v + ".inc" }',
    ],
)
def test_lighttpd_is_not_asked_where_an_include_shell_may_be(text, tmp_path):
    (tmp_path / "more.inc").touch()
    (tmp_path / "shell.inc").write_text('include_shell\n"true"')
    path = tmp_path / "x.conf"
    path.write_text(f'accesslog.filename = "/a.log"\n{text}\n', newline="")

    def run(_):
        raise AssertionError("lighttpd was asked")

    assert "lighttpd -p is not asked" in load(path, "/sbin/lighttpd", run).notes[-1]


def test_what_cannot_be_resolved_is_said(tmp_path):
    path = tmp_path / "x.conf"
    path.write_text(
        'accesslog.filename = env.LOGS + "/a.log"\n'
        'accesslog.format = "%h " + var.unset\n'
        "include var.elsewhere\n"
        '$HTTP["host"] == env.NAME { accesslog.escaping = "json" }\n'
    )
    notes = load(path, None).notes
    assert f"{path}:3: an include cannot be followed: var.elsewhere is not set" in notes
    assert f"{path}:4: a condition is not known: env.NAME is in lighttpd's environment" in notes
    assert "accesslog.filename is not known: env.LOGS is in lighttpd's environment" in notes
    assert "accesslog.format is not known: var.unset is not set" in notes


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((1, "", "2026: (configfile.c.1) no such thing\nmore"), "2026: (configfile.c.1) no such thing"),
        ((255, "", ""), "exit status 255"),
        (PermissionError(13, "Permission denied"), "permission denied"),
        (TimeoutError("no answer within 10 s"), "no answer within 10 s"),
        ((0, "config {\n ~ }", ""), "out of place"),
    ],
)
def test_where_lighttpd_does_not_answer_the_file_is_read(answer, said, tmp_path):
    path = tmp_path / "x.conf"
    path.write_text('accesslog.filename = "/a.log"')

    def run(arguments):
        assert arguments == ["/sbin/lighttpd", "-p", "-f", str(path)]
        if isinstance(answer, OSError):
            raise answer
        return answer

    found = load(path, "/sbin/lighttpd", run)
    assert [log.filename for log in found.logs] == ["/a.log"]
    (note,) = found.notes
    assert said in note
    assert "the file itself was read" in note


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("accesslog.filename = ", "line 1: a value is missing"),
        ('a.b = "x"\n)', "line 2: ')' is out of place"),
        ('$HTTP["host"] == "a" {\n', "line 2: a block is not closed"),
        ('$HTTP["host"] {\n}', "line 1: == or"),
        ('a.b = "never closed', "line 1: '\"' is out of place"),
        ("a.b = ( 1", "( is never closed"),
        ('include "x.conf"', "too deep"),
    ],
)
def test_a_broken_file_is_an_error_with_its_line(text, where, tmp_path):
    path = tmp_path / "x.conf"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_file(path)
    assert where in caught.value.message
    assert caught.value.hint


def test_a_missing_include_is_an_error_a_glob_without_matches_is_not(tmp_path):
    assert logs_of('include "no/*.conf"\naccesslog.filename = "/a"', tmp_path)
    with pytest.raises(ConfigError, match="no such file"):
        logs_of('include "no.conf"', tmp_path)


def test_a_file_without_an_access_log_is_an_error(tmp_path):
    path = tmp_path / "x.conf"
    path.write_text("server.port = 80\n")
    with pytest.raises(ConfigError, match="configures no access log"):
        load(path, None)


def test_deep_expressions_do_not_take_long(tmp_path):
    """A hostile file is refused or read, in time that grows with its length."""
    text = 'accesslog.format = "a"' + ' + "b"' * 20_000 + "\n" + "x.y = (" + "(" * 20_000 + ")" * 20_001
    (log,) = logs_of(text, tmp_path)
    assert len(log.format_string) == 20_001
    with pytest.raises(ConfigError, match="too deep"):
        logs_of('$HTTP["a"] == "b" { ' * 500, tmp_path)


def test_unknown_values_are_told_from_texts():
    source = read_printed("config {\n accesslog.format = env.X\n}")
    assert isinstance(source.blocks[0].settings["accesslog.format"], Unknown)


LINES = [  # what lighttpd reads, and the formats that it then has, by their conditions
    ('accesslog.format = "%h" +\n  " %s"\n', {"": "%h %s"}),
    ('accesslog.format = "%h"\n + " %s"\n', {"": "%h"}),  # the statement ends with its line
    ('accesslog.format = # a comment\n\n# and one more\n "%h"\n', {"": "%h"}),
    ('accesslog.format\n=\n"%h"\n', {"": "%h"}),
    ('accesslog.format\n:=\n"%h" +\n# a comment\n"%s"\n', {"": "%h%s"}),
    ('server.modules +=\n ( "mod_accesslog"\n,\n"mod_access"\n)\naccesslog.format = "%h"\n', {"": "%h"}),
    ('x.y = ( "a" =>\n# a comment\n"b"\n+\n"c" )\naccesslog.format = "%h"\n', {"": "%h"}),
    ('x.y = ( ("a") + ("b"), "c" "d", => "e", "f" )\naccesslog.format = "%h"\n', {"": "%h"}),
    ('$HTTP["host"]\n == "x" { accesslog.format = "%h" }\n', {'$HTTP["host"] == "x"': "%h"}),
    ('$HTTP["host"] ==\n"x"\n{\naccesslog.format = "%h" }\n', {'$HTTP["host"] == "x"': "%h"}),
    (
        '$\nHTTP\n[\n"ho" + "st"\n]\n=^ "x" +\n"y" { accesslog.format = "%h" }\n',
        {'$HTTP["host"] =^ "xy"': "%h"},
    ),
    ('$REQUEST_HEADER["x-y"] != "" { accesslog.format = "%h" }\n', {'$REQUEST_HEADER["x-y"] != ""': "%h"}),
    (
        (
            '$HTTP["host"] == "x" { accesslog.format = "a" } # a comment\n\n# and one more\n'
            ' else $HTTP["host"]\n== "y"\n{ accesslog.format = "b" }\nelse\n{ accesslog.format = "c" }'
        ),
        {'$HTTP["host"] == "x"': "a", '$HTTP["host"] == "y"': "b", "otherwise": "c"},
    ),
    (  # lighttpd throws the condition away, as it stands in another line than its `else`
        '$HTTP["host"] == "x" { accesslog.format = "a" }\nelse\n$HTTP["host"] == "y"\n{ accesslog.format = "b" }',
        {'$HTTP["host"] == "x"': "a", "otherwise": "b"},
    ),
    (
        '$HTTP["host"] == "x" { accesslog.format = "a" }\n\u00a0\nelse { accesslog.format = "b" }',
        {'$HTTP["host"] == "x"': "a", "": "b"},
    ),
    (  # one block to lighttpd
        '$HTTP["host"] == "x" { v = "a" }\n$HTTP["host"] == "x" { v += "b"\naccesslog.format = v + "" }\n',
        {'$HTTP["host"] == "x"': "ab"},
    ),
    ('global\n{\naccesslog.format = "%h" }\n', {"": "%h"}),
    ('include\n"more/" +\n"1.conf"\n', {"": "included"}),
    ('include "more/{none,1}.conf"\n', {"": "included"}),
    ('include "more/{1}.conf"\n', {"": "included"}),
    ('accesslog.format = "%h"\r# a comment\rx.y = "z"\r\n', {"": "%h"}),
    ('accesslog.format = "%h\r\n"\r\n', {"": "%h\r\n"}),
    ('accesslog.format = = "a" "b", x.y = 1 }\n', {"": "a"}),
    ('} accesslog.format == "a" + + "b"\n', {"": "ab"}),
    ('x.y = 1 accesslog.format = "%h"\n\0~', {"": "%h"}),
]
REFUSED = [
    "accesslog.format =\n",
    'accesslog.format = "%h" +\n',
    'accesslog.format = "%h"\n)\n',
    'accesslog.format = ( "%h"\n',
    'accesslog.format = "%h\n',
    'accesslog.format = "%h\0"\n',
    'accesslog.format = "%h"\f\n',
    '\ufeffaccesslog.format = "%h"\n',
    'accesslog.format: = "%h"\n',
    'accesslog.format = ( "a" = "b" )\n',
    '$HTTP["host"]\n{ accesslog.format = "%h" }\n',
    '$HTTP["host"] = "x" { accesslog.format = "%h" }\n',
    '$HTTP "host" == "x" { accesslog.format = "%h" }\n',
    '$HTTP["host"] == "x" { accesslog.format = "%h"\n',
    '$HTTP["host"] == "x" { accesslog.format = "%h" }\nelse\n',
    'v = "%h"\naccesslog.format = v',
    "include\n",
]


def formats(source):
    found = {block.condition: block.settings.get("accesslog.format") for block in source.blocks}
    return {condition: value for condition, value in found.items() if value is not None}


def odd(folder, text):
    path = folder / "odd.conf"
    path.write_text(f'server.document-root = "/tmp"\n{text}', newline="")
    (folder / "more/1.conf").write_text('accesslog.format = "included"\n')
    return path


@pytest.mark.parametrize(("text", "expected"), LINES)
def test_lines_end_where_lighttpd_ends_them(text, expected, folder):
    assert formats(read_file(odd(folder, text))) == expected


@pytest.mark.parametrize("text", REFUSED)
def test_what_lighttpd_refuses_is_refused(text, folder):
    with pytest.raises(ConfigError, match="as lighttpd's configuration: line"):
        read_file(odd(folder, text))


def settings(source):
    """Return what `lighttpd -p` and the file itself should agree on."""
    found = {}
    for block in source.blocks:
        known = {key: value for key, value in block.settings.items() if not key.startswith("var.")}
        found[block.condition] = found.get(block.condition, {}) | known
    return {condition: values for condition, values in found.items() if values}


@pytest.mark.lighttpd
@pytest.mark.parametrize("text", [text for text, _ in LINES])
def test_lighttpd_itself_ends_them_there(text, folder, lighttpd):
    path = odd(folder, text)
    assert settings(read_file(path)) == settings(read_printed(printed(lighttpd, path)))
    assert load(path, lighttpd).notes == ()


@pytest.mark.lighttpd
@pytest.mark.parametrize("text", REFUSED)
def test_lighttpd_itself_refuses_it(text, folder, lighttpd):
    assert printed(lighttpd, odd(folder, text)) is None


def printed(lighttpd, path):
    """Return what lighttpd makes of a file, or None if it refuses it."""
    ended = subprocess.run([lighttpd, "-p", "-f", path], capture_output=True, check=False)
    return ended.stdout.decode() if ended.returncode == 0 else None


STATEMENTS = [
    'a.b := "c" + 1',
    'd.e := ( "f" , ( "g" ) + ( h ) )',
    'global { i.j := "k" }',
    '$ HTTP [ "host" ] == "l" + "m" { a.b := "n" } else $ HTTP [ "url" ] =~ "o" { a.b := "p" } else { d.e := "q" }',
    '$ REQUEST_HEADER [ "r-s" ] != "" { $ SERVER [ "socket" ] == ":81" { a.b := 2 } else { i.j := "t" } a.b := "u" }',
]
NOISE = 'else = == := + ( ) { } , $ [ 7 "v" global'
BREAKS = ["\n", "\n", "\n", "\r", "\r\n", "\n\n# a comment\n", "\u00a0"]


@pytest.mark.lighttpd
@given(
    st.lists(st.sampled_from(STATEMENTS), min_size=1, unique=True),
    st.lists(st.tuples(st.integers(0, 100), st.sampled_from([*NOISE.split(), *BREAKS])), max_size=5),
)
def test_what_lighttpd_reads_is_read_the_same(tmp_path_factory, lighttpd, statements, noise):
    """Whatever it throws away, too. What it refuses for other reasons than its grammar is not refused here."""
    pieces = "\n".join(statements).split(" ")
    for at, piece in noise:
        pieces.insert(at % (len(pieces) + 1), piece)
    path = tmp_path_factory.mktemp("conf") / "x.conf"
    path.write_text('server.document-root = "/tmp"\nvar.h = "h"\n' + " ".join(pieces) + "\n", newline="")
    said = printed(lighttpd, path)
    if said is not None:
        assert settings(read_file(path)) == settings(read_printed(said))
