"""A server that answers over HTTP and gRPC with whatever a test tells it to."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

from tests.serve.fixtures import free_port


class EvilHttp:
    """Answers every request with the bytes that `answer(head)` yields, then closes.

    Attributes:
        heads: the request heads that came, bodies apart.
        bodies: the request bodies.
    """

    def __init__(self, answer: Callable[[bytes], Iterator[bytes]]) -> None:
        self._answer = answer
        self.heads: list[bytes] = []
        self.bodies: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._stopped = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def model(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1/models/mlm"

    def close(self) -> None:
        self._stopped.set()
        self._listener.close()

    def _serve(self) -> None:
        while not self._stopped.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._handle, args=(connection,), daemon=True).start()

    def _handle(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            data = b""
            while b"\r\n\r\n" not in data:
                piece = connection.recv(65536)
                if not piece:
                    return
                data += piece
            head, _, body = data.partition(b"\r\n\r\n")
            wanted = 0
            for line in head.split(b"\r\n"):
                if line.lower().startswith(b"content-length:"):
                    wanted = int(line.split(b":")[1])
            while len(body) < wanted:
                body += connection.recv(65536)
            self.heads.append(head)
            self.bodies.append(body)
            for piece in self._answer(head):
                if self._stopped.is_set():
                    return
                connection.sendall(piece)


@contextlib.contextmanager
def evil_http(answer: Callable[[bytes], Iterator[bytes]]) -> Iterator[EvilHttp]:
    server = EvilHttp(answer)
    try:
        yield server
    finally:
        server.close()


def http_answer(body: bytes, status: str = "200 OK", headers: str = "") -> bytes:
    """The bytes of one answer."""
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n{headers}\r\n"
    return head.encode() + body


@contextlib.contextmanager
def evil_grpc(answer: Callable[[], bytes], compression: Any = None) -> Iterator[str]:
    """A gRPC server whose every call returns these bytes. Yields its address."""

    class Any_(grpc.GenericRpcHandler):
        def service(self, details: Any) -> Any:
            return grpc.unary_unary_rpc_method_handler(lambda request, context: answer())

    options = [("grpc.max_send_message_length", -1)]
    server = grpc.server(ThreadPoolExecutor(4), options=options, compression=compression)
    server.add_generic_rpc_handlers((Any_(),))
    port = free_port()
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(0)
