"""Start and stop private etcd clusters of the versions that are tested.

    with Etcd("3.4", tls=True, auth=True, members=3) as etcd:
        etcd.ctl("put", "/a", "b")
        subprocess.run([probe, etcd.url, "range", "/a"], env={**os.environ, **etcd.environment()})

Ports and data are private to it, and all of it is gone afterwards, even when
the process that holds the Etcd is killed (supervisor.py).
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
if str(HERE) not in sys.path:
    sys.path.insert(0, str(HERE))

import build  # noqa: E402
import pki  # noqa: E402
import ports  # noqa: E402
from supervisor import Supervisor  # noqa: E402

# The program and the set that brings it.
VERSIONS = {"3.4": ("etcd-3.4", "etcd34"), "3.5": ("etcd-3.5", "etcd35"), "3.6": ("etcd", "etcd")}
START_TIMEOUT = 120


class EtcdError(Exception):
    pass


class Etcd:
    """One cluster.

    version        "3.4" (Debian's), "3.5" or "3.6"
    tls            client certificates are required, too
    auth           users by name and password: root, whose password is `password`,
                   and whoever add_user adds
    members        how many; each has a number from 0 on
    extra          further arguments for each member

    Attributes once started: url (etcd:// or etcds://), endpoints, directory,
    ca_file, certificate and key, named_certificate and named_key (with tls).
    """

    def __init__(self, version="3.6", *, tls=False, auth=False, members=1, extra=("--unsafe-no-fsync",)):
        self.version = version
        self.tls = tls
        self.auth = auth
        self.members = members
        self.extra = list(extra)
        self.password = 'se"cret\\ä'

    # Life

    def start(self):
        program, needed = VERSIONS[self.version]
        self.bin = build.build(["etcd", needed])
        self.program = self.bin / program
        prepare = contextlib.ExitStack()
        try:
            self.directory = Path(tempfile.mkdtemp(prefix="kubefs-etcd-"))
            # From here on the supervisor removes the folder, however we end.
            self.supervisor = Supervisor(remove=self.directory)
            prepare.callback(self.supervisor.close)
            self._take_ports(prepare)
            if self.tls:
                self._write_certificates()
            for number in range(self.members):
                self.launch(number)
            self.wait_ready()
            if self.auth:
                self._enable_auth()
        except BaseException:
            print(self.log_tail(), file=sys.stderr)
            prepare.close()
            raise
        self.resources = prepare
        return self

    def stop(self):
        """Kill every member and remove all files."""
        self.resources.close()

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, value, trace):
        if kind is not None and issubclass(kind, Exception):
            print(self.log_tail(), file=sys.stderr)
        self.stop()

    def _take_ports(self, prepare):
        taken = [ports.take() for _ in range(2 * self.members)]
        for port in taken:
            prepare.callback(port.release)
        numbers = [port.number for port in taken]
        self.ports, self.peer_ports = numbers[:self.members], numbers[self.members:]
        scheme = "https" if self.tls else "http"
        self.addresses = [f"127.0.0.1:{port}" for port in self.ports]
        self.endpoints = [f"{scheme}://{address}" for address in self.addresses]
        self.url = self.url_of(*range(self.members))

    def url_of(self, *numbers, prefix=""):
        """The URL that names these members, in this order."""
        return f"etcd{'s' if self.tls else ''}://{','.join(self.addresses[number] for number in numbers)}{prefix}"

    def _write_certificates(self):
        folder = self.directory / "pki"
        folder.mkdir()
        authority = pki.Authority(folder)
        self.ca_file = authority.certificate
        # The gateway is a client of its own server, with the server's certificate.
        self.server_files = authority.issue("server", "etcd", usage="serverAuth,clientAuth",
                                            names=["DNS:localhost", "IP:127.0.0.1"])
        # With authentication the gateway refuses who has a common name.
        self.certificate, self.key = authority.issue("client", None, ["clients"])
        self.named_certificate, self.named_key = authority.issue("named", "root")

    def _name(self, number):
        return f"etcd-{number}"

    def log(self, number):
        return self.directory / f"{self._name(number)}.log"

    def launch(self, number):
        """Start a member; one that ran before has its data and ports again."""
        client = self.endpoints[number]
        peers = [f"http://127.0.0.1:{port}" for port in self.peer_ports]
        arguments = [
            f"--name={self._name(number)}", f"--data-dir={self.directory / self._name(number)}",
            f"--listen-client-urls={client}", f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peers[number]}", f"--initial-advertise-peer-urls={peers[number]}",
            "--initial-cluster=" + ",".join(f"{self._name(peer)}={url}" for peer, url in enumerate(peers)),
            "--heartbeat-interval=100", "--election-timeout=1000", "--logger=zap", "--log-level=warn", *self.extra,
        ]
        if self.tls:
            certificate, key = self.server_files
            arguments += [f"--cert-file={certificate}", f"--key-file={key}", f"--trusted-ca-file={self.ca_file}",
                          "--client-cert-auth"]
        self.supervisor.start(self._name(number), [self.program, *arguments], self.log(number),
                              {"HOME": str(self.directory)})

    def wait_ready(self, numbers=None):
        """Wait until these members, else all, serve what the quorum agrees on."""
        numbers = range(self.members) if numbers is None else numbers
        deadline = time.monotonic() + START_TIMEOUT
        for number in numbers:
            while self.try_ctl("endpoint", "health", numbers=[number]).returncode != 0:
                status = self.supervisor.status(self._name(number))
                if status is not None:
                    raise EtcdError(f"member {number} ended with {status}:\n{self.log_tail()}")
                if time.monotonic() > deadline:
                    raise EtcdError(f"member {number} is not ready after {START_TIMEOUT} s")
                time.sleep(0.05)

    def log_tail(self, lines=10):
        texts = []
        for number in range(self.members):
            with contextlib.suppress(OSError, AttributeError):
                last = self.log(number).read_text(errors="replace").splitlines()[-lines:]
                texts += [f"{self._name(number)}: {line}" for line in last]
        return "\n".join(texts)

    # Members

    def signal(self, number, what):
        self.supervisor.signal(self._name(number), what)

    def kill(self, number):
        self.signal(number, signal.SIGKILL)
        self.supervisor.wait(self._name(number), 30)

    def terminate(self, number):
        """End a member as an init system does."""
        self.signal(number, signal.SIGTERM)
        if self.supervisor.wait(self._name(number), 30) is None:
            self.kill(number)

    def pause(self, number):
        self.signal(number, signal.SIGSTOP)

    def resume(self, number):
        self.signal(number, signal.SIGCONT)

    def erase(self, number):
        """Forget what a member that was ended has stored."""
        shutil.rmtree(self.directory / self._name(number))

    def leader(self):
        """The number of the member that leads."""
        deadline = time.monotonic() + START_TIMEOUT
        # One may be elected anew at any time, between two questions, too.
        while True:
            for number in range(self.members):
                done = self.try_ctl("endpoint", "status", "-w", "json", numbers=[number])
                if done.returncode != 0:
                    continue
                status = json.loads(done.stdout)[0]["Status"]
                if status["leader"] == status["header"]["member_id"]:
                    return number
            if time.monotonic() > deadline:
                raise EtcdError("there is no leader")
            time.sleep(0.05)

    # Clients

    def environment(self, user=None, password=None):
        """The ETCDCTL_* variables of a client but its endpoints; with authentication it is root unless named."""
        variables = {}
        if self.tls:
            variables |= {"ETCDCTL_CACERT": str(self.ca_file), "ETCDCTL_CERT": str(self.certificate),
                          "ETCDCTL_KEY": str(self.key)}
        if user is not None or getattr(self, "auth_enabled", False):
            variables |= {"ETCDCTL_USER": user or "root",
                          "ETCDCTL_PASSWORD": self.password if password is None else password}
        return variables

    def try_ctl(self, *arguments, numbers=None, **options):
        numbers = range(self.members) if numbers is None else numbers
        environment = {key: value for key, value in os.environ.items() if not key.startswith("ETCDCTL_")}
        argv = [self.bin / "etcdctl", f"--endpoints={','.join(self.endpoints[number] for number in numbers)}",
                *map(str, arguments)]
        return subprocess.run(argv, env={**environment, **self.environment()}, capture_output=True, text=True,
                              check=False, **options)

    def ctl(self, *arguments, **options):
        """Run etcdctl; its output."""
        # Its own 5 s are few on a busy machine.
        done = self.try_ctl("--command-timeout=30s", *arguments, **options)
        if done.returncode != 0:
            raise EtcdError(f"etcdctl {' '.join(map(str, arguments))}: {done.stderr.strip()}")
        return done.stdout

    def revision(self):
        """The store's present one."""
        return json.loads(self.ctl("get", "x", "-w", "json"))["header"]["revision"]

    def _enable_auth(self):
        self.ctl("user", "add", "root", "--interactive=false", input=self.password + "\n")
        self.ctl("user", "grant-role", "root", "root")
        self.ctl("auth", "enable")
        self.auth_enabled = True

    def add_user(self, name, password, *grants):
        """Add a user who may do what the grants say: ("read", "/a/"), a prefix each."""
        self.ctl("user", "add", name, "--interactive=false", input=password + "\n")
        self.ctl("role", "add", name)
        for kind, prefix in grants:
            self.ctl("role", "grant-permission", "--prefix=true", name, kind, prefix)
        self.ctl("user", "grant-role", name, name)
