"""Ids in paths and queries, as clients may write them, and as attackers do."""

import time
from urllib.parse import quote

import pytest

from lpaudit.correlation.read import id_of, ids_in

A = "01a207e3-f87d-7b75-923a-f85ac72ede2f"
B = "34a1e685-aad5-47b0-af6e-921ad94366d9"
BARE = A.replace("-", "")
ENCODED = "".join(f"%{ord(letter):02x}" for letter in A)


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        (f"/api/flow_runs/{A}", [A]),
        (f"/api/flow_runs/{A}/set_state", [A]),
        (f"/api/flow_runs/{A.upper()}", [A]),
        (f"/api/flow_runs/{BARE}", [A]),
        (f"/api/flow_runs/{BARE.upper()}/", [A]),
        (f"/api/flow_runs/{ENCODED}", [A]),
        (f"/api/flow_runs/{ENCODED.upper()}", [A]),
        (f"/api/flow_runs/{A.replace('-', '%2D')}", [A]),
        (f"/api/flow_runs%2F{A}%2Fset_state", [A]),
        (f"/api/flow_runs/{{{A}}}", [A]),
        (f"/api/flow_runs/%7B{A}%7D", [A]),
        (f"/api/flow_runs/urn:uuid:{A}", [A]),
        (f"/api/flow_runs/urn%3Auuid%3A{A}", [A]),
        (f"/api/flow_runs/{A}/graph/{B}", [A, B]),
        (f"/api/flow_runs/{A}/{A.upper()}/{BARE}", [A]),
        (f"/api/flow_runs/{A},{B}", [A, B]),
        (f"/api/flow_runs/{A}-{B}", [A, B]),
        (f"id={A}&other={BARE}&third={B}", [A, B]),
        (f"flow_run_id=%22{A}%22", [A]),
        # Prefect undoes the encoding once.
        (f"/api/flow_runs/{quote(ENCODED)}", []),
        (f"/api/flow_runs/{BARE}0", []),
        (f"/api/flow_runs/{A}0", []),
        (f"/api/flow_runs/0{A}", []),
        (f"/api/flow_runs/{A}g", []),
        (f"/api/flow_runs/{A[:-1]}", []),
        (f"/api/flow_runs/{BARE[:-1]}", []),
        (f"/api/flow_runs/{BARE * 2}", []),
        (f"/api/flow_runs/{A[:-1]}g", []),
        ("/api/flow_runs/" + "-" * 36, []),
        ("/api/flow_runs/" + "a" + "-" * 34 + "b", []),
        ("/api/flow_runs/filter", []),
        ("/api/flow_runs/" + "\uff10" * 32, []),  # digits, but not those of an id
        ("/api/\x00\x1b[31m\ud800", []),
        ("%", []),
        ("", []),
        (None, []),
    ],
)
def test_the_ids_of_a_text_are_those_that_prefect_would_read(text, ids):
    assert ids_in(text) == tuple(ids)


@pytest.mark.parametrize(
    ("header", "names"),
    [
        *(
            (spelt, A)
            for spelt in (A, A.upper(), BARE, BARE.upper(), f"{{{A}}}", f"urn:uuid:{A}", f" {A}", ENCODED)
        ),
        *((other, other) for other in (f"{A}, {B}", "{{ ctx.flow_run.id }}", "", "-", A[:-1], f"{A}0", None)),
    ],
)
def test_a_header_names_one_id_however_it_is_spelt(header, names):
    """Else a client that spells a run's id otherwise would claim to be it, and not be found out."""
    assert id_of(header) == names


@pytest.mark.parametrize(
    "piece", ["a", "a-", "-", "%", "%61", "%2", f"{A}/", f"{BARE}", f"{A}", "0" * 33 + "-", "İ", "\x00"]
)
def test_long_texts_take_no_longer_by_the_byte(piece):
    def seconds(length: int) -> float:
        text = piece * (length // len(piece))
        began = time.process_time()
        ids_in(text)
        return time.process_time() - began

    seconds(1000)
    assert min(seconds(1_000_000) for _ in range(2)) < 2  # quadratic time would be hours
