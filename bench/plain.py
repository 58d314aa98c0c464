"""What one asks who keeps access logs as Parquet and asks DuckDB, as Tailpipe does: plain SQL, a query a question.

There are no routes, no populations, no completeness, no limits, and no memory of what was asked before: each
of them reads the files. ``python -m bench.plain START END FILE…`` asks all of them, and prints how many.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

_TIME = "coalesce(event_start, event_end)"
_OF_PERIOD = f"from line where {_TIME} >= $start and {_TIME} < $end"
QUESTIONS = (
    f"select count(*) {_OF_PERIOD}",
    f"select date_trunc('day', {_TIME}) as day, count(*) {_OF_PERIOD} group by all order by all",
    f"select date_trunc('hour', {_TIME}) as hour, count(*) {_OF_PERIOD} group by all order by all",
    f"select http_response_status_code, count(*) {_OF_PERIOD} group by all order by all",
    f"select http_request_method, count(*) {_OF_PERIOD} group by all order by all",
    f"select user_name, count(*), min({_TIME}), max({_TIME}) {_OF_PERIOD} group by all order by all",
    f"select client_address, count(*) {_OF_PERIOD} group by all order by 2 desc, 1 limit 20",
    f"select user_agent_original, count(*) {_OF_PERIOD} group by all order by 2 desc, 1 limit 20",
    f"select url_path, count(*) {_OF_PERIOD} group by all order by 2 desc, 1 limit 20",
    f"select user_name, sum(http_response_body_bytes) {_OF_PERIOD} group by all order by 2 desc, 1 limit 20",
    f"select quantile_disc(event_duration_us, [0.5, 0.95, 0.99]) {_OF_PERIOD}",
    f"""select client_address, user_name, url_path, http_response_status_code, count(*) {_OF_PERIOD}
        and http_response_status_code in (401, 403, 407, 429) group by all order by all limit 200""",
    f"""select client_address, count(*) {_OF_PERIOD} and http_response_status_code = 401
        group by client_address, floor(epoch({_TIME}) / 300) having count(*) >= 10 order by all""",
    f"select url_path, count(*) {_OF_PERIOD} and http_response_status_code >= 500 group by all order by all limit 200",
    f"select {_TIME} as time, user_name, url_path {_OF_PERIOD} and http_request_method = 'DELETE' order by all",
    f"""select {_TIME} as time, user_name, url_path {_OF_PERIOD} and http_request_method = 'POST'
        and contains(url_path, '/create_flow_run') order by all""",
    f"""select client_address, url_original {_OF_PERIOD} and (contains(url_original, '../') or
        contains(lower(url_original), '%2e%2e') or contains(lower(url_original), '%2f')) order by all""",
    f"""select client_address, url_path, count(*) {_OF_PERIOD} and
        regexp_matches(url_path, '(?i)/(\\.env|\\.git/|wp-(login|admin)|phpmyadmin|cgi-bin/)') group by all order by all""",
    f"""select user_name, url_path {_OF_PERIOD} and
        regexp_matches(url_query, '(?i)(api_?key|token|passw(or)?d|secret)=') order by all""",
    f"""select user_name, count(distinct client_address) {_OF_PERIOD} and user_name is not null
        group by all having count(distinct client_address) > 5 order by all""",
)


def command(start: str, end: str, files: Sequence[Path]) -> Sequence[str]:
    """Return what asks every question of files, about [start, end)."""
    return (sys.executable, "-m", "bench.plain", start, end, *map(str, files))


def main() -> None:
    """Ask."""
    import duckdb  # noqa: PLC0415 -- its start-up belongs to what is measured

    start, end, *files = sys.argv[1:]
    connection = duckdb.connect()
    connection.execute("set timezone = 'UTC'")
    connection.read_parquet(files).create_view("line")
    for question in QUESTIONS:
        connection.sql(question, params={"start": start, "end": end}).to_arrow_table()
    print(len(QUESTIONS))


if __name__ == "__main__":
    main()
