"""How good correlation is on what was recorded: against the log itself, Prefect's records, and the truth."""

import gzip
import json
from datetime import timedelta
from functools import cache

import pytest

from bench.correlate import POORER, held_out, recording, score, taught
from lpaudit.correlation import Confidence, Relation, links, shipped
from lpaudit.correlation.connections import connections
from tests import oracle
from tests.correlation.recorded import SAMPLES, lines, records
from tests.correlation.test_ids import A

UNSCORED = "worker-ml"  # its runs were not told to say who they are


@pytest.fixture(scope="module")
def recorded():
    return recording(SAMPLES, "audit.log.gz", "audit.truth.csv.gz", [UNSCORED])


@pytest.fixture(scope="module")
def found(recorded):
    return links(recorded.facts, shipped())


def origins(found, recorded, *words):
    own = {line.line_id for line in recorded.facts.lines if line.run is not None}
    return [
        link
        for link in found
        if link.relation is Relation.ORIGIN and link.confidence in words and link.line_id not in own
    ]


@pytest.mark.parametrize("shipped_table", [True, False])
def test_origins_are_as_good_as_is_promised(recorded, found, shipped_table):
    judged = found if shipped_table else held_out(recorded)
    strong = score(recorded, origins(judged, recorded, Confidence.EXACT, Confidence.STRONG))
    assert strong.precision >= 0.99
    assert strong.recall >= 0.50
    likely = score(
        recorded, origins(judged, recorded, Confidence.EXACT, Confidence.STRONG, Confidence.LIKELY)
    )
    assert likely.precision >= 0.95
    everything = score(recorded, origins(judged, recorded, *Confidence))
    assert everything.precision >= 0.93
    assert everything.recall >= 0.85


@pytest.fixture(scope="module")
def models(recorded):
    return taught(recorded)


@pytest.mark.parametrize(
    "what",
    [
        "one login for all",
        "no headers of Prefect's client",
        "no `%k`",
        "no `%{remote}p`",
        "Prefect's clock 1 s before lighttpd's",
        "Prefect's clock 5 s behind",
    ],
)
def test_what_is_missing_or_wrong_costs_recall_and_no_precision(recorded, models, what):
    judged = held_out(recorded, models, POORER[what](recorded.facts))
    everything = score(recorded, origins(judged, recorded, *Confidence))
    assert score(recorded, origins(judged, recorded, Confidence.STRONG)).precision >= 0.99
    assert everything.precision >= 0.88
    assert 0.25 < everything.recall < score(recorded, held_out(recorded, models)).recall


def test_what_names_a_worker_and_no_flow_is_the_workers_own(recorded, found):
    """No line of such a connection was made inside a run, and none is said to be."""
    own = {
        line.line_id
        for connection in connections(recorded.facts.lines, recorded.facts.runs)
        if connection.of_worker
        for line in connection.lines
    } - recorded.unscored
    assert {line.worker for line in recorded.facts.lines} >= {"etl-worker-1", "ml-worker-1"}
    assert len(own) > 2000
    assert not own & recorded.truth.keys()
    assert not own & {link.line_id for link in origins(found, recorded, *Confidence)}


def test_no_line_has_two_origins(found):
    lines = [link.line_id for link in found if link.relation in (Relation.ORIGIN, Relation.CLAIM)]
    assert len(lines) == len(set(lines))


def test_the_score_can_be_bad(recorded, found):
    """What is measured depends on what is said: with runs interchanged hardly anything is right."""
    said = origins(found, recorded, *Confidence)
    shifted = score(recorded, [_other(link, said[n - 100]) for n, link in enumerate(said)])
    assert shifted.precision < 0.2


def _other(link, by):
    return type(link)(
        **{**{name: getattr(link, name) for name in link.__slots__}, "flow_run_id": by.flow_run_id}
    )


