"""What lighttpd wrote in the presets' formats: each preset's own lines, odd ones too, which are tests."""

LPAUDIT = (
    (
        "lpaudit=1 begin=1795441191614566 end=1795441191614801 duration=236 client=127.0.0.1 "
        'client_port=37146 request=0 connection=- server=127.0.0.1 server_port=35337 user="bob" '
        'method="POST" path="/api/flow_runs/" query="limit=5" protocol="HTTP/1.1" status=404 in=346 '
        'out=494 body=341 authority="rig" vhost="rig" user_agent="prefect/3.9.1 (API 0.8.4)" '
        'referer="-" xff="-" flow_run_id="86b0f3b8-18b1-4ca7-8208-ec96a9a7b11a" '
        'flow_run_name="wise-otter" flow_id="-" flow_name="etl" deployment_id="-" '
        r'deployment_name="-" worker_id="-" worker_name="B\xC3\xBCro \"1\"" traceparent="-" '
        'request_id="7f3a" upgrade="-" location="-" tls="-" cipher="-" line="POST '
        '/api/flow_runs/?limit=5 HTTP/1.1"'
    ),
    (
        "lpaudit=1 begin=1795441191615189 end=1795441191615256 duration=67 client=127.0.0.1 "
        'client_port=37164 request=0 connection=- server=127.0.0.1 server_port=35337 user="bob" '
        'method="GET" path="/j/quote" query="" protocol="HTTP/1.1" status=404 in=151 out=494 '
        r'body=341 authority="rig" vhost="rig" user_agent="ev\"il\\ \\\" \\x41 ua" '
        r'referer="http://x/\"q\" \\n" xff="-" flow_run_id="-" flow_run_name="-" flow_id="-" '
        'flow_name="-" deployment_id="-" deployment_name="-" worker_id="-" worker_name="-" '
        'traceparent="-" request_id="-" upgrade="-" location="-" tls="-" cipher="-" line="GET '
        '/j/quote HTTP/1.1"'
    ),
    (
        "lpaudit=1 begin=1795441191616710 end=1795441191616774 duration=64 client=127.0.0.1 "
        'client_port=37242 request=0 connection=- server=127.0.0.1 server_port=35337 user="bob" '
        'method="GET" path="/j/inject" query="" protocol="HTTP/1.1" status=404 in=144 out=494 '
        r'body=341 authority="rig" vhost="rig" user_agent="x\" st=200 user=\"alice\" frid=\"forged" '
        'referer="-" xff="-" flow_run_id="-" flow_run_name="-" flow_id="-" flow_name="-" '
        'deployment_id="-" deployment_name="-" worker_id="-" worker_name="-" traceparent="-" '
        'request_id="-" upgrade="-" location="-" tls="-" cipher="-" line="GET /j/inject HTTP/1.1"'
    ),
    (
        "lpaudit=1 begin=1795441191619500 end=1795441191619519 duration=19 client=127.0.0.1 "
        'client_port=37372 request=0 connection=- server=127.0.0.1 server_port=35337 user="-" '
        'method="GET" path="/j/noauth" query="" protocol="HTTP/1.1" status=401 in=56 out=558 '
        'body=347 authority="rig" vhost="rig" user_agent="-" referer="-" xff="-" flow_run_id="-" '
        'flow_run_name="-" flow_id="-" flow_name="-" deployment_id="-" deployment_name="-" '
        'worker_id="-" worker_name="-" traceparent="-" request_id="-" upgrade="-" location="-" '
        'tls="-" cipher="-" line="GET /j/noauth HTTP/1.1"'
    ),
    (
        "lpaudit=1 begin=1795441191620667 end=1795441191620696 duration=30 client=127.0.0.1 "
        'client_port=37426 request=0 connection=- server=127.0.0.1 server_port=35337 user="bob" '
        'method="GET" path="/j/a%20b%20c" query="" protocol="HTTP/1.1" status=404 in=94 out=494 '
        'body=341 authority="rig" vhost="rig" user_agent="-" referer="-" xff="-" flow_run_id="-" '
        'flow_run_name="-" flow_id="-" flow_name="-" deployment_id="-" deployment_name="-" '
        'worker_id="-" worker_name="-" traceparent="-" request_id="-" upgrade="-" location="-" '
        'tls="-" cipher="-" line="GET /j/a b c HTTP/1.1"'
    ),
    (
        "lpaudit=1 begin=1795441191621785 end=1795441191621831 duration=47 client=127.0.0.1 "
        'client_port=37482 request=0 connection=- server=127.0.0.1 server_port=35337 user="-" '
        'method="" path="" query="" protocol="HTTP/1.1" status=501 in=55 out=512 body=353 '
        'authority="-" vhost="-" user_agent="-" referer="-" xff="-" flow_run_id="-" '
        'flow_run_name="-" flow_id="-" flow_name="-" deployment_id="-" deployment_name="-" '
        'worker_id="-" worker_name="-" traceparent="-" request_id="-" upgrade="-" location="-" '
        'tls="-" cipher="-" line="  HTTP/1.1"'
    ),
    (
        "lpaudit=1 begin=1795441191621946 end=1795441191621962 duration=16 client=127.0.0.1 "
        'client_port=37484 request=0 connection=- server=127.0.0.1 server_port=35337 user="-" '
        'method="" path="" query="" protocol="" status=400 in=132 out=500 body=345 authority="-" '
        'vhost="-" user_agent="-" referer="-" xff="-" flow_run_id="-" flow_run_name="-" flow_id="-" '
        'flow_name="-" deployment_id="-" deployment_name="-" worker_id="-" worker_name="-" '
        'traceparent="-" request_id="-" upgrade="-" location="-" tls="-" cipher="-" line="  "'
    ),
)

