"""A document → OSCAL assessment results (1.2.1), for tools that collect evidence.

Observations only: what was looked at, how much of it, and how many exceptions. A finding with
a state says whether a control is satisfied; only a person can, and nobody has signed yet.
"""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from lpaudit.model import Outcome
from lpaudit.report.cells import visible
from lpaudit.report.counts import count, found
from lpaudit.report.csv_ import part_sha256
from lpaudit.report.document import Document, Part

VERSION = "1.2.1"
NAMESPACE = "urn:lpaudit:oscal"
"""Of the names of properties that OSCAL does not know."""

Json = dict[str, object]


def write_oscal(document: Document, path: Path) -> None:
    """Write the file. Raises OSError."""
    text = json.dumps(as_oscal(document), indent=1, ensure_ascii=True)
    path.write_text(f"{text}\n", "ascii", newline="\n")


def as_oscal(document: Document) -> Json:
    """Return the document as OSCAL has it. Every UUID follows from the report's id."""
    plan = _uuid(document, "plan")
    return {
        "assessment-results": {
            "uuid": _uuid(document, "assessment-results"),
            "metadata": _metadata(document),
            "import-ap": {"href": f"#{plan}", "remarks": "What was asked, and how: the report's definition."},
            "results": [_result(document)],
            "back-matter": {
                "resources": [_plan(document, plan), *(_resource(document, p) for p in document.parts)]
            },
        }
    }


def control_id(control: str) -> str:
    """Return a control's id as OSCAL writes ids: ``AC-6(9)`` is ``ac-6.9``, ``5.3`` is ``_5.3``."""
    token = re.sub(r"[^\w.\-]", "-", re.sub(r"\((\w+)\)", r".\1", control.lower()))
    return token if re.match(r"[^\W\d]", token) else f"_{token}"


def _metadata(document: Document) -> Json:
    made = document.checkpoint
    props = [_prop("report-id", document.id), _prop("state", "draft")]
    props += [_prop("made-with", f"{name} {version}") for name, version in made.software.items()]
    props += [_prop("entity", visible(made.entity))] if made.entity else []
    props += [_prop("system", visible(made.system))] if made.system else []
    return {
        "title": document.framework.title,
        "last-modified": _time(document.as_of),
        "version": document.id,
        "oscal-version": VERSION,
        "props": props,
        "remarks": "Counts, not a judgement. Nobody has signed this report.",
    }


def _result(document: Document) -> Json:
    period = document.period
    ids = list(dict.fromkeys(control_id(control.id) for control in document.framework.controls))
    selected: Json = (
        {"include-controls": [{"control-id": one} for one in ids]} if ids else {"include-all": {}}
    )
    return {
        "uuid": _uuid(document, "result"),
        "title": document.framework.title,
        "description": " ".join(document.sentences) or document.framework.description,
        "start": _time(period.start),
        "end": _time(period.end),
        "reviewed-controls": {"control-selections": [selected]},
        "observations": [_observation(document, part) for part in document.parts],
        "remarks": "\n\n".join(
            [document.equation or "Reconciliation: not asked.", *document.framework.not_shown]
        ),
    }


def _observation(document: Document, part: Part) -> Json:
    check, result = part.check, part.result
    asked = result.outcome is not Outcome.ERROR
    props = [_prop("check", check.id), _prop("outcome", result.outcome.value)]
    if asked:
        props += [_prop("population", result.population), _prop("unit", check.unit)]
        props.append(_prop("exceptions" if check.kind == "control" else "rows", found(result)))
    controls = [c.id for c in document.framework.controls if check.id in c.checks]
    props += [_prop("control", one) for one in controls]
    return {
        "uuid": _uuid(document, f"observation {check.id}"),
        "title": part.heading,
        "description": f"{check.question} {visible(part.outcome)}",
        "props": props,
        "methods": ["EXAMINE"],
        "types": ["control-objective"],
        "relevant-evidence": [
            {
                "href": f"#{_uuid(document, f'resource {check.id}')}",
                "description": f"The {count(part.table.num_rows, 'row')} of the answer, and the query.",
            }
        ],
        "collected": _time(document.as_of),
        "remarks": "\n".join(part.limits),
    }


def _plan(document: Document, plan: str) -> Json:
    framework = document.framework
    return {
        "uuid": plan,
        "title": f"What was asked: {framework.title}",
        "description": "\n\n".join(framework.method),
        "rlinks": [_link(f"reports/{framework.file}", "application/toml", framework.sha256)],
    }


def _resource(document: Document, part: Part) -> Json:
    check = part.check
    given = [f"${name} = {value.text}" for name, value, _ in part.parameters]
    return {
        "uuid": _uuid(document, f"resource {check.id}"),
        "title": part.heading,
        "description": "\n\n".join([check.sql, f"Population: {check.population}", *given]),
        "rlinks": [
            _link(f"{document.framework.id}-csv/{part.name}.csv", "text/csv", part_sha256(part)),
            _link(f"reports/{check.file}", "application/sql", check.sha256),
        ],
    }


def _link(href: str, media_type: str, sha256: str) -> Json:
    return {
        "href": href,
        "media-type": media_type,
        "hashes": [{"algorithm": "SHA-256", "value": sha256}],
    }


def _prop(name: str, value: object) -> Json:
    return {"name": name, "ns": NAMESPACE, "value": str(value).strip()}


def _uuid(document: Document, what: str) -> str:
    return str(uuid5(NAMESPACE_URL, f"{NAMESPACE}:{document.id}:{what}"))


def _time(value: datetime) -> str:
    return f"{value.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
