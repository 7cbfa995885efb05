"""A way to a server that can be cut: who holds a connection loses it and may connect again.

    with Relay(cluster.port) as relay:
        mount(kubeconfig=relay.kubeconfig(cluster, token))
        relay.cut()
"""

import contextlib
import socket
import threading


class Relay:
    def __init__(self, port):
        self.port = port
        self.lock = threading.Lock()
        self.sockets = set()
        self.count = 0  # of the connections that there have been
        self.closed = False

    def __enter__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"https://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        with self.lock:
            self.closed = True
        # Wakes the thread that accepts; to close is not enough.
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.cut()

    def kubeconfig(self, cluster, name, user):
        """A kubeconfig for the cluster by this way."""
        return cluster.write_kubeconfig(f"{name}-relayed", user, {"server": self.url})

    def cut(self):
        """End all connections."""
        with self.lock:
            for end in self.sockets:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def _accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._relay, args=(near,), daemon=True).start()

    def _relay(self, near):
        with near, contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)) as far:
            with self.lock:
                if self.closed:
                    return
                self.sockets |= {near, far}
                self.count += 1
            back = threading.Thread(target=pump, args=(far, near), daemon=True)
            back.start()
            pump(near, far)
            back.join()
            with self.lock:
                self.sockets -= {near, far}


def pump(source, target):
    """Pass on what comes until either end is gone, then end both."""
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
    for end in (source, target):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