def test_targets_are_what_paths_say_as_another_reader_reads_them(recorded, found):
    """Precision and recall are 1 over every line with an id of a known run."""
    runs = {one["id"] for one in records("flow_runs")}
    tasks = {one["id"]: one["flow_run_id"] for one in records("task_runs") if one["flow_run_id"] in runs}
    expected = set()
    for begin, _, path, query in _rows():
        for one in _ids(path) | _ids(query):
            if one in runs:
                expected.add((begin, path, one, None))
            elif one in tasks:
                expected.add((begin, path, tasks[one], one))
    assert len(expected) > 5000
    by_id = {line.line_id: line.begin for line in recorded.facts.lines}
    paths = dict(_paths_of(recorded))
    said = {
        (by_id[link.line_id], paths[link.line_id], link.flow_run_id, link.task_run_id)
        for link in found
        if link.relation is Relation.TARGET
    }
    assert said == expected
    assert {link.confidence for link in found if link.relation is Relation.TARGET} == {Confidence.EXACT}


def test_a_root_is_the_run_above_all_others_by_prefects_records(found):
    runs = {one["id"]: one for one in records("flow_runs")}
    tasks = {one["id"]: one["flow_run_id"] for one in records("task_runs")}

    def root(one):
        parent = tasks.get(runs[one]["parent_task_run_id"])
        return root(parent) if parent in runs else one

    assert {link.root_flow_run_id for link in found} <= runs.keys()
    assert all(link.root_flow_run_id == root(link.flow_run_id) for link in found)
    assert any(link.root_flow_run_id != link.flow_run_id for link in found)


def _ids(text):
    """Ids in a text of the recording, where all are written as Prefect writes them."""
    found = set()
    for at in range(len(text or "") - 35):
        word = text[at : at + 36]
        dashes = all((word[n] == "-") == (A[n] == "-") for n in range(36))
        if dashes and all(letter in "0123456789abcdef-" for letter in word):
            found.add(word)
    return found


FORMAT = (
    "v=1 ts=%{begin:sec}t.%{begin:usec_frac}t end=%{end:usec}t dur_us=%D ra=%a rp=%{remote}p la=%A lp=%p"
    ' ka=%k x=%X user="%u" m=%m url="%U" q="%q" proto=%H st=%>s in=%I out=%O body=%b host="%{Host}i"'
    ' auth="%V" vs="%v" ua="%{User-Agent}i" ref="%{Referer}i" xff="%{X-Forwarded-For}i"'
    ' frid="%{X-Prefect-Flow-Run-Id}i" tp="%{traceparent}i" nfrid="%{X-Prefect-Flow-Run-Id}i"'
    ' nfid="%{X-Prefect-Flow-Id}i" nfn="%{X-Prefect-Flow-Name}i" nfrn="%{X-Prefect-Flow-Run-Name}i"'
    ' ndid="%{X-Prefect-Deployment-Id}i" ndn="%{X-Prefect-Deployment-Name}i"'
    ' nwid="%{X-Prefect-Worker-Id}i" nwn="%{X-Prefect-Worker-Name}i" rid="%{X-Request-Id}i"'
    ' jti="%{AUTH_JTI}e" af="%{AUTH_FAIL}e" tlsv="%{SSL_PROTOCOL}e" tlsc="%{SSL_CIPHER}e"'
    ' cup="%{Upgrade}i" loc="%{Location}o" r="%r"'
)


@cache
def _rows():
    """When each line began, its place, its path and its query."""
    rows = [oracle.read(line, FORMAT) for line in lines()]
    return [
        (
            (row["event_start"] - oracle.EPOCH) // timedelta(microseconds=1),
            (row.get("client_port"), row.get("connection_request_number")),
            row.get("url_path"),
            row.get("url_query"),
        )
        for row in rows
        if row is not None
    ]


def _paths_of(recorded):
    """The path of each line, told by when it began and by its place: what the facts keep of it are ids."""
    by_place = {(begin, place): path for begin, place, path, _ in _rows()}
    for line in recorded.facts.lines:
        yield line.line_id, by_place[line.begin, (line.port, line.number)]


def test_the_truth_is_about_lines_of_the_log():
    with gzip.open(SAMPLES / "audit.truth.csv.gz", "rt") as file:
        rows = [row.strip().split(",") for row in file][1:]
    assert max(int(number) for number, _ in rows) <= len(lines())
    assert {run for _, run in rows} <= {one["id"] for one in records("flow_runs")}
    assert json.dumps(rows[0])
