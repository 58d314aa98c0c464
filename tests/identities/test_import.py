"""Lists of who there is, in every form: what they mean, and what of them is refused."""

import json
from datetime import UTC, datetime

import pytest
from report.team import READ, TEAM, Team, at, line

from lpaudit.errors import ConfigError, SourceError
from tests.stores import stored_table

# As RFC 7643 has users, groups and the enterprise extension, and RFC 7644 a list of them.
USER = {
    "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],
    "id": "2819c223-7f76-453a-919d-413861904646",
    "externalId": "bjensen",
    "meta": {
        "resourceType": "User",
        "created": "2026-01-23T04:56:22Z",
        "lastModified": "2026-05-13T04:42:34Z",
        "version": 'W/"a330bc54f0671c9"',
    },
    "userName": "bjensen@example.com",
    "name": {"formatted": "Ms. Barbara J Jensen III", "familyName": "Jensen"},
    "userType": "Employee",
    "active": True,
    "groups": [{"value": "e9e30dba-f08f-4109-8486-d5c6a331660a", "display": "Tour Guides"}],
    "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {
        "employeeNumber": "701984",
        "manager": {"value": "26118915-6090-4610-87e4-49d8ca9f808d", "displayName": "John Smith"},
    },
}  # fmt: skip
GROUP = {
    "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
    "id": "e9e30dba-f08f-4109-8486-d5c6a331660b",
    "displayName": "Deployers",
    "members": [{"value": "2819c223-7f76-453a-919d-413861904646", "display": "Babs Jensen"}],
}
# As Okta's API answers /api/v1/users.
OKTA = {
    "id": "00u118oQYT4TBGuay0g4",
    "status": "ACTIVE",
    "created": "2026-04-04T15:56:05.000Z",
    "activated": None,
    "statusChanged": None,
    "lastLogin": "2026-05-04T19:50:52.000Z",
    "type": {"id": "oty1162QAr8hJjTaq0g4"},
    "profile": {
        "firstName": "Alice",
        "lastName": "Smith",
        "mobilePhone": None,
        "login": "alice.smith@example.com",
    },
    "credentials": {"password": {}, "provider": {"type": "OKTA", "name": "OKTA"}},
}
OKTA_CSV = """User,Login,Status,Activation date,Authentication Source,Last Login,Last Password Change
Alice Smith,alice.smith@example.com,Active,"Apr 4, 2026 8:56:05 AM",Okta,,
"Gone, Bob",bob@example.com,Deactivated,,Okta,,
Carol,carol@example.com,Password reset,,Okta,,
"""


@pytest.fixture
def team(tmp_path):
    return Team(tmp_path)


def listed(team, *columns):
    rows = team.select("select * from identity_latest order by identity")
    return [tuple(row[column] for column in columns) for row in rows]


def scim(*resources, total=None):
    return json.dumps(
        {
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
            "totalResults": len(resources) if total is None else total,
            "startIndex": 1,
            "itemsPerPage": len(resources),
            "Resources": resources,
        },
        indent=1,
    )


def test_toml_says_everything(team, tmp_path):
    text = """directory = "staff"
[[identity]]
name = "alice"
kind = "human"
display_name = "Alice Ngata"
owner = "platform"
groups = ["ops", "deployers"]
aliases = ["00u1"]
valid_from = 2026-01-01
valid_to = 2026-07-01T00:00:00+02:00
disabled_at = 2026-06-01T00:00:00Z

[[entitlement]]
group = "deployers"
actions = ["execute", "update"]
resource_types = ["deployment"]
ticket = "OPS-12"

[[token]]
id = "b7Zr-2x"
identity = "alice"
issued_at = 2026-09-01T10:00:00Z
cadence_days = 90
"""
    team.directory(text, as_of="2026-11-01T00:00")
    [row] = stored_table(tmp_path / "store", "identity")
    assert json.loads(row["groups"]) == ["deployers", "ops"]
    assert row["valid_from"] == datetime(2026, 1, 1, tzinfo=UTC)
    assert row["valid_to"] == datetime(2026, 6, 30, 22, tzinfo=UTC)
    assert (row["directory"], row["source_format"], row["line"]) == ("staff", "toml", 2)
    assert row["source"] == str(tmp_path / "team.toml")
    [version] = stored_table(tmp_path / "store", "directory")
    assert version["as_of"] == datetime(2026, 11, 1, tzinfo=UTC)
    assert (version["identities"], version["entitlements"], version["tokens"]) == (1, 2, 1)
    assert json.loads(version["files"])[0]["sha256"] == row["sha256"]
    assert {(r["action"], r["resource_type"]) for r in stored_table(tmp_path / "store", "entitlement")} == {
        ("execute", "deployment"), ("update", "deployment")
    }  # fmt: skip
    [token] = stored_table(tmp_path / "store", "token")
    assert (token["token_id"], token["cadence_days"]) == ("b7Zr-2x", 90)


