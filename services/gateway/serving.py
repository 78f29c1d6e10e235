"""How gunicorn serves the gateway.

``python -m services.gateway web`` runs it with this configuration.
"""

from gevent import monkey

# Before anything else is imported: what has taken hold of the originals would block everybody.
monkey.patch_all()

import os  # noqa: E402
import resource  # noqa: E402
import select  # noqa: E402
import socket  # noqa: E402
from typing import Any  # noqa: E402

import gevent  # noqa: E402
from gunicorn.workers.ggevent import GeventWorker  # noqa: E402

from chassis.serving import Discreet, child_exit, on_exit, on_starting, post_fork, pre_fork  # noqa: E402

# Of each greenlet gevent would keep who spawned it, and from which lines: 3 KiB for every socket, and nobody asks.
gevent.config.track_greenlet_tree = False

__all__ = ["child_exit", "on_exit", "on_starting", "post_fork", "pre_fork"]

# pika would choose epoll if it were there, and gevent has no cooperative one.
assert not hasattr(select, "epoll"), "gevent must be the first to be imported"

bind = os.environ.get("VELARO_BIND", "127.0.0.1:8080")  # noqa: TID251
workers = int(os.environ.get("VELARO_WORKERS", "2"))  # noqa: TID251
worker_connections = int(os.environ.get("VELARO_CONNECTIONS", "12000"))  # noqa: TID251
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: S108
backlog = 4096
control_socket_disable = True
preload_app = False
max_requests = 0
# A worker whose hub does nothing for so long is replaced: to those who are connected to it it is as good as dead.
timeout = 30
graceful_timeout = 40
keepalive = 75
accesslog = None
proc_name = "velaro-gateway"

_DRAIN_CHECK_SECONDS = 0.1


class GatewayWorker(Discreet, GeventWorker):  # type: ignore[misc]
    """A gevent worker that, when told to stop, first says goodbye and cuts the connections that only wait.

    Left to itself it would wait out the whole graceful timeout for sockets and idle keep-alive
    connections, and then cut them off without a word.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._waiting: set[socket.socket] = set()

    def handle(self, listener: Any, client: socket.socket, addr: Any) -> None:
        self._waiting.add(client)
        try:
            super().handle(listener, client, addr)
        finally:
            self._waiting.discard(client)

    def handle_request(self, listener_name: Any, req: Any, sock: socket.socket, addr: Any) -> None:
        self._waiting.discard(sock)
        # Who sends one request behind the other is never waited for: here the others have their turn.
        gevent.sleep(0)
        super().handle_request(listener_name, req, sock, addr)
        self._waiting.add(sock)
        if not self.alive:
            _cut(sock)

    def watch(self) -> None:
        """Until the worker is to stop; then see to it that it can."""
        while self.alive:
            gevent.sleep(_DRAIN_CHECK_SECONDS)
        self.wsgi.extensions["gateway.lifecycle"].drain()
        for client in tuple(self._waiting):
            _cut(client)


def _cut(client: socket.socket) -> None:
    try:
        # By another name: on its own object gevent would raise in whoever reads, and gunicorn would log that.
        with client.dup() as same:
            same.shutdown(socket.SHUT_RDWR)
    except OSError:
        return


worker_class = GatewayWorker


def post_worker_init(worker: GatewayWorker) -> None:
    """The process that will serve is there, and has made its application."""
    worker.wsgi.extensions["gateway.lifecycle"].start()
    gevent.spawn(worker.watch)


def worker_exit(_server: Any, worker: Any) -> None:
    """The last socket is gone."""
    if getattr(worker, "wsgi", None) is not None:
        worker.wsgi.extensions["gateway.lifecycle"].stop()


def _allow_many_sockets() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


_allow_many_sockets()
