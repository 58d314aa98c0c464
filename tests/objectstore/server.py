"""A local S3 server that can be told to misbehave: moto's application behind a door of our own.

Prints its URL and serves until it is killed. One request at a time: a conditional put must
be atomic here as it is in S3. Requests without the tests' access key are refused.

``POST /_fault`` with JSON says what goes wrong from now on with requests of ``method`` (any,
if missing) whose path contains ``path``, after the first ``after`` of them, ``times`` times:

- ``status``: they are answered so, and not done
- ``lost``: they are done, and then answered with 500
"""

import json
import threading
from functools import lru_cache

import botocore.utils
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

KEY = "lpaudit-test"

# Each listing parses the time of each name in it again: that is a third of what the tests with a bucket take.
botocore.utils.parse_timestamp = lru_cache(10_000)(botocore.utils.parse_timestamp)


class Door:
    """Lets one request at a time through to moto, unless it is told otherwise."""

    def __init__(self):
        self.app = DomainDispatcherApplication(create_backend_app)
        self.lock = threading.Lock()
        self.fault = {}

    def __call__(self, environ, start_response):
        with self.lock:
            if environ["PATH_INFO"] == "/_fault":
                self.fault = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
                return refuse(start_response, "200 OK")
            if f"Credential={KEY}/" not in environ.get("HTTP_AUTHORIZATION", ""):
                return refuse(start_response, "403 Forbidden", "AccessDenied")
            fault = self.fault if self.due(environ) else {}
            if "status" in fault:
                return refuse(start_response, f"{fault['status']} Fault", "ServiceUnavailable")
            if fault.get("lost"):
                list(self.app(environ, lambda *_: None))
                return refuse(start_response, "500 Fault", "InternalError")
            return list(self.app(environ, start_response))

    def due(self, environ):
        fault = self.fault
        if not fault or fault.get("method", environ["REQUEST_METHOD"]) != environ["REQUEST_METHOD"]:
            return False
        if fault.get("path", "") not in environ["PATH_INFO"]:
            return False
        fault["after"] = fault.get("after", 0) - 1
        if fault["after"] >= 0:
            return False
        fault["times"] = fault.get("times", 1_000_000) - 1
        return fault["times"] >= 0


def refuse(start_response, status, code=None):
    body = f"<Error><Code>{code}</Code><Message>told so</Message></Error>".encode() if code else b""
    start_response(status, [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
    return [body]


def main():
    server = make_server("127.0.0.1", 0, Door(), threaded=True, request_handler=MotoRequestHandler)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