def test_csv_says_the_same_in_columns(team):
    people = 'name,kind,groups,aliases,disabled_at\r\n"Ngata, Alice",human,ops;deployers,,2026-06-01\r\nbot,agent,,b1;b2,\r\n'
    team.directory(people, name="people.csv")
    team.directory("group,actions,resource_types\nops,delete;update,flow_run\n", name="rights.csv")
    team.directory("id,identity,issued_at,cadence_days\nx1,bot,2026-09-01T00:00Z,30\n", name="tokens.csv")
    assert listed(team, "identity", "kind", "groups", "aliases", "directory") == [
        ("Ngata, Alice", "human", "deployers, ops", "", "people"),
        ("bot", "agent", "", "b1, b2", "people"),
    ]
    assert len(team.select("select * from entitlement_as_of where newest")) == 2
    assert team.select("select token_id, cadence_days from token_latest") == [
        {"token_id": "x1", "cadence_days": 30}
    ]


def test_csv_may_have_semicolons_as_excel_writes_it(team):
    people = '\ufeffname;kind;groups;disabled_at\r\n"Ngata; Alice";human;"ops;deployers";2026-06-01\r\nbot,1;agent;;\r\n'
    team.directory(people, name="people.csv")
    assert listed(team, "identity", "kind", "groups") == [
        ("Ngata; Alice", "human", "deployers, ops"),
        ("bot,1", "agent", ""),
    ]


def test_who_is_active_was_not_disabled_before(team, tmp_path):
    whole = HUMAN.format("a") + "active = true\ndisabled_at = {}\n"
    with pytest.raises(SourceError, match="a is active, and was disabled at 2020-01-01") as error:
        team.directory(whole.format("2020-01-01"), name="list")
    assert str(tmp_path / "list:1") in error.value.message
    assert not (tmp_path / "store").exists()
    team.directory(whole.format("2999-01-01"), name="list")
    team.directory(HUMAN.format("a") + "disabled_at = 2020-01-01\n", name="list")


def test_scim_users_and_groups_are_joined_by_id(team, tmp_path):
    gone = USER | {"id": "3", "userName": "gone", "active": False, "groups": []}
    (tmp_path / "users.json").write_text(scim(USER, gone))
    (tmp_path / "groups.json").write_text(scim(GROUP))
    team.imported("users.json", "groups.json")
    assert listed(
        team, "identity", "kind", "display_name", "owner", "groups", "aliases", "disabled_at", "directory"
    ) == [
        (
            "bjensen@example.com",
            "human",
            "Ms. Barbara J Jensen III",
            "John Smith",
            "Deployers, Tour Guides",
            USER["id"],
            None,
            "scim",
        ),
        (
            "gone",
            "human",
            "Ms. Barbara J Jensen III",
            "John Smith",
            "",
            "3",
            at("2026-05-13T04:42:34"),
            "scim",
        ),
    ]


@pytest.mark.parametrize("text", [json.dumps(USER), json.dumps([USER])])
def test_scim_is_known_without_a_list(team, text):
    team.directory(text, name="one.json")
    assert listed(team, "identity", "directory") == [("bjensen@example.com", "scim")]