DEFAULT = (
    '127.0.0.1 rig bob [23/Nov/2026:10:15:45 +0000] "GET /j/ok HTTP/1.1" 404 22 "-" "-"',
    (
        r'127.0.0.1 rig bob [23/Nov/2026:10:15:45 +0000] "GET /j/uaq HTTP/1.1" 404 22 "http://x/\"q\" '
        r'\\n" "ev\"il\\ \\\" \\x41 ua"'
    ),
    (
        r'127.0.0.1 rig bob [23/Nov/2026:10:15:45 +0000] "GET /j/latin1 HTTP/1.1" 404 22 "-" "caf\xE9 '
        r'\xFF\xFE"'
    ),
    '127.0.0.1 - - [23/Nov/2026:10:15:45 +0000] "  " 400 345 "-" "-"',
    '127.0.0.1 - - [23/Nov/2026:10:15:47 +0000] "  HTTP/1.1" 501 353 "-" "-"',
    '127.0.0.1 rig bob [23/Nov/2026:10:15:45 +0000] "GET /j/a b c HTTP/1.1" 404 22 "-" "-"',
    '127.0.0.1 rig - [23/Nov/2026:10:15:48 +0000] "GET /j/noauth HTTP/1.1" 401 347 "-" "-"',
    (
        r'127.0.0.1 rig bob [23/Nov/2026:10:15:48 +0000] "GET /j/inj HTTP/1.1" 404 22 "-" "x\" st=200 '
        r'user=\"alice\" frid=\"forged"'
    ),
    '127.0.0.1 rig bob [23/Nov/2026:10:15:45 +0000] "OPTIONS * HTTP/1.1" 200 0 "-" "-"',
)

