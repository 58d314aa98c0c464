"""What is in a binder → README.md, for whoever opens it."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from lpaudit.report import Document
from lpaudit.report.cells import cell


def readme(manifest: Mapping[str, Any], documents: Sequence[Document]) -> str:
    """Return the text. What may come from a setting stands in it as cells do, in which nothing is markup."""
    environment = Environment(
        loader=PackageLoader("lpaudit.binder", "."),
        autoescape=False,  # noqa: S701 -- Markdown is no HTML: cells escape themselves
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"cell": lambda value: cell(value).markdown, "quoted": shlex.quote}
    checks = manifest["checks"]
    return environment.get_template("README.md.jinja").render(
        **manifest,
        documents=documents,
        without=[one for one in checks if one["population_rows"] is None],
    )