def test_okta_users_are_known_by_login_and_id_and_gone_since_their_status_changed(team):
    gone = OKTA | {"id": "2", "status": "DEPROVISIONED", "statusChanged": "2026-06-01T00:00:00.000Z", "profile": {"login": "bob", "userType": "Service"}}  # fmt: skip
    team.directory(json.dumps([OKTA, gone]), name="users.json")
    assert listed(
        team, "identity", "kind", "display_name", "aliases", "valid_from", "disabled_at", "directory"
    ) == [
        (
            "alice.smith@example.com",
            "human",
            "Alice Smith",
            "00u118oQYT4TBGuay0g4",
            at("2026-04-04T15:56:05"),
            None,
            "okta",
        ),
        ("bob", "service", None, "2", at("2026-04-04T15:56:05"), at("2026-06-01T00:00"), "okta"),
    ]


def test_oktas_reports_are_read_without_their_times_that_have_no_zone(team):
    team.directory(OKTA_CSV, as_of="2026-11-01T00:00", name="report.csv")
    assert listed(team, "identity", "display_name", "disabled_at", "directory") == [
        ("alice.smith@example.com", "Alice Smith", None, "okta"),
        ("bob@example.com", "Gone, Bob", at("2026-11-01T00:00"), "okta"),
        ("carol@example.com", "Carol", None, "okta"),
    ]


def test_the_same_file_again_adds_nothing_also_under_another_name(team, tmp_path):
    team.directory()
    before = {path: path.stat().st_size for path in (tmp_path / "store").rglob("*") if path.is_file()}
    team.directory(directory="team")
    assert not team.results[0].new
    team.directory(name="copy.toml", directory="team")
    assert not team.results[0].new
    assert {path: path.stat().st_size for path in (tmp_path / "store").rglob("*") if path.is_file()} == before


def test_a_list_that_is_again_what_it_was_is_a_version_and_its_rows_are_there_once(team, tmp_path):
    other = TEAM.replace('"readers"', '"ops"')
    for text, when in [(TEAM, "08:00"), (other, "09:00"), (TEAM, "10:00"), (TEAM, "11:00")]:
        team.directory(text, as_of=when)
    assert len(stored_table(tmp_path / "store", "identity")) == 10
    assert len(stored_table(tmp_path / "store", "directory")) == 4
    team.log(*(line(f"{hour:02d}:30", READ, user="bob") for hour in (7, 8, 9, 10, 11)))
    groups = team.select('select "groups" from access_identity order by time')
    assert [row["groups"] for row in groups] == ["readers", "readers", "ops", "readers", "readers"]


def test_what_was_interrupted_is_not_there_and_is_gone_on_with(team, tmp_path, monkeypatch):
    from lpaudit import store

    whole = store.append_records

    def dies(target, name, *rest):
        if name == "directory":
            raise KeyboardInterrupt
        return whole(target, name, *rest)

    monkeypatch.setattr(store, "append_records", dies)
    with pytest.raises(KeyboardInterrupt):
        team.directory()
    assert listed(team, "identity") == []
    monkeypatch.undo()
    team.directory()
    assert len(listed(team, "identity")) == len(stored_table(tmp_path / "store", "identity")) == 5


def test_stated_times_tell_the_whole_history_and_a_newer_version_corrects_it(team):
    text = """
[[identity]]
name = "alice"
kind = "human"
groups = ["{}"]
valid_from = 2026-11-23T0{}:00:00Z
valid_to = 2026-11-23T10:00:00Z

[[identity]]
name = "alice"
kind = "human"
groups = ["late"]
valid_from = 2026-11-23T10:00:00Z
"""
    team.directory(text.format("wrong", 5), as_of="11:00")
    team.directory(text.format("early", 8), as_of="12:00")
    team.log(*(line(time, READ) for time in ("06:00", "08:00", "09:59:59", "10:00", "13:00")))
    rows = team.select('select state, "groups" from access_identity order by time')
    assert [(row["state"], row["groups"]) for row in rows] == [
        ("not yet", "early"), ("valid", "early"), ("valid", "early"), ("valid", "late"), ("valid", "late"),
    ]  # fmt: skip


def test_what_a_later_version_says_of_a_leaver_is_true_of_the_time_before_it(team):
    people = "name,kind,disabled_at\nalice,human,{}\nbob,human,\n"
    team.directory(people.format(""), as_of="08:00", name="hr.csv")
    team.directory(people.format(""), as_of="09:00", name="hr.csv")
    team.directory(people.format("2026-11-23T08:30Z"), as_of="12:00", name="hr.csv")
    team.log(*(line(time, READ) for time in ("08:29", "08:30", "09:30", "13:00")))
    rows = team.select("select state from access_identity order by time")
    assert [row["state"] for row in rows] == ["valid", "disabled", "disabled", "disabled"]