COMBINED = (
    '127.0.0.1 - bob [23/Nov/2026:10:15:45 +0000] "GET /j/ok HTTP/1.1" 404 22 "-" "-"',
    (
        r'127.0.0.1 - bob [23/Nov/2026:10:15:45 +0000] "GET /j/uaq HTTP/1.1" 404 22 "http://x/\"q\" '
        r'\\n" "ev\"il\\ \\\" \\x41 ua"'
    ),
    (
        r'127.0.0.1 - bob [23/Nov/2026:10:15:45 +0000] "GET /j/latin1 HTTP/1.1" 404 22 "-" "caf\xE9 '
        r'\xFF\xFE"'
    ),
    '127.0.0.1 - - [23/Nov/2026:10:15:45 +0000] "  " 400 345 "-" "-"',
    '127.0.0.1 - - [23/Nov/2026:10:15:47 +0000] "  HTTP/1.1" 501 353 "-" "-"',
    '127.0.0.1 - bob [23/Nov/2026:10:15:45 +0000] "GET /j/a b c HTTP/1.1" 404 22 "-" "-"',
    '127.0.0.1 - - [23/Nov/2026:10:15:48 +0000] "GET /j/noauth HTTP/1.1" 401 347 "-" "-"',
    (
        r'127.0.0.1 - bob [23/Nov/2026:10:15:48 +0000] "GET /j/inj HTTP/1.1" 404 22 "-" "x\" st=200 '
        r'user=\"alice\" frid=\"forged"'
    ),
    '127.0.0.1 - bob [23/Nov/2026:10:15:45 +0000] "OPTIONS * HTTP/1.1" 200 0 "-" "-"',
)

COMMON = (
    '127.0.0.1 - bob [23/Nov/2026:13:39:51 +0000] "GET /j/plain HTTP/1.1" 404 341',
    '127.0.0.1 - - [23/Nov/2026:13:39:51 +0000] "GET /j/noauth HTTP/1.1" 401 347',
    r'127.0.0.1 - bob [23/Nov/2026:13:39:51 +0000] "GET /j/u\"q\\b?x=\"y\"\\z HTTP/1.1" 404 341',
    (
        r'127.0.0.1 - bob [23/Nov/2026:13:39:51 +0000] "GET /j/\xE2\x98\x83?q=\xC3\xA9 HTTP/1.1" 404 '
        "341"
    ),
    '127.0.0.1 - - [23/Nov/2026:13:39:51 +0000] "  " 400 345',
)

