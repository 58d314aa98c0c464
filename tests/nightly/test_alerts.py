"""Alerts, to servers that are really there: what goes out, when, and what becomes of it when nobody listens."""

import json
import smtplib
import socket
import ssl
import sys
import threading
from contextlib import contextmanager
from datetime import date
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from report.small import line

from lpaudit import alerts, config, pipeline, report
from lpaudit.alerts.channels import slack_form
from lpaudit.alerts.message import Message, Row
from lpaudit.errors import AlertError, ConfigError, Exit, StoreError

HOSTILE = 'x\x1b[2J\r\nBcc: eve@example.com\r\n\r\n<!channel> & <https://evil.example|click> `rm -rf` $(id) "; \u202e'


@contextmanager
def http_server(status=200):
    """A server that takes what is posted: yields its URL, and the list of (path, body)."""
    got = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            got.append((self.path, json.loads(self.rfile.read(int(self.headers["content-length"])))))
            self.send_response(answer[0])
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    answer = [status]
    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/hook/SECRET", got, answer
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def mail_server():
    """A server that speaks as much SMTP as a mail needs: yields its port, and the list of (receivers, mail)."""
    got = []
    listening = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection, connection.makefile("rwb") as file:
                say(file, "220 here")
                receivers = []
                while text := file.readline():
                    word = text[:4].upper()
                    if word == b"DATA":
                        say(file, "354 go on")
                        lines = []
                        while (body := file.readline()) != b".\r\n":
                            lines.append(body[1:] if body.startswith(b"..") else body)
                        got.append((receivers, b"".join(lines)))
                    elif word == b"RCPT":
                        receivers.append(text.split(b":")[1].strip().decode())
                    say(file, "221 bye" if word == b"QUIT" else "250 ok")
                    if word == b"QUIT":
                        break

    def say(file, text):
        file.write(f"{text}\r\n".encode())
        file.flush()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listening.getsockname()[1], got
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()


def channels(nights, **settings):
    given = config.load(settings, {}, file="none")
    return alerts.channels(given, {"PATH": "/usr/bin:/bin"}, now=nights.now, unique=nights.unique)


def message(key=HOSTILE, **more):
    row = Row(
        "8d0c2b7a64f1e953",
        "new",
        "bypass",
        "critical",
        json.dumps({"path": key}),
        "https://a.example/x.html#bypass",
    )
    facts = {"store": "/srv/store", "host": "gw1", "run_id": "1", "night": "2026-11-23", "exit_status": 3}
    told = {
        "exceptions": (row,),
        "failed": (("sync", key),),
        "incomplete": (("denied", key),),
        "reports": ("r",),
    }
    return Message(**{**facts, **told, **more})


def stored(nights):
    return [
        (r["run_id"], r["sent"], r["error"])
        for r in nights.select("select * from alert order by tried_at, run_id")
    ]


def test_a_new_exception_is_told_once_with_a_link(nights):
    with http_server() as (url, got, _):
        told = channels(nights, alert_webhook=url)
        first = nights.run(channels=told)
        [(path, body)] = got
        assert path == "/hook/SECRET"
        assert (body["run_id"], body["night"], body["exit_status"]) == (first.run_id, "2026-11-23", 1)
        links = {found["check"]: found["link"] for found in body["exceptions"]}
        assert links["denied-requests"] == "", "no report of this night has it"
        assert body["exception_count"] == len(body["exceptions"])
        again = nights.run(channels=told)
        assert again.status is Exit.OK
        assert len(got) == 1, "nothing has changed"
    assert stored(nights) == [(first.run_id, True, None)]
    everything = b"".join(p.read_bytes() for p in (nights.folder / "store").rglob("*") if p.is_file())
    assert b"SECRET" not in everything


def test_a_link_leads_to_the_row_where_the_report_shows_it(nights):
    with http_server() as (url, got, _):
        nights.run(date(2026, 11, 25), channels=channels(nights, alert_webhook=url))
    [(_, body)] = got
    page = (nights.out / "2026-11-25" / "operation.html").read_text()
    [found] = [one for one in body["exceptions"] if one["check"] == "incomplete-period"]
    row = f"exception-{found['exception_id']}"
    assert found["link"] == f"https://audit.example/2026-11-25/operation.html#{row}"
    assert page.count(f'<tr id="{row}"') == 1
    assert body["reports"] == ["https://audit.example/2026-11-25/operation.html#part-result"]
    assert page.count('id="part-result"') == 1