def test_every_line_has_one_row_however_many_versions_and_directories_there_are(team):
    for hour in range(6):
        team.directory(TEAM.replace('"readers"', f'"g{hour}"'), as_of=f"0{hour}:00")
    team.directory('[[identity]]\nname = "zoe"\nkind = "human"\n', name="other.toml")
    users = ["alice", "00u1alice", "bob", "zoe", "mallory", "-"]
    team.log(
        *(
            line(f"{hour:02d}:{minute:02d}", READ, user=user)
            for hour in range(8)
            for minute, user in enumerate(users)
        )
    )
    [row] = team.select(
        "select count(*) as n, count(distinct line_id) as lines, count(identity) as named from access_identity"
    )
    assert (row["n"], row["lines"], row["named"]) == (48, 48, 40)


def test_what_the_gateway_logged_is_evidence_of_its_own(team):
    team.directory().log(line("10:00", READ, groups="workers,B\\xC3\\xBCro", token="b7Zr-2x"))
    [row] = team.select('select "groups", logged_groups, token_id from access_identity')
    assert row == {"groups": "deployers", "logged_groups": "workers,Büro", "token_id": "b7Zr-2x"}


HUMAN = '[[identity]]\nname = "{}"\nkind = "human"\n'
ENTITLEMENT = '[[entitlement]]\ngroup = "g"\nactions = ["{}"]\n'
TOKEN = '[[token]]\nid = "{}"\nidentity = "a"\nissued_at = 2026-01-01\n'
REFUSED = {
    "twice": (HUMAN.format("a") * 2, ":4: a is there twice at the same time: also in ", "valid_from and valid_to"),
    "overlap": (HUMAN.format("a") + "valid_to = 2026-02-02\n" + HUMAN.format("a") + "valid_from = 2026-02-01\n", ":5: a is there twice", None),
    "contradiction": (HUMAN.format("a") + HUMAN.format("b") + 'aliases = ["a"]\n', "the login a is b's and a's at the same time", None),
    "kind": (HUMAN.format("a").replace("human", "hunam"), ":1: unknown kind 'hunam'", "did you mean human?"),
    "no kind": ('[[identity]]\nname = "a"\n', ":1: there is no kind", None),
    "no name": ('\n[[identity]]\nkind = "human"\n', ":2: there is no name", None),
    "key": (HUMAN.format("a") + 'group = ["x"]\n', ":1: unknown key 'group'", "did you mean groups?"),
    "table": ('[[identitiy]]\nname = "a"\n' + HUMAN.format("b"), ":1: unknown key 'identitiy'", None),
    "zone": (HUMAN.format("a") + "disabled_at = 2026-01-01T10:00:00\n", ":1: disabled_at 2026-01-01T10:00:00 has no time zone", "write 2026-01-01T10:00:00Z"),
    "zone in text": (HUMAN.format("a") + 'valid_to = "2026-01-01 10:00"\n', "has no time zone", None),
    "time": (HUMAN.format("a") + 'valid_to = "tomorrow"\n', ":1: valid_to is 'tomorrow', not a time", None),
    "clock": (HUMAN.format("a") + "valid_to = 10:00:00\n", ":1: valid_to is ", None),
    "backwards": (HUMAN.format("a") + "valid_from = 2026-02-01\nvalid_to = 2026-02-01\n", "valid_to is not after valid_from", None),
    "before": (HUMAN.format("a") + "valid_from = 2026-02-01\ndisabled_at = 2026-01-01\n", "disabled before it is valid", None),
    "groups": (HUMAN.format("a") + 'groups = "x"\n', ":1: groups is 'x', not a list", None),
    "truth": (HUMAN.format("a") + "active = 1\n", ":1: active is 1, neither true nor false", None),
    "blank": (HUMAN.format(" a"), "begins or ends with a blank", None),
    "unseen": (HUMAN.format("a\\u202Eb"), r"name a\u202eb has characters that nobody sees", None),
    "escape": (HUMAN.format("a\\u001B[31m"), r"name a\x1b[31m has characters", None),
    "long": (HUMAN.format("a" * 100_000), "name has 100,000 characters", None),
    "action": (ENTITLEMENT.format("exceute"), "the route catalogue has no 'exceute'", "did you mean execute?"),
    "type": (ENTITLEMENT.format("execute") + 'resource_types = ["flowrun"]\n', "no 'flowrun'", "did you mean flow_run?"),
    "both": (ENTITLEMENT.format("execute") + 'identity = "a"\n', "of a group or of an identity", None),
    "entitled twice": (ENTITLEMENT.format("execute") * 2, "the entitlement of group g execute * is there twice", None),
    "token twice": (TOKEN.format("x") * 2, "the token x is there twice", None),
    "no issue": ('[[token]]\nid = "x"\nidentity = "a"\n', "there is no issued_at", None),
    "cadence": (TOKEN.format("x") + "cadence_days = -1\n", "cadence_days is -1, not a number of days", None),
    "revoked": (TOKEN.format("x") + "revoked_at = 2025-01-01\n", "revoked before it is issued", None),
    "empty": ('directory = "x"\n', "says nothing of anybody", "everybody is gone"),
    "broken": ('[[identity]]\nname = "a\n', "is not TOML: ", None),
    "record": ("directory = 5\n" + HUMAN.format("a"), ":1: directory is 5", None),
    "nothing": ("", "is in no form that is known", None),
    "a log": (line("10:00", READ) + "\n", "is in no form that is known", None),
    "json": ('{"users": []}', "is in no form that is known", None),
    "columns": ("name,age\na,5\n", "is in no form that is known", None),
    "ragged": ("name,kind\na,human\nb,human,x\n", ":3: 3 values for 2 columns", None),
    "ragged semicolons": ("name;kind\na;human\nb;human;x\n", ":3: 3 values for 2 columns", "has a ;"),
    "double column": ("name,kind,name\na,human,b\n", ":1: a column is there twice", None),
    "quotes": ('name,kind\n"a"b,human\n', ":2: this is not CSV", None),
    "csv kind": ("name,kind\na,human\n\nb,robot\n", ":4: unknown kind 'robot'", None),
    "status": (json.dumps([OKTA, OKTA | {"status": "HAPPY"}], indent=1), "unknown status 'HAPPY'", "ACTIVE"),
    "okta twice": (json.dumps([OKTA, OKTA], indent=1), "alice.smith@example.com is there twice", None),
    "scim page": (scim(USER, total=250), "1 of 250 users are here", "all pages"),
    "scim other": (scim(USER, {"schemas": ["x"]}), "neither a User nor a Group", None),
    "scim no name": (scim(USER | {"userName": None}), "there is no name", None),
    "scim odd": (scim(USER | {"meta": 5}), "meta is not an object", None),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_wrong_is_refused_with_its_place_and_nothing_is_imported(team, tmp_path, case):
    text, message, hint = REFUSED[case]
    with pytest.raises(SourceError) as error:
        team.directory(text, name="list")
    assert message in error.value.message
    assert str(tmp_path / "list") in error.value.message
    assert error.value.hint
    assert hint is None or hint in error.value.hint
    assert "\x1b" not in error.value.message
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    "secret",
    [
        "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.x",
        "pnu_0123456789abcdef",
        "Bearer abcdef",
        "a:$2y$05$abc",
        "AKIAIOSFODNN7EXAMPLE",
    ],
)
def test_a_token_itself_is_refused_and_not_repeated(team, secret):
    with pytest.raises(SourceError, match="looks like a token or password itself") as error:
        team.directory(TOKEN.format(secret))
    assert secret not in error.value.message + str(error.value.hint)