AUDIT = (
    (
        "v=1 ts=1795428824.724950 end=1795428824732056 dur_us=7106 ra=127.0.0.1 rp=43928 "
        'la=127.0.0.1 lp=8080 ka=0 x=+ user="worker-etl" m=POST url="/api/logs/" q="" proto=HTTP/1.1 '
        'st=201 in=947 out=147 body=4 host="127.0.0.1:8080" auth="127.0.0.1:8080" '
        'vs="127.0.0.1:8080" ua="prefect/3.9.1 (API 0.8.4)" ref="-" xff="127.0.0.1" frid="-" tp="-" '
        'nfrid="-" nfid="-" nfn="-" nfrn="-" ndid="-" ndn="-" nwid="-" nwn="ProcessWorker '
        '5309b867-a37d-40db-8187-41eaac1e6d62" rid="-" jti="-" af="-" tlsv="-" tlsc="-" cup="-" '
        'loc="-" r="POST /api/logs/ HTTP/1.1"'
    ),
    (
        "v=1 ts=1795428829.049435 end=1795428829050001 dur_us=566 ra=127.0.0.1 rp=40290 la=127.0.0.1 "
        'lp=8080 ka=0 x=+ user="-" m=GET url="/api/work_pools/proc/workers/connect" q="" '
        'proto=HTTP/1.1 st=401 in=347 out=542 body=347 host="127.0.0.1:8080" auth="127.0.0.1:8080" '
        'vs="127.0.0.1:8080" ua="prefect/3.9.1 (API 0.8.4)" ref="-" xff="-" frid="-" tp="-" '
        'nfrid="-" nfid="-" nfn="-" nfrn="-" ndid="-" ndn="-" nwid="-" nwn="-" rid="-" jti="-" '
        'af="-" tlsv="-" tlsc="-" cup="websocket" loc="-" r="GET '
        '/api/work_pools/proc/workers/connect HTTP/1.1"'
    ),
    (
        "v=1 ts=1795428838.984426 end=1795428839020021 dur_us=35595 ra=127.0.0.1 rp=50222 "
        'la=127.0.0.1 lp=8080 ka=0 x=- user="worker-etl" m=GET url="/api/events/in" q="" '
        'proto=HTTP/1.1 st=101 in=820 out=359 body=43 host="127.0.0.1:8080" auth="127.0.0.1:8080" '
        'vs="127.0.0.1:8080" ua="prefect/3.9.1 (API 0.8.4)" ref="-" xff="127.0.0.1" frid="-" tp="-" '
        'nfrid="-" nfid="-" nfn="-" nfrn="-" ndid="-" ndn="-" nwid="-" nwn="-" rid="-" jti="-" '
        'af="-" tlsv="-" tlsc="-" cup="websocket" loc="-" r="GET /api/events/in HTTP/1.1"'
    ),
    (
        "v=1 ts=1795428839.035593 end=1795428839040694 dur_us=5101 ra=127.0.0.1 rp=50232 "
        'la=127.0.0.1 lp=8080 ka=1 x=+ user="worker-etl" m=POST url="/api/logs/" q="" proto=HTTP/1.1 '
        'st=201 in=1472 out=147 body=4 host="127.0.0.1:8080" auth="127.0.0.1:8080" '
        'vs="127.0.0.1:8080" ua="prefect/3.9.1 (API 0.8.4)" ref="-" xff="127.0.0.1" frid="-" tp="-" '
        'nfrid="-" nfid="42e7719c-5953-4244-ac2c-cc593d5651dc" nfn="failing" nfrn="-" '
        'ndid="eda369af-fd6d-4361-8344-7c9976785886" ndn="pool" nwid="-" nwn="ProcessWorker '
        '5309b867-a37d-40db-8187-41eaac1e6d62" rid="-" jti="-" af="-" tlsv="-" tlsc="-" cup="-" '
        'loc="-" r="POST /api/logs/ HTTP/1.1"'
    ),
    (
        "v=1 ts=1795428945.787569 end=1795428945789367 dur_us=1798 ra=127.0.0.1 rp=39848 "
        'la=127.0.0.1 lp=8080 ka=0 x=+ user="bob" m=GET url="/j/uaq" q="" proto=HTTP/1.1 st=404 '
        r'in=130 out=185 body=22 host="rig" auth="rig" vs="rig" ua="ev\"il\\ \\\" \\x41 ua" '
        r'ref="http://x/\"q\" \\n" xff="127.0.0.1" frid="-" tp="-" nfrid="-" nfid="-" nfn="-" '
        'nfrn="-" ndid="-" ndn="-" nwid="-" nwn="-" rid="-" jti="-" af="-" tlsv="-" tlsc="-" cup="-" '
        'loc="-" r="GET /j/uaq HTTP/1.1"'
    ),
)

