"""What stands behind the gateway in tests: it remembers every request, and answers any websocket."""

import http.server
import threading
from dataclasses import dataclass, field


@dataclass
class Upstream:
    """A server, and the requests that have come through: method, target, headers in lower case."""

    port: int
    seen: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.upstream.seen.append((self.command, self.path, headers))
        if headers.get("upgrade") == "websocket" and self.path != "/api/refused":
            self.send_response(101)
            self.send_header("Upgrade", "websocket")
            self.send_header("Connection", "Upgrade")
            self.end_headers()
            while piece := self.connection.recv(100):
                self.connection.sendall(b"echo:" + piece)
            return
        body = b'{"here": "prefect"}'
        if self.path.endswith("/moved"):
            self.send_response(307)
            self.send_header("Location", f"http://{headers['host']}{self.path}/")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = answer  # noqa: N815 -- http.server's names

    def log_message(self, *arguments):
        """Say nothing."""


class running:  # noqa: N801 -- reads as the function it is used as
    """Run an upstream for the length of a block."""

    def __enter__(self):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self.server.daemon_threads = True
        self.server.upstream = Upstream(self.server.server_address[1])
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self.server.upstream

    def __exit__(self, *error):
        self.server.shutdown()
        self.server.server_close()