def test_the_line_of_a_json_record_is_told(team, tmp_path):
    with pytest.raises(SourceError, match=rf"{tmp_path}/list:(\d+): ") as error:
        team.directory(REFUSED["status"][0], name="list")
    number = int(error.value.message.split(":")[1])
    assert REFUSED["status"][0].split("\n")[number - 1].strip() == "{"
    assert "HAPPY" in "\n".join(REFUSED["status"][0].split("\n")[number:])


@pytest.mark.parametrize(
    "data", [b"name,kind\na,human\nb\xff,human\n", b"\x00" * 100, b"[" * 100_000, b'{"a":' * 100_000]
)
def test_bytes_that_are_no_list_are_refused(team, tmp_path, data):
    (tmp_path / "list").write_bytes(data)
    with pytest.raises(SourceError):
        team.imported("list")


def test_a_file_of_another_form_than_was_said_is_refused(lpaudit, tmp_path):
    (tmp_path / "a.csv").write_text("name,kind\na,human\n")
    for form in ("toml", "scim", "okta"):
        done = lpaudit("identities", "import", "--format", form, "a.csv")
        assert done.returncode == 3
        assert "a.csv" in done.stderr
        assert "hint:" in done.stderr
    assert lpaudit("identities", "import", "gone.toml").returncode == 3
    assert not (tmp_path / "lpaudit-store").exists()


