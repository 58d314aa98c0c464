"""A file's bytes → whether it is a report, or a binder, in any form: by the id that each form carries."""

import json
import re
import zipfile
from io import BytesIO

_ID = "[0-9a-f]{32}"
_SAID = re.compile(rf"Report (id</dt><dd>|id \| ?){_ID}".encode())
"""In HTML and in Markdown."""

_PROPERTY = re.compile(rf"Report {_ID}".encode())
"""In the properties of a PDF and of a workbook."""

_OSCAL = re.compile(rf'"report-id",\s*"ns": "[^"]*",\s*"value": "{_ID}"'.encode())

_PROPERTIES = "docProps/core.xml"
_MANIFEST = "manifest.json"


def is_report(data: bytes) -> bool:
    """Tell whether bytes are those of a report or a binder."""
    if data.startswith(b"PK"):
        return _in_archive(data)
    if data.startswith(b"{"):
        return _in_json(data)
    return bool((_PROPERTY if data.startswith(b"%PDF-") else _SAID).search(data))


def _in_archive(data: bytes) -> bool:
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            names = archive.namelist()
            if _PROPERTIES in names:
                return bool(_PROPERTY.search(archive.read(_PROPERTIES)))
            return _MANIFEST in names and "binder" in _object(archive.read(_MANIFEST))
    except (zipfile.BadZipFile, OSError, NotImplementedError, RuntimeError):
        return False


def _in_json(data: bytes) -> bool:
    told = _object(data)
    if "assessment-results" in told:
        return bool(_OSCAL.search(data))
    return "framework" in told and bool(re.fullmatch(_ID, str(told.get("id"))))


def _object(data: bytes) -> dict[str, object]:
    try:
        told = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}