AUDIT_JSON = (
    (
        '{"v":1,"ts":"2026-11-23T10:15:45.598600","end_us":1795428945654891,"dur_us":56292,"ra":"127.'
        '0.0.1","rp":45442,"ka":0,"x":"+","user":"bob","m":"GET","url":"/j/ok","q":"","proto":"HTTP/1'
        '.1","st":404,"in":"72","out":"185","body":"22","host":"rig","ua":"-","ref":"-","frid":"-","t'
        'p":"-","r":"GET /j/ok HTTP/1.1"}'
    ),
    (
        '{"v":1,"ts":"2026-11-23T10:15:45.660155","end_us":1795428945662170,"dur_us":2016,"ra":"127.0'
        '.0.1","rp":45444,"ka":0,"x":"+","user":"bob","m":"GET","url":"/j/uaq","q":"","proto":"HTTP/1'
        r'.1","st":404,"in":"130","out":"185","body":"22","host":"rig","ua":"ev\"il\\ \\\" \\x41 '
        r'ua","ref":"http://x/\"q\" \\n","frid":"-","tp":"-","r":"GET /j/uaq HTTP/1.1"}'
    ),
    (
        '{"v":1,"ts":"2026-11-23T10:15:45.667772","end_us":1795428945676291,"dur_us":8520,"ra":"127.0'
        '.0.1","rp":45454,"ka":0,"x":"+","user":"bob","m":"GET","url":"/j/utf8","q":"","proto":"HTTP/'
        '1.1","st":404,"in":"106","out":"185","body":"22","host":"rig","ua":"Zürich ☃ '
        '日本","ref":"-","frid":"-","tp":"-","r":"GET /j/utf8 HTTP/1.1"}'
    ),
    (
        '{"v":1,"ts":"2026-11-23T10:15:45.716439","end_us":1795428945716456,"dur_us":18,"ra":"127.0.0'
        '.1","rp":45534,"ka":0,"x":"-","user":"-","m":"","url":"","q":"","proto":"","st":400,"in":"99'
        '","out":"500","body":"345","host":"-","ua":"-","ref":"-","frid":"-","tp":"-","r":"  "}'
    ),
    (
        '{"v":1,"ts":"2026-11-23T10:15:48.493449","end_us":1795428948664870,"dur_us":171422,"ra":"127'
        '.0.0.1","rp":45848,"ka":0,"x":"-","user":"-","m":"GET","url":"/j/userq","q":"","proto":"HTTP'
        '/1.1","st":401,"in":"91","out":"561","body":"347","host":"rig","ua":"-","ref":"-","frid":"-"'
        ',"tp":"-","r":"GET /j/userq HTTP/1.1"}'
    ),
    (
        '{"v":1,"ts":"2026-11-23T10:15:48.731150","end_us":1795428948751342,"dur_us":20192,"ra":"127.'
        '0.0.1","rp":40160,"ka":0,"x":"+","user":"bob","m":"GET","url":"/j/inj","q":"","proto":"HTTP/'
        r'1.1","st":404,"in":"122","out":"185","body":"22","host":"rig","ua":"x\" st=200 '
        r'user=\"alice\" frid=\"forged","ref":"-","frid":"-","tp":"-","r":"GET /j/inj HTTP/1.1"}'
    ),
)

