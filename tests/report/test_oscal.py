"""OSCAL: valid against NIST's own schema, and nothing in it that only a person may say.

schemas/oscal_assessment-results_schema.json is NIST's, of OSCAL 1.2.1, byte by byte: public domain.
"""

import json
import re
from hashlib import sha256
from pathlib import Path

import jsonschema
import pytest
from report.printed import document
from report.small import line

from lpaudit.report.oscal import as_oscal, control_id, write_oscal

SCHEMA = Path(__file__).parent / "schemas" / "oscal_assessment-results_schema.json"
SHA256 = "4f9e277a177adbcca9527612ce450a33dc6096773fa229d413d801d196c61985"


def _pattern(_, pattern, instance, __):
    """Patterns are ECMAScript's, with classes that Python's re does not know."""
    ours = pattern.replace(r"\p{L}", r"[^\W\d_]").replace(r"\p{N}", r"\d")
    if isinstance(instance, str) and not re.search(ours, instance):
        yield jsonschema.ValidationError(f"{instance!r} does not match {pattern}")


@pytest.fixture(scope="module")
def validator():
    data = SCHEMA.read_bytes()
    assert sha256(data).hexdigest() == SHA256
    kind = jsonschema.validators.extend(jsonschema.Draft7Validator, {"pattern": _pattern})
    return kind(json.loads(data))


def test_it_is_valid(printable, validator, tmp_path):
    write_oscal(printable, tmp_path / "x.json")
    told = json.loads((tmp_path / "x.json").read_text("ascii"))
    validator.validate(told)
    results = told["assessment-results"]
    [result] = results["results"]
    assert "findings" not in result
    assert len(result["observations"]) == len(printable.parts)
    uuids = re.findall(r'"uuid": "([^"]+)"', json.dumps(told))
    assert len(uuids) == len(set(uuids))
    referred = {e["href"][1:] for o in result["observations"] for e in o["relevant-evidence"]}
    assert {*referred, results["import-ap"]["href"][1:]} == {
        r["uuid"] for r in results["back-matter"]["resources"]
    }


def test_a_schema_that_is_broken_is_noticed(printable, validator):
    told = as_oscal(printable)
    told["assessment-results"]["results"][0]["observations"][0]["methods"] = []
    with pytest.raises(jsonschema.ValidationError):
        validator.validate(told)


def test_without_controls_it_is_valid_too(store_of, validator):
    validator.validate(as_oscal(document(store_of(access=[line("10:00:00", "GET /")]).evaluate())))


@pytest.mark.parametrize(
    ("given", "written"),
    [("CC6.1", "cc6.1"), ("AC-6(9)", "ac-6.9"), ("5.3", "_5.3"), ("10.2.1.1", "_10.2.1.1"), ("a b", "a-b")],
)
def test_ids_of_controls_are_tokens(given, written):
    assert control_id(given) == written
