/*
id = "segments"
title = "Segments, to be recomputed from the source"
question = "Which exact bytes of which source are in the store?"
kind = "table"
section = "S18"
population = "select count(distinct segment) from segment where kind = 'access'"
unit = "segments"
limits = """
To recompute a hash from the log itself: `tail -c +$((START + 1)) FILE | head -c LENGTH | sha256sum`; of a compressed log: `zcat FILE | tail -c +$((START + 1)) | head -c LENGTH | sha256sum`.
Start and length are bytes of the decompressed source, printed without separators to be copied.
Equal hashes show that the store holds what the file held. Whether the file is what lighttpd wrote depends on who could write to it before it was read: `ingest time` says how long that was at most."""
*/
select
    source,
    source_id,
    start_offset::varchar as start,
    (end_offset - start_offset)::varchar as length,
    sha256,
    lines,
    access,
    quarantine,
    ingest_time
from segment
where kind = 'access'
order by source, source_id, start_offset