def test_a_login_is_in_one_directory_only(team):
    team.directory()
    with pytest.raises(
        SourceError, match=r"the login 00u1alice is also in .*team\.toml:2.*another directory"
    ) as error:
        team.directory(HUMAN.format("00u1alice"), name="other.toml")
    assert "--directory" in error.value.hint
    assert len(team.select("select * from directory")) == 1
    team.directory(HUMAN.format("alice"), name="newer.toml", directory="team")
    assert [
        row["identity"] for row in team.select("select identity from identity_latest where gone_at is null")
    ] == ["alice"]
    team.directory(HUMAN.format("bob"), name="other.toml")  # who is gone from one may be in another


def test_files_of_one_command_contradict_each_other_too(team, tmp_path):
    (tmp_path / "a.toml").write_text(HUMAN.format("x"))
    (tmp_path / "b.toml").write_text(HUMAN.format("x"))
    with pytest.raises(SourceError, match="the login x is also in"):
        team.imported("a.toml", "b.toml")
    (tmp_path / "b.toml").write_text(HUMAN.format("x") + "\n")
    with pytest.raises(SourceError, match="x is there twice"):
        team.imported("a.toml", "b.toml", directory="staff")
    assert not (tmp_path / "store").exists()


def test_a_time_to_come_is_refused(team):
    with pytest.raises(ConfigError, match="still to come"):
        team.directory(as_of="2027-01-01T00:00")


def test_a_hundred_thousand_identities_are_imported_and_asked(team):
    rows = "".join(f"user{i},human,g{i % 100};all,id{i}\n" for i in range(100_000))
    team.directory(f"name,kind,groups,aliases\n{rows}", name="all.csv")
    assert team.results[0].identities == 100_000
    team.log(line("10:00", READ, user="user99999"), line("10:01", READ, user="id5"))
    found = team.select('select identity, "groups" from access_identity order by time')
    assert [tuple(row.values()) for row in found] == [("user99999", "all, g99"), ("user5", "all, g5")]


def test_the_command_imports_and_lists(lpaudit, tmp_path):
    (tmp_path / "ids.toml").write_text(
        HUMAN.format("=1+1")
        + "disabled_at = 2026-06-01\n"
        + HUMAN.format("bob")
        + "valid_from = 2026-03-01\n"
    )
    done = lpaudit("identities", "import", "ids.toml")
    assert (done.returncode, done.stdout) == (0, "ids: 2 identities, 0 entitlements, 0 tokens\n")
    again = lpaudit("identities", "import", "ids.toml")
    assert (again.returncode, again.stdout) == (
        0,
        "ids: nothing new: 2 identities, 0 entitlements, 0 tokens\n",
    )

    def states(*options):
        told = json.loads(lpaudit("identities", "list", "--format", "json", *options).stdout)
        return {row["identity"]: row["state"] for row in told}

    assert states() == {"=1+1": "disabled", "bob": "valid"}
    assert states("--as-of", "2026-02-01") == {"=1+1": "valid", "bob": "not yet"}
    csv = lpaudit("identities", "list", "--format", "csv").stdout.splitlines()
    assert csv[0].startswith("identity,kind,display_name,owner,groups,aliases,state,valid_from")
    assert lpaudit("identities", "list", "--store", "nowhere").returncode == 3
