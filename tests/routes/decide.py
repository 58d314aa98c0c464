"""Let the real router of the Prefect beside this Python decide random requests, and print what it says.

    path/to/venv/bin/python tests/routes/decide.py | gzip -9n > tests/routes/decided-3.9.1.csv.gz

The paths are made of the recorded templates, so that most of them nearly fit one.
"""

import csv
import random
import sys
from pathlib import Path
from urllib.parse import unquote

SCHEMAS = Path(__file__).resolve().parents[2] / "schemas" / "routes"
sys.path.insert(0, str(SCHEMAS))

import record  # noqa: E402
from prefect.server.api.server import create_app  # noqa: E402
from starlette.routing import Match  # noqa: E402

UUID = "34a1e685-aad5-47b0-af6e-921ad94366d9"
METHODS = ["GET", "POST", "PATCH", "PUT", "DELETE", "HEAD", "OPTIONS"]


def main():
    rng = random.Random(20261123)
    mounted = next(r for r in create_app(ephemeral=True).routes if record.is_mount(r) and r.path == "/api")
    routes = [r for r in record.routes(mounted.app.routes) if not record.is_mount(r)]
    known = [
        (row["method"], row["template"])
        for file in sorted((SCHEMAS / "recorded").glob("*.csv"))
        for row in csv.DictReader(file.read_text().splitlines())
    ]
    words = sorted({w for _, t in known for w in t.split("/") if w and "{" not in w})

    def value():
        if rng.random() < 0.6:
            return rng.choice([UUID, UUID.upper(), UUID.replace("-", ""), UUID.replace("-", "%2D")])
        return rng.choice(
            [
                f"{{{UUID}}}",
                "not-a-uuid",
                rng.choice(words),
                "my pool",
                "a%20b",
                "%41",
                "a%252Fb",
                "a%2Fb",
                "ü",
                "%C3%BC",
                "",
                "100%",
            ]
        )

    def decide(method, path):
        for route in routes:
            methods = getattr(route, "methods", None)
            kind = "http" if methods else "websocket"
            scope = {"type": kind, "method": method, "path": path, "root_path": "", "headers": []}
            if (kind == "http" or method == "GET") and route.matches(scope)[0] is Match.FULL:
                return record.bare(route.path)
        return ""

    rows = csv.writer(sys.stdout, lineterminator="\n")
    rows.writerow(["method", "path", "template"])
    seen = set()
    while len(seen) < 4000:
        method, template = rng.choice(known)
        parts = [value() if "{" in s else s for s in template.split("/")]
        for _ in range(rng.choice([0, 0, 0, 1, 2])):
            at = rng.randrange(1, len(parts))
            change = rng.randrange(6)
            if change == 0:
                method = rng.choice(METHODS)
            elif change == 1:
                parts[at] = rng.choice(words)
            elif change == 2:
                parts[at] = value()
            elif change == 3:
                parts.insert(at, rng.choice(words))
            elif change == 4 and len(parts) > 2:
                del parts[at]
            else:
                parts[at] = parts[at].upper()
        path = "/".join(parts)
        if (method, path) in seen or not path.startswith("/"):
            continue
        seen.add((method, path))
        # As uvicorn decodes, and as Starlette redirects what fits nothing.
        decoded = unquote(path)
        other = decoded.rstrip("/") if decoded.endswith("/") else decoded + "/"
        rows.writerow([method, path, decide(method, decoded) or decide(method, other)])


if __name__ == "__main__":
    main()
