#!/bin/sh
# A day at a gateway, told with the sample logs: `make demo`, or demo/story.sh with lpaudit in PATH.
#
# Each command is printed before it runs, and what it prints is what it printed. Everything happens
# in a temporary directory, which is removed at the end.
set -eu

samples=$(cd "$(dirname "$0")/../sample_logs" && pwd)
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
trap 'exit 130' INT TERM
export HOME="$here" COLUMNS=140
unset XDG_CONFIG_HOME XDG_STATE_HOME
for name in $(env | sed -n 's/^\(LPAUDIT_[A-Z_]*\)=.*/\1/p'); do unset "$name"; done
cd "$here"
ln -s "$samples" sample_logs

say() { printf '\n'; printf '# %s\n' "$@"; }

# Run a command line: print it, and its status unless that is 0. More than 1 ends the story.
run() {
    printf '\n$ %s\n' "$1"
    status=0
    sh -c "$1" 2>&1 || status=$?
    [ "$status" = 0 ] || printf '(exit status %s)\n' "$status"
    [ "$status" -le 1 ]
}

say 'lighttpd stands in front of Prefect, and its log is all that knows who did what.' \
    'The log is of 23 November 2026; nobody wrote its lines by hand.'
run 'lpaudit keys init --as gw1.example.com | sed -n "s/^public key  //p" > public-key'
run 'lpaudit ingest --quiet --host gw1 sample_logs/audit.log.gz sample_logs/error.log'
say 'Prefect was asked for its own records, which are in a directory here. They name no user.'
run 'lpaudit sync --quiet --from-dump sample_logs/prefect'
run 'lpaudit correlate --quiet'

say '1. A denied deploy. At 10:16 somebody was refused a run of a deployment. Who, and by whom?' \
    'lighttpd logs no name of whom it does not know; but its error log does, and the two belong together.'
run 'lpaudit denied --format csv | grep -e ^finding -e create_flow_run'
run 'lpaudit sql "select login.time, login.\"user\" as tried, login.client, request.path, layer, request.cause from failed_login as login
    join failed_request as request on request.line_id = login.access_line_id where request.action = '\''execute'\''"'

say '2. A forged header. Anybody can write a run'\''s id into a request; bob named one that never was.'
run 'lpaudit sql "select line_id, time, \"user\", method, path, prefect_flow_run_id as claimed from access
    where \"user\" = '\''bob'\'' and prefect_flow_run_id similar to '\''[0-9a-f-]{36}'\''
    and prefect_flow_run_id not in (select id from flow_run_latest)"'

say '3. Deletions. Prefect forgets what was deleted, and who did it; these are the only trace.' \
    'Those whose `finding` is false came with a deploy: Prefect'\''s client deletes what its deployment had.'
run 'lpaudit sample --check deletions --from 2026-11-23 --to 2026-11-23 --n 3 --seed demo --format csv | cut -d, -f3-8,12-13'

say '4. An approval by the requester. The sample logs have none, so the next line is MADE UP: a copy of a' \
    'real line of alice'\''s, in which she resumes a run that she has asked for herself.'
run 'run=$(lpaudit sql --format csv "select flow_run_id from access_run where relation = '\''created'\'' and
    \"user\" = '\''alice'\'' order by time limit 1" | tail -n 1 | tr -d "\r")
zcat sample_logs/audit.log.gz | grep -m 1 "user=\"alice\" m=POST .*/create_flow_run\"" |
    sed "s,/api/deployments/[0-9a-f-]*/create_flow_run,/api/flow_runs/$run/resume,g" > made-up.log
lpaudit ingest --quiet --host gw1 made-up.log && lpaudit correlate --quiet'
run 'lpaudit sample --check segregation-of-duties --from 2026-11-23 --to 2026-11-23 --n 1 --seed demo --format csv'

say '5. A day without logs. lpaudit cannot know whether nobody came or the log was lost, and says so:' \
    'every night asks all controls for its day, and what it finds goes into a register.'
run 'lpaudit nightly --date 2026-11-22 --skip sync'
run 'lpaudit sql "select check_id, severity, event, row_key from exception_latest order by all"'

say '6. For the auditor: one file, which is checked without lpaudit, with a key that the auditor was told.'
run 'lpaudit binder --period 2026-11-23 --format md --out binder.zip'
run 'python3 -m zipfile -e binder.zip binder && ls binder'
run 'python3 binder/verify.py --key "$(cat public-key)" binder.zip'
say 'That is the end; nothing of it is left.'