def test_a_link_leads_somewhere_or_there_is_none(nights):
    with http_server() as (url, got, _):
        nights.run(channels=channels(nights, alert_webhook=url, alert_slack=url))
    found, told = (body for _, body in sorted(got, key=lambda one: "text" in one[1]))
    links = [one["link"] for one in found["exceptions"]]
    page = (nights.out / "2026-11-23" / "operation.html").read_text()
    assert all(f'id="{link.partition("#")[2]}"' in page for link in links if link)
    assert links.count("") == told["text"].count("in none of the reports") > 0


def test_what_is_as_bad_as_the_night_before_is_known_already(nights):
    with http_server() as (url, got, _):
        told = channels(nights, alert_webhook=url)
        nights.run(channels=told)
        for day in (24, 25):  # after the last line: told once
            nights.run(date(2026, 11, day), channels=told)
            assert len(got) == 2
        nights.out.rename(nights.folder / "aside")
        nights.out.write_text("in the way")
        nights.run(date(2026, 11, 25), channels=told)
        assert len(got) == 3
        assert [f["step"] for f in got[-1][1]["failed"]] == ["report"]


def test_a_night_that_is_gone_on_with_tells_what_is_new_about_it(nights, monkeypatch):
    def fails(*_, **__):
        raise StoreError("no room", hint="make some")

    with http_server() as (url, got, _):
        told = channels(nights, alert_webhook=url)
        with monkeypatch.context() as patch:
            patch.setattr(pipeline, "compact", fails)
            first = nights.run(channels=told)
            assert (first.status, len(got)) == (Exit.FAILED, 1)
            for _ in range(2):
                assert nights.run(channels=told).run_id == first.run_id
                assert len(got) == 1, "the step fails as before, and the exceptions are known"
            nights.ingest(line("10:00:00", "DELETE /api/flows/2", 403, user="mallory"), name="other")
            assert nights.run(channels=told).run_id == first.run_id
        assert len(got) == 2
        assert len(got[1][1]["exceptions"]) > len(got[0][1]["exceptions"])
        assert nights.run(channels=told).status is Exit.NO
        assert len(got) == 2


def test_who_was_not_reached_is_told_when_the_night_is_gone_on_with(nights):
    nights.out.write_text("in the way")
    with http_server(503) as (url, _, answer):
        told = channels(nights, alert_webhook=url)
        first = nights.run(channels=told)
        answer[0] = 200
        for _ in range(2):
            nights.run(channels=told)
    assert [sent for _, sent, _ in stored(nights)] == [False, True]
    assert {run_id for run_id, _, _ in stored(nights)} == {first.run_id}


def test_who_is_told_later_hears_of_a_night_that_is_gone_on_with(nights):
    nights.out.write_text("in the way")
    nights.run()
    with http_server() as (url, got, _):
        nights.run(channels=channels(nights, alert_webhook=url))
    assert len(got) == 1


def test_a_step_that_fails_for_another_reason_is_new(nights, tmp_path, monkeypatch):
    monkeypatch.setattr(
        sys.modules["lpaudit.nightly.steps"], "controls", lambda _: ["a", "b", "missed-nights"]
    )
    folder = tmp_path / "own" / "checks" / "own"
    folder.mkdir(parents=True)
    library = report.Library(own=(tmp_path / "own",))

    def broken(a, b):
        for name, text in (("a", a), ("b", b)):
            (folder / f"{name}.sql").write_text(f"/*\n{text}\n*/\nselect 1 as n order by n\n")

    whole = 'id = "{}"\ntitle = "-"\nquestion = "-"\nkind = "table"\nunit = "-"\nlimits = "-"\n'
    whole += 'population = "select count(*) from access"'
    with http_server() as (url, got, _):
        told = channels(nights, alert_webhook=url)
        for day, a, b, sent in (
            (24, whole.format("a"), whole.format("b"), 1),  # after the last line
            (25, "x", whole.format("b"), 2),  # new
            (26, "x", whole.format("b"), 2),  # the same
            (27, "y = 1", whole.format("b"), 3),  # for another reason
            (28, "y = 1", "y = 1", 4),  # another one, too
            (29, whole.format("a"), "y = 1", 4),  # one of two is as it was
        ):
            broken(a, b)
            nights.run(date(2026, 11, day), channels=told, library=library)
            assert len(got) == sent, day