GATEWAY = (
    (
        "lpaudit=2 begin=1795472194385883 end=1795472194402758 duration=16875 client=127.0.0.1 "
        'client_port=49338 request=0 connection=- server=127.0.0.1 server_port=49603 user="bob" '
        'method="POST" '
        'path="/api/deployments/df08f525-ed8a-4a74-baee-a3961e71fa61/create_flow_run" query="" '
        'protocol="HTTP/1.1" status=200 in=893 out=150 body=19 authority="gateway" '
        'vhost="gateway" user_agent="prefect/3.9.1 (API 0.8.4)" referer="-" xff="127.0.0.1" '
        'flow_run_id="86b0f3b8-18b1-4ca7-8208-ec96a9a7b11a" flow_run_name="-" flow_id="-" '
        'flow_name="-" deployment_id="-" deployment_name="-" worker_id="-" worker_name="-" '
        'traceparent="-" request_id="7f3a" upgrade="-" location="-" tls="-" cipher="-" '
        'groups="workers" token_id="b7Zr-2x" refused="-" line="POST '
        '/prefect/api/deployments/df08f525-ed8a-4a74-baee-a3961e71fa61/create_flow_run HTTP/1.1"'
    ),
    (
        "lpaudit=2 begin=1795472194404798 end=1795472194405322 duration=524 client=127.0.0.1 "
        'client_port=49340 request=0 connection=- server=127.0.0.1 server_port=49603 user="bob" '
        'method="DELETE" path="/api/flow_runs/86b0f3b8-18b1-4ca7-8208-ec96a9a7b11a" query="" '
        'protocol="HTTP/1.1" status=403 in=732 out=494 body=341 authority="gateway" '
        'vhost="gateway" user_agent="-" referer="-" xff="-" flow_run_id="-" flow_run_name="-" '
        'flow_id="-" flow_name="-" deployment_id="-" deployment_name="-" worker_id="-" '
        'worker_name="-" traceparent="-" request_id="-" upgrade="-" location="-" tls="-" '
        r'cipher="-" groups="workers,B\xC3\xBCro" token_id="-" refused="not-allowed-to-delete" '
        'line="DELETE /prefect/api/flow_runs/86b0f3b8-18b1-4ca7-8208-ec96a9a7b11a HTTP/1.1"'
    ),
    (
        "lpaudit=2 begin=1795472194409508 end=1795472194409609 duration=102 client=127.0.0.1 "
        'client_port=49346 request=0 connection=- server=127.0.0.1 server_port=49603 user="-" '
        'method="GET" path="/api/events/out" query="" protocol="HTTP/1.1" status=401 in=115 '
        'out=545 body=347 authority="gateway" vhost="gateway" user_agent="-" referer="-" xff="-" '
        'flow_run_id="-" flow_run_name="-" flow_id="-" flow_name="-" deployment_id="-" '
        'deployment_name="-" worker_id="-" worker_name="-" traceparent="-" request_id="-" '
        'upgrade="websocket" location="-" tls="-" cipher="-" groups="-" token_id="-" '
        'refused="no-token" line="GET /prefect/api/events/out HTTP/1.1"'
    ),
    (
        "lpaudit=2 begin=1795472194425456 end=1795472194425894 duration=438 client=127.0.0.1 "
        'client_port=49360 request=0 connection=- server=127.0.0.1 server_port=49603 user="-" '
        'method="GET" path="/api/health" query="a=1" protocol="HTTP/1.1" status=401 in=428 '
        'out=568 body=347 authority="gateway" vhost="gateway" user_agent="-" referer="-" xff="-" '
        'flow_run_id="-" flow_run_name="-" flow_id="-" flow_name="-" deployment_id="-" '
        'deployment_name="-" worker_id="-" worker_name="-" traceparent="-" request_id="-" '
        'upgrade="-" location="-" tls="-" cipher="-" groups="-" token_id="-" refused="expired" '
        'line="GET /api/health?a=1 HTTP/1.1"'
    ),
    (
        "lpaudit=2 begin=1795472194426404 end=1795472194427718 duration=1314 client=127.0.0.1 "
        r'client_port=49366 request=0 connection=- server=127.0.0.1 server_port=49603 user="x\" '
        r'status=200 refused=\"-\" line=\"GET / HTTP/1.1\\" method="GET" path="/api/health" '
        'query="" protocol="HTTP/1.1" status=200 in=552 out=150 body=19 authority="gateway" '
        'vhost="gateway" user_agent="-" referer="-" xff="127.0.0.1" flow_run_id="-" '
        'flow_run_name="-" flow_id="-" flow_name="-" deployment_id="-" deployment_name="-" '
        'worker_id="-" worker_name="-" traceparent="-" request_id="-" upgrade="-" location="-" '
        r'tls="-" cipher="-" groups="x\" status=200 refused=\"-\" line=\"GET / HTTP/1.1\\" '
        'token_id="jti-1" refused="-" line="GET /api/health HTTP/1.1"'
    ),
    (
        "lpaudit=2 begin=1795472194428068 end=1795472194428099 duration=32 client=127.0.0.1 "
        'client_port=49382 request=0 connection=- server=127.0.0.1 server_port=49603 user="-" '
        'method="" path="" query="" protocol="HTTP/1.1" status=501 in=50 out=512 body=353 '
        'authority="-" vhost="-" user_agent="-" referer="-" xff="-" flow_run_id="-" '
        'flow_run_name="-" flow_id="-" flow_name="-" deployment_id="-" deployment_name="-" '
        'worker_id="-" worker_name="-" traceparent="-" request_id="-" upgrade="-" location="-" '
        'tls="-" cipher="-" groups="-" token_id="-" refused="-" line="  HTTP/1.1"'
    ),
)
