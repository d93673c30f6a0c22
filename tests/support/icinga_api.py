"""An API of Icinga 2 to hand results in to, which fails in every way that it is told to."""

from __future__ import annotations

import http.server
import json
import socket
import ssl
import threading
from base64 import b64encode
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import pytest

USER, PASSWORD = "survey", "s:ecret\udcff"
UNKNOWN = "nosuch"
PASSIVE_DISABLED = "active"


@contextmanager
def strict_certificates() -> Iterator[None]:
    """Lets default contexts of TLS be as strict as those of Python 3.13."""
    real = ssl.create_default_context

    def create(*arguments: object, **more: object) -> ssl.SSLContext:
        context = real(*arguments, **more)  # type: ignore[arg-type]  # the same as it has
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        return context

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ssl, "create_default_context", create)
        yield


class Api:
    """Serves on loopback over TLS; results holds what it has taken.

    failures has what it does instead of answering, one after the other: an integer is a status, "close" hangs up,
    "nonsense" and "endless" are no HTTP, "page" is a proxy's 404 and "login" its page with 200, "chunked", "ends" and
    "last" are proper answers in other forms.
    """

    def __init__(self, certificate: Path, port: int = 0) -> None:
        self.results: list[dict[str, Any]] = []
        self.failures: deque[int | str] = deque()
        self.connections = 0
        self.requests = 0
        self._open: list[socket.socket] = []
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        api = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 30

            def setup(self) -> None:
                self.request = context.wrap_socket(self.request, server_side=True)
                super().setup()
                api.connections += 1
                api._open.append(self.request)

            def finish(self) -> None:
                super().finish()
                self.request.close()

            def log_message(self, *_: object) -> None:
                pass

            def do_POST(self) -> None:
                api.answer(self)

        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, *_: object) -> None:
                """A client that goes is no news."""

        self._server = Server(("127.0.0.1", port), Handler)
        self._server.daemon_threads = False
        self.port = self._server.server_address[1]
        self.url = f"https://localhost:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def answer(self, handler: http.server.BaseHTTPRequestHandler) -> None:
        self.requests += 1
        body = handler.rfile.read(int(handler.headers["Content-Length"]))
        failure = self.failures.popleft() if self.failures else ""
        if failure == "close":
            handler.close_connection = True
            return
        if failure in ("nonsense", "endless"):
            handler.wfile.write(b"nonsense\r\n\r\n" if failure == "nonsense" else b"HTTP/1.1 200 " + b"A" * 20_000)
            handler.close_connection = True
            return
        if failure == "page":
            handler.wfile.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 18\r\n\r\n<h1>Not found</h1>")
            return
        if failure == "login":
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n<h1>Login</h1>")
            return
        login = b64encode(f"{USER}:{PASSWORD}".encode(errors="surrogateescape")).decode()
        if isinstance(failure, int):
            _send(handler, failure, {"error": failure, "status": "told to"})
        elif handler.headers["Authorization"] != f"Basic {login}":
            _send(handler, 401, {"error": 401, "status": "Unauthorized."})
        elif handler.path != "/v1/actions/process-check-result" or handler.headers["Accept"] != "application/json":
            _send(handler, 400, {"error": 400, "status": "Bad request."})
        else:
            self._process(handler, json.loads(body), failure)

    def _process(self, handler: http.server.BaseHTTPRequestHandler, result: dict[str, Any], form: str) -> None:
        if UNKNOWN in result["service"]:
            _send(handler, 404, {"error": 404, "status": "No objects found."})
        elif PASSIVE_DISABLED in result["service"]:
            status = f"Passive checks are disabled for object '{result['service']}'."
            _send(handler, 500, {"results": [{"code": 403, "status": status}]})
        else:
            self.results.append(result)
            _send(handler, 200, {"results": [{"code": 200, "status": "Successfully processed"}]}, form)

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        for connection in self._open:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self._server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _send(handler: http.server.BaseHTTPRequestHandler, status: int, body: object, form: str = "") -> None:
    data = json.dumps(body).encode()
    handler.send_response(status)
    if form == "chunked":
        handler.send_header("Transfer-Encoding", "chunked")
        data = b"".join(b"%x;x=y\r\n%s\r\n" % (len(part), part) for part in (data[:5], data[5:])) + b"0\r\nX: y\r\n\r\n"
    elif form == "ends":
        handler.close_connection = True
    else:
        handler.send_header("Content-Length", str(len(data)))
    if form == "last":
        handler.send_header("Connection", "close")
        handler.close_connection = True
    handler.end_headers()
    handler.wfile.write(data)