def test_the_directory_of_the_night_is_no_other_reason(nights):
    with http_server() as (url, got, _):
        told = channels(nights, alert_webhook=url)
        nights.run(channels=told)
        nights.out.rename(nights.folder / "aside")
        nights.out.write_text("in the way")
        nights.run(date(2026, 11, 24), channels=told)
        before = len(got)
        nights.run(date(2026, 11, 25), channels=told)
        assert len(got) == before


def test_an_alert_that_fails_stops_nothing_and_is_tried_again_first(nights):
    with http_server(503) as (url, got, answer):
        told = channels(nights, alert_webhook=url, alert_command="/no/such/program")
        first = nights.run(channels=told)
        assert first.status is Exit.NO
        assert first.facts("alert")["untold"] == 2
        [pending, _] = nights.select("select * from alert_pending order by channel desc")
        assert (pending["channel"], pending["error"]) == ("webhook", "answers 503")
        answer[0] = 200
        second = nights.run(channels=told[:1])
        assert second.status is Exit.OK, "nothing new, but somebody has still to be told"
        assert [body["run_id"] for _, body in got] == [first.run_id, first.run_id]
        assert got[0][1]["exceptions"] == got[1][1]["exceptions"]
        rows = nights.select("select * from alert where sent")
        assert [(row["run_id"], row["by_run_id"]) for row in rows] == [(first.run_id, second.run_id)]
        assert [row["channel"] for row in nights.select("select * from alert_pending")] == ["command"]


def test_a_server_that_is_not_there_is_asked_once_a_night(nights):
    made = []

    def send(told):
        made.append(told.run_id)
        raise AlertError("cannot be reached")

    told = (alerts.Channel("webhook", send),)
    first = nights.run(channels=told)
    second = nights.run(date(2026, 11, 24), channels=told)
    assert made == [first.run_id, first.run_id]
    assert {row["run_id"] for row in nights.select("select * from alert_pending")} == {
        first.run_id,
        second.run_id,
    }


def test_a_webhook_s_address_is_in_no_error(nights):
    with http_server() as (url, _, _):
        pass
    [channel] = channels(nights, alert_webhook=url)
    with pytest.raises(AlertError) as raised:
        channel.send(message())
    assert "SECRET" not in raised.value.message
    assert raised.value.message == "cannot be reached: ConnectError"


def test_slack_gets_text_in_which_nothing_is_an_order(nights):
    with http_server() as (url, got, _):
        [channel] = channels(nights, alert_slack=url)
        channel.send(message())
    [(_, body)] = got
    assert body == slack_form(message())
    assert not set("<>") & set(body["text"])
    assert "&lt;!channel&gt; &amp; &lt;https://evil.example|click&gt;" in body["text"]
    assert "\x1b" not in body["text"]
    assert "\u202e" not in body["text"]
    assert (
        body["text"].splitlines()[0]
        == "lpaudit 2026-11-23 on gw1: 1 new exception, 1 failed step, 1 check incomplete"
    )


def test_a_command_gets_json_and_no_shell(nights, tmp_path):
    program = (
        "import json,sys; d=json.load(sys.stdin); open(sys.argv[1],'w').write(json.dumps([sys.argv[2], d]))"
    )
    words = [sys.executable, "-c", program, str(tmp_path / "got"), "$(id); `id` & <x>"]
    import shlex

    [channel] = channels(nights, alert_command=shlex.join(words))
    channel.send(message())
    argument, told = json.loads((tmp_path / "got").read_text())
    assert argument == "$(id); `id` & <x>"
    assert json.loads(told["exceptions"][0]["key"]) == {"path": HOSTILE}
    assert told["failed"][0]["why"] == HOSTILE


