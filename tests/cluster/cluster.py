#!/usr/bin/env python3
"""Start and stop a private Kubernetes control plane made of the real servers.

    with Cluster(nodes=2) as cluster:
        cluster.kubectl("get", "pods", "-A")

Everything is private to the cluster: TLS with an authority made for the run,
RBAC, ports, data. All of it is gone afterwards, even when the process that
holds the Cluster is killed (supervisor.py). See the commands with --help.
"""

import base64
import contextlib
import json
import os
import re
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

HERE = Path(__file__).resolve().parent
if str(HERE) not in sys.path:
    sys.path.insert(0, str(HERE))

import build  # noqa: E402
import pki  # noqa: E402
import ports  # noqa: E402
from api import Api, ApiError  # noqa: E402
from pods import node, populate_pods  # noqa: E402,F401
from supervisor import Supervisor  # noqa: E402
from tokens import TokenServer  # noqa: E402

SAMPLE = HERE / "sample"
AUDIT_POLICY = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
"""
SERVERS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok")


class ClusterError(Exception):
    pass


class Cluster:
    """One control plane.

    nodes          how many kwok nodes; kwok runs when there is one or more
    controllers    run the controller manager and the scheduler
    audit          keep an audit log (audit_events)
    users          {name: [group, ...]}: users known from the server's start;
                   add_user adds others at any time
    directory      an existing folder for all files, else one is made; both are
                   removed at the end
    logs           a folder for the servers' logs, kept; else they go with the rest
    context        the name of the context in the kubeconfig files
    apiservers     how many API servers there are on the one etcd, numbered from
                   0; everything here speaks to the first

    Attributes once started: server (URL) and servers, ca_file, admin_token,
    kubeconfig (client certificate), kubeconfig_token, directory, logs, bin, api.
    """

    def __init__(self, nodes=2, controllers=True, *, audit=False, users=None, directory=None, logs=None,
                 context="test", apiservers=1, extra_apiserver_args=(), extra_etcd_args=("--unsafe-no-fsync",), start_timeout=240):
        self.nodes = nodes
        self.controllers = controllers
        self.audit = audit
        self.users = dict(users or {})
        self.context = context
        self.apiservers = apiservers
        self.extra_apiserver_args = list(extra_apiserver_args)
        self.extra_etcd_args = list(extra_etcd_args)
        self.start_timeout = start_timeout
        self.wanted_directory = directory
        self.wanted_logs = logs
        self.tokens = {}
        self.supervisor = None

    # Life

    def start(self):
        self.bin = build.build()
        prepare = contextlib.ExitStack()
        try:
            self._make_folders(prepare)
            self._take_ports(prepare)
            self.webhook = TokenServer()
            prepare.callback(self.webhook.close)
            self._write_files()
            self._start_servers()
        except BaseException:
            print(self.log_tail(15), file=sys.stderr)
            prepare.close()
            raise
        self.resources = prepare
        return self

    def stop(self):
        """Kill every server and remove all files (but logs that are to be kept)."""
        self.resources.close()

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, value, trace):
        if kind is not None and issubclass(kind, Exception):
            print(self.log_tail(15), file=sys.stderr)
        self.stop()

    def _make_folders(self, prepare):
        self.directory = Path(self.wanted_directory or tempfile.mkdtemp(prefix="kubefs-cluster-")).absolute()
        self.directory.chmod(0o700)
        self.logs = Path(self.wanted_logs or self.directory / "logs").absolute()
        self.logs.mkdir(parents=True, exist_ok=True)
        # From here on the supervisor removes the folder, however we end.
        self.supervisor = Supervisor(remove=self.directory)
        prepare.callback(self.supervisor.close)

    def _take_ports(self, prepare):
        taken = [ports.take() for _ in range(2 + self.apiservers)]
        for port in taken:
            prepare.callback(port.release)
        self.etcd_port, self.etcd_peer_port, *self.ports = (port.number for port in taken)
        self.servers = [f"https://127.0.0.1:{port}" for port in self.ports]
        self.port, self.server = self.ports[0], self.servers[0]

    def _write_files(self):
        self.pki = self.directory / "pki"
        self.pki.mkdir()
        self.authority = pki.Authority(self.pki)
        self.ca_file = self.authority.certificate
        self.authority.issue("apiserver", "kube-apiserver", usage="serverAuth", names=[
            "DNS:localhost", "DNS:kubernetes", "DNS:kubernetes.default", "DNS:kubernetes.default.svc",
            "IP:127.0.0.1", "IP:10.96.0.1"])
        self.authority.issue("front-proxy", "front-proxy")
        pki.private_key(self.pki / "sa.key")
        self.admin_token = secrets.token_urlsafe(24)
        self._write_tokens()

        self.kubeconfig = self._certificate_config("admin", "kubernetes-admin", ["system:masters"])
        self.kubeconfig_token = self.write_kubeconfig("admin-token", {"token": self.admin_token})
        self.components = {name: self._certificate_config(name, f"system:{name}", ["system:masters"])
                           for name in ("kube-controller-manager", "kube-scheduler", "kwok")}
        self.api = Api(self.server, self.ca_file, self.admin_token)

    def _write_tokens(self):
        lines = [f'{self.admin_token},kubernetes-admin,kubernetes-admin,"system:masters"']
        for name, groups in self.users.items():
            self.tokens[name] = secrets.token_urlsafe(24)
            lines.append(f'{self.tokens[name]},{name},{name},"{",".join(groups)}"')
        self.write_file("tokens.csv", "\n".join(lines) + "\n")
        # A webhook's configuration has the form of a kubeconfig.
        self.write_file("webhook.yaml", json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "webhook",
            "clusters": [{"name": "webhook", "cluster": {"server": self.webhook.url}}],
            "contexts": [{"name": "webhook", "context": {"cluster": "webhook", "user": ""}}],
        }))
        self.write_file("audit-policy.yaml", AUDIT_POLICY)

    def _certificate_config(self, name, user, groups):
        certificate, key = self.authority.issue(quote(f"client-{name}", safe=""), user, groups)
        return self.write_kubeconfig(name, {
            "client-certificate-data": base64.b64encode(certificate.read_bytes()).decode(),
            "client-key-data": base64.b64encode(key.read_bytes()).decode(),
        })

    def write_file(self, name, text):
        """Write a private file into the cluster's folder; returns its path."""
        file = self.directory / name
        file.touch(mode=0o600)
        file.write_text(text)
        return file

    def write_kubeconfig(self, name, user, cluster=None, namespace=None, context=None):
        """Write a kubeconfig; user and cluster are its entries' fields.

        The cluster's fields are added to server and certificate-authority-data;
        one that is None is left out.
        """
        context = context or self.context
        fields = {"server": self.server,
                  "certificate-authority-data": base64.b64encode(self.ca_file.read_bytes()).decode()}
        fields = {key: value for key, value in (fields | (cluster or {})).items() if value is not None}
        place = {"cluster": context, "user": name} | ({"namespace": namespace} if namespace else {})
        return self.write_file(quote(f"{name}.kubeconfig", safe=""), kubeconfig_text(context, fields, place, name, user))

    # Servers

    def _start_servers(self):
        deadline = time.monotonic() + self.start_timeout
        self.start_etcd(deadline=deadline)
        for number in range(self.apiservers):
            self.start_apiserver(number, deadline=deadline)
        if self.controllers:
            self._launch("kube-controller-manager", [
                f"--kubeconfig={self.components['kube-controller-manager']}",
                f"--service-account-private-key-file={self.pki / 'sa.key'}",
                f"--root-ca-file={self.ca_file}",
                f"--cluster-signing-cert-file={self.ca_file}", f"--cluster-signing-key-file={self.authority.key}",
                "--leader-elect=false", "--secure-port=0", "--kube-api-qps=500", "--kube-api-burst=1000",
                # A server that a test pauses must not cost the nodes their pods.
                "--node-monitor-grace-period=30m",
            ])
            self._launch("kube-scheduler", [
                f"--kubeconfig={self.components['kube-scheduler']}",
                "--leader-elect=false", "--secure-port=0", "--kube-api-qps=500", "--kube-api-burst=1000",
            ])
        if self.nodes:
            self.start_kwok()
            self.api.create_many(node(f"node-{number}") for number in range(self.nodes))
            self.wait_nodes(deadline)
        self.wait_for(lambda: self.exists("/api/v1/namespaces/default/services/kubernetes"), "the service kubernetes",
                      deadline - time.monotonic())
        if self.controllers:
            self.wait_filled("default", deadline - time.monotonic())
        else:
            self.ensure_service_account("default")

    def start_kwok(self):
        stages = self.bin.parent / "kwok-stages.yaml"
        self._launch("kwok", [f"--kubeconfig={self.components['kwok']}", f"--config={stages}", "--manage-all-nodes",
                              "--cidr=10.1.0.0/16", "--node-lease-duration-seconds=40"])

    def _launch(self, name, arguments, program=None):
        # The servers' HOME is the run's: nothing of the caller's is read.
        environment = {"HOME": str(self.directory), "KUBECONFIG": ""}
        return self.supervisor.start(name, [self.bin / (program or name), *arguments], self.log(name), environment)

    def start_etcd(self, deadline=None):
        client, peer = (f"http://127.0.0.1:{port}" for port in (self.etcd_port, self.etcd_peer_port))
        self._launch("etcd", [
            "--name=test", f"--data-dir={self.directory / 'etcd'}",
            f"--listen-client-urls={client}", f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}", f"--initial-cluster=test={peer}",
            "--quota-backend-bytes=8589934592", "--max-request-bytes=8388608", "--log-level=warn",
            *self.extra_etcd_args,
        ])
        self._wait_ready("etcd", lambda: http_ok(self.etcd_port, "/readyz"), deadline)

    @staticmethod
    def _apiserver(number):
        """Its name among the servers."""
        return f"kube-apiserver-{number}" if number else "kube-apiserver"

    def start_apiserver(self, number=0, deadline=None):
        audit = self.directory / (f"audit-{number}.log" if number else "audit.log")
        arguments = [
            f"--etcd-servers=http://127.0.0.1:{self.etcd_port}",
            "--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", f"--secure-port={self.ports[number]}",
            "--endpoint-reconciler-type=none",
            f"--tls-cert-file={self.pki / 'apiserver.crt'}", f"--tls-private-key-file={self.pki / 'apiserver.key'}",
            f"--client-ca-file={self.ca_file}",
            f"--token-auth-file={self.directory / 'tokens.csv'}",
            f"--authentication-token-webhook-config-file={self.directory / 'webhook.yaml'}",
            "--authentication-token-webhook-version=v1", "--authentication-token-webhook-cache-ttl=0s",
            f"--requestheader-client-ca-file={self.ca_file}", "--requestheader-allowed-names=front-proxy",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-", "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-username-headers=X-Remote-User",
            f"--proxy-client-cert-file={self.pki / 'front-proxy.crt'}",
            f"--proxy-client-key-file={self.pki / 'front-proxy.key'}",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            f"--service-account-key-file={self.pki / 'sa.key'}",
            f"--service-account-signing-key-file={self.pki / 'sa.key'}",
            "--authorization-mode=RBAC", "--service-cluster-ip-range=10.96.0.0/16", "--allow-privileged=true",
            "--max-requests-inflight=1000", "--max-mutating-requests-inflight=1000",
            # Without it a stop waits for the clients to end their watches.
            "--shutdown-watch-termination-grace-period=1s",
        ]
        if self.audit:
            arguments += [f"--audit-log-path={audit}", "--audit-log-mode=blocking",
                          f"--audit-policy-file={self.directory / 'audit-policy.yaml'}"]
        name = self._apiserver(number)
        self._launch(name, arguments + self.extra_apiserver_args, "kube-apiserver")
        self._wait_ready(name, lambda: self.is_ready(number), deadline)

    def _wait_ready(self, name, ready, deadline):
        deadline = deadline or time.monotonic() + self.start_timeout
        while not ready():
            status = self.supervisor.status(name)
            if status is not None:
                raise ClusterError(f"{name} ended with {status}; its log ends with\n{self.log_tail(15, [name])}")
            if time.monotonic() > deadline:
                raise ClusterError(f"{name} is not ready after {self.start_timeout} s")
            time.sleep(0.05)

    def api_of(self, number):
        """A client of one of the API servers."""
        return Api(self.servers[number], self.ca_file, self.admin_token)

    def is_ready(self, number=0):
        connection = self.api_of(number).connect(timeout=5)
        try:
            return connection.call("GET", "/readyz") == b"ok"
        except (OSError, ApiError):
            return False
        finally:
            connection.close()

    def signal(self, name, number):
        """Send a signal to a server by its program's name."""
        self.supervisor.signal(name, number)

    def stop_server(self, name, timeout=30):
        """End a server as an init system does: SIGTERM, later SIGKILL."""
        self.signal(name, signal.SIGTERM)
        if self.supervisor.wait(name, timeout) is None:
            self.kill_server(name)

    def kill_server(self, name):
        self.signal(name, signal.SIGKILL)
        self.supervisor.wait(name, 30)

    def stop_apiserver(self, number=0):
        self.stop_server(self._apiserver(number))

    def kill_apiserver(self, number=0):
        self.kill_server(self._apiserver(number))

    def pause_apiserver(self):
        self.signal("kube-apiserver", signal.SIGSTOP)

    def resume_apiserver(self):
        self.signal("kube-apiserver", signal.SIGCONT)

    def stop_etcd(self):
        self.stop_server("etcd")

    def kill_etcd(self):
        self.kill_server("etcd")

    def pause_etcd(self):
        self.signal("etcd", signal.SIGSTOP)

    def resume_etcd(self):
        self.signal("etcd", signal.SIGCONT)

    # Users

    def add_user(self, name, groups=(), rbac_yaml=None, certificate=False, namespace=None):
        """Make a user; returns the path of a kubeconfig with a token for it.

        rbac_yaml is applied as the admin. With certificate=True the user has a
        client certificate instead of a token.
        """
        if rbac_yaml:
            self.grant(rbac_yaml)
        if certificate:
            return self._certificate_config(f"user-{name}", name, groups)
        if name not in self.tokens:
            self.tokens[name] = self.webhook.add(name, groups)
        return self.write_kubeconfig(f"user-{name}", {"token": self.tokens[name]}, namespace=namespace)

    def grant(self, rbac_yaml):
        """Apply roles and their bindings, and wait until the authorizer, which learns of them a little later, knows them."""
        applied = json.loads(self.kubectl("apply", "-f", "-", "-o", "json", input=rbac_yaml))
        items = applied["items"] if applied["kind"] == "List" else [applied]
        for binding in items:
            if binding["kind"].endswith("Binding"):
                for review in self._reviews(binding):
                    self.wait_for(lambda: self.api("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
                                  ["status"].get("allowed"), f"the rights of {binding['metadata']['name']}")

    def _reviews(self, binding):
        """A question for each rule of a binding's role and each of its users and groups."""
        metadata, reference = binding["metadata"], binding["roleRef"]
        path = self.api.object_path({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": reference["kind"],
            "metadata": {"name": reference["name"], "namespace": metadata.get("namespace")}})
        # A controller puts together those of "view" and the like.
        for rule in self.wait_for(lambda: self.api("GET", path).get("rules"), f"the rules of {reference['name']}"):
            if "resources" not in rule:
                continue
            group, resource, verb = (rule[key][0] for key in ("apiGroups", "resources", "verbs"))
            resource, _, subresource = resource.partition("/")
            attributes = {"group": "" if group == "*" else group, "resource": resource, "subresource": subresource, "verb": verb,
                          "namespace": metadata.get("namespace", ""), "name": rule.get("resourceNames", [""])[0]}
            for subject in binding.get("subjects", []):
                who = {"user": subject["name"]} if subject["kind"] == "User" else {"groups": [subject["name"]]}
                yield {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
                       "spec": {**who, "resourceAttributes": attributes}}

    def revoke_token(self, name):
        """Make an added user's token invalid; the server notices within 10 s."""
        self.webhook.revoke(self.tokens.pop(name))

    def service_account_token(self, name, namespace="default", seconds=3600):
        """A token of a service account, which may not live below 600 s."""
        answer = self.api("POST", f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token", {
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": seconds}})
        return answer["status"]["token"]

    # Use

    def kubectl_bytes(self, *arguments, input=None, kubeconfig=None, timeout=300):
        """Run kubectl; returns the bytes it printed, raises ClusterError."""
        argv = [self.bin / "kubectl", f"--kubeconfig={kubeconfig or self.kubeconfig}",
                f"--cache-dir={self.directory / 'kubectl-cache'}", *map(str, arguments)]
        if isinstance(input, str):
            input = input.encode()
        stdin = {"input": input} if input is not None else {"stdin": subprocess.DEVNULL}
        environment = {key: value for key, value in os.environ.items() if key != "KUBECONFIG"}
        done = subprocess.run(argv, capture_output=True, timeout=timeout, env=environment, **stdin)
        if done.returncode != 0:
            raise ClusterError(f"kubectl {' '.join(map(str, arguments))}: {done.stderr.decode(errors='replace').strip()}")
        return done.stdout

    def kubectl(self, *arguments, **options):
        """Run kubectl; returns the text it printed, line ends untouched."""
        return self.kubectl_bytes(*arguments, **options).decode()

    def exists(self, path):
        try:
            self.api("GET", path)
        except ApiError as error:
            if error.status != 404:
                raise
            return False
        return True

    def wait_for(self, condition, what, timeout=200):
        """Ask until a condition holds; returns its value, raises ClusterError.

        The API server's client of etcd backs off for up to two minutes.
        """
        deadline = time.monotonic() + timeout
        while True:
            value = condition()
            if value:
                return value
            if time.monotonic() > deadline:
                raise ClusterError(f"{what}: not after {timeout:.0f} s")
            time.sleep(0.1)

    def wait_nodes(self, deadline):
        def ready():
            nodes = self.api("GET", "/api/v1/nodes")["items"]
            return len(nodes) >= self.nodes and all(
                any(condition["type"] == "Ready" and condition["status"] == "True"
                    for condition in item.get("status", {}).get("conditions", []))
                for item in nodes)
        self.wait_for(ready, f"{self.nodes} nodes ready", deadline - time.monotonic())

    def create_namespace(self, name):
        """Make a namespace; with controllers it holds already what they put into each."""
        self.kubectl("create", "namespace", name)
        if self.controllers:
            self.wait_filled(name)

    def wait_filled(self, namespace, timeout=200):
        """Wait for what the controller manager puts into a namespace."""
        for path in ("serviceaccounts/default", "configmaps/kube-root-ca.crt"):
            self.wait_for(lambda: self.exists(f"/api/v1/namespaces/{namespace}/{path}"), f"{path} in {namespace}", timeout)

    def ensure_service_account(self, namespace):
        """Pods need the account "default", which the controller manager makes."""
        self.api.create({"apiVersion": "v1", "kind": "ServiceAccount",
                         "metadata": {"name": "default", "namespace": namespace}})

    def apply_sample(self, wait=True):
        """Create the objects of sample/; wait until its pods run."""
        self.kubectl("apply", "--server-side", "-f", SAMPLE / "00-definitions.yaml")
        self.kubectl("wait", "--for=condition=Established", "--timeout=120s", "-f", SAMPLE / "00-definitions.yaml")
        self.kubectl("apply", "-f", SAMPLE)
        if wait and self.nodes and self.controllers:
            self.wait_for(self.sample_runs, "the sample's pods run", 300)

    def sample_runs(self):
        """Whether every workload has all the pods it wants."""
        for kind, wanted, have in (("deployments", "replicas", "availableReplicas"),
                                   ("statefulsets", "replicas", "availableReplicas"),
                                   ("daemonsets", "desiredNumberScheduled", "numberAvailable")):
            for item in self.api("GET", f"/apis/apps/v1/{kind}")["items"]:
                source = item["status"] if kind == "daemonsets" else item["spec"]
                if wanted not in source or item["status"].get(have, 0) != source[wanted]:
                    return False
        jobs = self.api("GET", "/apis/batch/v1/jobs")["items"]
        return all(job.get("status", {}).get("succeeded") for job in jobs)

    # What happened

    def log(self, name):
        return self.logs / f"{name}.log"

    def log_tail(self, lines=30, names=SERVERS):
        """The last lines of the servers' logs, for a failing test to show."""
        parts = []
        for name in names:
            if self.supervisor and self.log(name).exists():
                text = self.log(name).read_text(errors="replace").splitlines()[-lines:]
                parts += [f"--- {name}.log", *text]
        return "\n".join(parts)

    def apiserver_metrics(self):
        """The server's metrics: a list of (name, {label: value}, number)."""
        text = self.api.raw("GET", "/metrics", headers={"Accept": "text/plain"}).decode()
        samples = []
        for line in text.splitlines():
            match = re.match(r'([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$', line)
            if match:
                labels = dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', match.group(2) or ""))
                samples.append((match.group(1), labels, float(match.group(3))))
        return samples

    def metric(self, name, **labels):
        """The sum of a metric's samples that have these labels."""
        return sum(value for found, has, value in self.apiserver_metrics()
                   if found == name and all(has.get(key) == wanted for key, wanted in labels.items()))

    def audit_events(self, **fields):
        """The audit log's events; verb="list" and the like choose among them."""
        lines = self._audit_lines(self.directory / "audit.log")
        # The server begins a new file when one is large: what was asked for may stand in the last full one.
        for file in sorted(self.directory.glob("audit-????-*.log"))[-1:]:
            lines = self._audit_lines(file) + lines
        return [event for event in map(json.loads, lines) if all(event.get(key) == value for key, value in fields.items())]

    @staticmethod
    def _audit_lines(file):
        # Between two files there is none.
        with contextlib.suppress(FileNotFoundError):
            # The server may be amid its last line.
            return file.read_bytes().split(b"\n")[:-1]
        return []


def kubeconfig_text(context, cluster, place, user_name, user):
    def entry(fields):
        return "".join(f"    {key}: {json.dumps(value)}\n" for key, value in fields.items())
    return (f"apiVersion: v1\nkind: Config\ncurrent-context: {json.dumps(context)}\n"
            f"clusters:\n- name: {json.dumps(context)}\n  cluster:\n{entry(cluster)}"
            f"contexts:\n- name: {json.dumps(context)}\n  context:\n{entry(place)}"
            f"users:\n- name: {json.dumps(user_name)}\n  user:\n{entry(user)}")


def http_ok(port, path):
    import http.client
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    # Run as a command this file is not the module "cluster": import that.
    from command import main
    main()
