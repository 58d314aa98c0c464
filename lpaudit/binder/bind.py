"""A period of a store → one ZIP, whole or not at all.

The same store, period and parameters give the same bytes: nothing in here knows a clock, and what is
random is only the draft's name. Reports and populations are of one snapshot; the tree may have grown
by what was signed since, which proves no less.
"""

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from lpaudit import STORE_VERSION, keys, pipeline, report, store
from lpaudit.binder.evidence import Told, add_evidence, add_segments, segments_of
from lpaudit.binder.folder import Folder
from lpaudit.binder.populations import add_populations
from lpaudit.binder.rows import add_rows
from lpaudit.binder.words import readme
from lpaudit.errors import CheckError, ConfigError
from lpaudit.model import Outcome, Period, Result
from lpaudit.outfile import together
from lpaudit.resources import folder as resources
from lpaudit.store import Store
from lpaudit.visible import instant

if TYPE_CHECKING:
    from lpaudit.evidence import Signer

FORM = 1
"""Of the manifest: raised when a key changes its meaning."""

SIGNED = "lpaudit binder manifest"
"""The first line of what is signed; the second is the manifest's SHA-256. No checkpoint looks like that."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be in a binder."""

    period: Period
    frameworks: Sequence[str]
    formats: Sequence[str] = ("html", "json", "csv", "md")
    segments: bool = False


@dataclass(frozen=True, slots=True)
class Bound:
    """A binder that was made. ``errors`` are the questions that could not be asked; ``key`` has signed it."""

    path: Path
    files: int
    reports: int
    evidence: Told
    key: str | None
    errors: list[str]


def bind(  # noqa: PLR0913 -- what, where to, and how
    root: str,
    wanted: Wanted,
    out: Path,
    key_file: Path,
    *,
    api_prefixes: Sequence[str],
    about: Mapping[str, str],
    library: report.Library = report.SHIPPED,
    seconds: float | None = None,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> Bound:
    """Make a binder, signed with the key of ``key_file`` if there is one that the store knows.

    ``progress`` is told bytes of the ZIP. Raises LpauditError; then ``out`` is what it was.
    """
    report.check_formats(wanted.formats)
    if out.is_dir():
        raise ConfigError(f"{out} is a directory", hint="name a file: --out binder.zip")
    target = store.open_store(root)
    signer = keys.signer(target, key_file) if keys.own(target, key_file) else None
    with (
        pipeline.asked(
            root,
            wanted.frameworks,
            wanted.period,
            api_prefixes=api_prefixes,
            about=about,
            library=library,
            seconds=seconds,
        ) as (documents, select),
        together(out.resolve().parent) as draft,
    ):
        files = Folder(draft / "files")
        parts = {part.check.id: part for document in documents for part in document.parts}
        for document in documents:
            for form in dict.fromkeys(wanted.formats):
                report.write(document, form, files.place("reports/x").parent)
        for part in parts.values():
            _add_check(files, part, library)
        frames = add_populations(files, (part.result for part in parts.values()), select)
        segments = segments_of(wanted.period, select)
        told = add_evidence(files, target, segments)
        if wanted.segments:
            add_segments(files, target, segments)
        files.add("verify.py", (resources("docs") / "verify_store.py").read_bytes())
        manifest = _manifest(target, wanted, documents, told, signer)
        manifest["checks"] = [
            _about(part.result, frames[name], files) for name, part in sorted(parts.items())
        ]
        files.add("README.md", readme(manifest, documents).encode())
        listed = files.listed()
        manifest["files"] = listed
        text = (json.dumps(manifest, indent=1, ensure_ascii=True) + "\n").encode()
        files.add("manifest.json", text)
        if signer:
            files.add("manifest.sig", signer.sign(f"{SIGNED}\n{sha256(text).hexdigest()}\n").encode())
        files.zipped(draft / out.resolve().name, progress)
        shutil.rmtree(files.path)
    errors = [
        f"{one.framework.id}: {check}: {why}"
        for one in documents
        for check, why in report.not_asked(one).items()
    ]
    key = str(signer.public) if signer else None
    return Bound(out, len(listed), len(documents), told, key, errors)


def _add_check(files: Folder, part: report.Part, library: report.Library) -> None:
    """Write a check's exceptions, or its rows if it is a table; its file, and the parameters it had."""
    check, result = part.check, part.result
    rows = part.table
    if rows.num_columns:
        if check.kind == "control":
            rows = rows.filter(pc.is_valid(rows.column(report.EXCEPTION_ID)))
        add_rows(files, f"exceptions/{check.id}", [rows])
    data = b""
    with suppress(OSError):  # then its hash says so, or it was changed
        data = report.checks(library)[check.id].path.read_bytes()
    if sha256(data).hexdigest() != check.sha256:
        raise CheckError(f"{check.file} was changed while it was asked", hint="run it again")
    files.add(f"sql/{check.id}.sql", data)
    asked = {
        "check": check.id,
        "file": f"{check.id}.sql",
        "sha256": check.sha256,
        "parameters": {name: report.plain(value) for name, value in result.parameters.items()},
        "population_sql": check.population,
        "sql": check.sql,
    }
    files.add(f"sql/{check.id}.json", (json.dumps(asked, indent=1) + "\n").encode())


def _manifest(
    target: Store,
    wanted: Wanted,
    documents: Sequence[report.Document],
    told: Told,
    signer: "Signer | None",
) -> dict[str, object]:
    made = documents[0].checkpoint
    return {
        "binder": FORM,
        "period": {"start": instant(wanted.period.start), "end": instant(wanted.period.end)},
        "entity": made.entity or None,
        "system": made.system or None,
        "store": {
            "location": target.location,
            "version": STORE_VERSION,
            "as_of": report.plain(made.as_of),
            "tables": dict(made.versions),
        },
        "software": {**made.software, "pyarrow": pa.__version__},
        "parameters": {
            "frameworks": [document.framework.id for document in documents],
            "formats": list(dict.fromkeys(wanted.formats)),
            "with_segments": wanted.segments,
            "api_prefix": documents[0].report.store["api prefix"],
        },
        "reports": {document.framework.id: document.id for document in documents},
        "evidence": {
            "signed": bool(told.checkpoint),
            "checkpoint": told.checkpoint or None,
            "batches": told.batches,
            "leaves": told.leaves,
            "segments": told.segments,
            "proven": told.proven,
        },
        "signed_by": str(signer.public) if signer else None,
        "signature": "manifest.sig" if signer else "unsigned",
    }


def _about(result: Result, frame: tuple[str | None, str], files: Folder) -> dict[str, object]:
    """Return what the manifest says of a check."""
    check, (population, why) = result.check, frame
    asked = result.outcome is not Outcome.ERROR
    return {
        "check": check.id,
        "title": check.title,
        "kind": check.kind,
        "sha256": check.sha256,
        "outcome": result.outcome.value,
        "reasons": list(result.reasons),
        "unit": check.unit,
        "population": result.population if asked else None,
        "population_rows": population,
        "population_why_not": why or None,
        "exceptions": files.rows.get(f"exceptions/{check.id}.csv"),
        "parameters": {name: report.plain(value) for name, value in result.parameters.items()},
    }