def test_a_command_that_fails_says_its_last_words(nights):
    [channel] = channels(nights, alert_command="sh -c 'echo one >&2; printf \"two\\033[2J\" >&2; exit 7'")
    with pytest.raises(AlertError, match=r"^ends with 7: two\\x1b\[2J$"):
        channel.send(message())


def test_a_mail_has_the_receivers_of_the_settings_and_no_others(nights):
    with mail_server() as (port, got):
        [channel] = channels(
            nights,
            alert_mail="ops@example.com, audit@example.com",
            alert_mail_from="lpaudit@example.com",
            alert_smtp=f"smtp://127.0.0.1:{port}",
        )
        channel.send(message())
    [(receivers, data)] = got
    assert receivers == ["<ops@example.com>", "<audit@example.com>"]
    mail = message_from_bytes(data, policy=policy.default)
    assert (
        mail["Subject"].strip()
        == "lpaudit 2026-11-23 on gw1: 1 new exception, 1 failed step, 1 check incomplete"
    )
    assert (mail["To"], mail["From"], mail["Bcc"]) == (
        "ops@example.com, audit@example.com",
        "lpaudit@example.com",
        None,
    )
    text = mail.get_content()
    assert "https://a.example/x.html#bypass" in text
    assert "\x1b" not in text
    assert not any(piece.startswith("Bcc:") for piece in text.splitlines())


def test_a_subject_cannot_be_given_a_second_line(nights):
    assert "\n" not in message(host="gw1\nBcc: eve@example.com").subject


def test_without_tls_no_mail_leaves_this_machine(nights, monkeypatch):
    """A server elsewhere that offers none: here it is this one, under another name."""
    with mail_server() as (port, got):
        connect = socket.create_connection
        monkeypatch.setattr(
            socket,
            "create_connection",
            lambda address, *more, **kw: connect(("127.0.0.1", address[1]), *more, **kw),
        )
        [channel] = channels(nights, alert_mail="a@example.com", alert_smtp=f"smtp://mail.example.com:{port}")
        with pytest.raises(AlertError, match="offers no TLS"):
            channel.send(message())
    assert got == []


def test_a_mail_server_with_a_certificate_of_nobody_gets_nothing(nights, monkeypatch):
    def refused(*_, **__):
        raise ssl.SSLCertVerificationError("self-signed, for ops@example.com")

    monkeypatch.setattr(smtplib.SMTP_SSL, "_get_socket", refused)
    [channel] = channels(nights, alert_mail="ops@example.com", alert_smtp="smtps://mail.example.com")
    with pytest.raises(AlertError) as raised:
        channel.send(message())
    assert raised.value.message == "cannot be sent: SSLCertVerificationError"


@pytest.mark.parametrize(
    "settings",
    [
        {"alert_webhook": "ftp://x"},
        {"alert_webhook": "https://x\nhost"},
        {"alert_slack": "@/no/such/file"},
        {"alert_command": "echo 'x"},
        {"alert_mail": "a@example.com\nBcc: eve@example.com"},
        {"alert_mail": ","},
        {"alert_mail": "a@example.com", "alert_smtp": "mail.example.com"},
        {"alert_prefect": "perhaps"},
    ],
)
def test_what_cannot_work_is_said_before_the_night(nights, settings):
    with pytest.raises(ConfigError):
        channels(nights, **settings)


def test_a_secret_is_in_a_file_and_never_printed(nights, lpaudit, tmp_path):
    (tmp_path / "hook").write_text("https://hooks.example/SECRET\n")
    (tmp_path / "lpaudit.toml").write_text(f'alert_slack = "@{tmp_path}/hook"\n')
    shown = lpaudit("config", env={"LPAUDIT_ALERT_WEBHOOK": "https://hooks.example/SECRET"}).stdout
    assert "SECRET" not in shown
    assert f"@{tmp_path}/hook" in shown
    assert [c.name for c in channels(nights, alert_slack=f"@{tmp_path}/hook")] == ["slack"]


def test_a_great_many_exceptions_are_counted(nights):
    row = message().exceptions[0]
    told = message(exceptions=(row,) * 1000).json()
    assert (told["exception_count"], len(told["exceptions"])) == (1000, 20)
    assert "… and 980 more" in message(exceptions=(row,) * 1000).text()
    assert len(message(key="x" * (1 << 20)).text()) < 5000
