/*
id = "audit-trail"
title = "What was asked of the evidence"
question = "Who asked what of the store in the period, or decided something about it, and how did it end?"
kind = "table"
section = "S20"
population = "select count(*) from audit_trail_latest where asked_at >= $start and asked_at < $end"
unit = "questions and decisions in the period"
limits = """
Listed is what was done with `lpaudit`. Who reads the store's files with other tools leaves no trace here.
Who may not write the store is answered without being listed, unless the setting `audit_trail` says that it is required.
A report over a period that is not over has more of these rows when it is made again: the table's version is no part of the report's identity.
Texts are shown to their 300th character; `text_sha256` is of all of it."""
*/
select
    asked_at,
    "user",
    sudo_user,
    host,
    command,
    case when length(text) > 300 then left(text, 299) || '…' else text end as text,
    outcome,
    exit_status,
    rows,
    text_sha256,
    answer_sha256,
    act_id
from audit_trail_latest
where asked_at >= $start and asked_at < $end
order by asked_at, act_id
