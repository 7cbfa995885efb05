"""Pods by the thousand, of the size and shape that real ones have."""

import time

METADATA_ONLY = {"Accept": "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"}
PARTS = ("frontend", "checkout", "search", "billing", "catalog", "mailer", "sessions", "reports")


def node(name):
    """A node for kwok to run; wide enough for the scheduler to put much on it."""
    room = {"cpu": "64", "memory": "512Gi", "ephemeral-storage": "2Ti", "pods": "1000"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {
                "kubernetes.io/arch": "amd64",
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
                "node-role.kubernetes.io/worker": "",
                "type": "kwok",
            },
            "annotations": {"kwok.x-k8s.io/node": "fake"},
        },
        "status": {"allocatable": room, "capacity": room},
    }


def probe(path, period):
    return {
        "httpGet": {"path": path, "port": "http", "scheme": "HTTP"},
        "initialDelaySeconds": 5,
        "periodSeconds": period,
        "timeoutSeconds": 2,
    }


def pod(index, namespace, node_name):
    """A pod bound to a node, about 4 KiB as YAML once it runs."""
    part = PARTS[index % len(PARTS)]
    name = f"{part}-{index:05d}"
    environment = [{"name": f"{part.upper()}_SETTING_{n}", "value": f"value-{n}-of-{name}"} for n in range(12)]
    environment += [
        {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": f"{part}-database", "key": "password"}}},
    ]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {
                "app.kubernetes.io/name": part,
                "app.kubernetes.io/instance": f"{part}-{index % 7}",
                "app.kubernetes.io/part-of": "shop",
                "app.kubernetes.io/version": f"1.{index % 30}.0",
                "kubefs-test/populated": "true",
                "pod-template-hash": f"{index % 97:09x}",
            },
            "annotations": {
                "checksum/config": f"{index:064x}",
                "prometheus.io/path": "/metrics",
                "prometheus.io/port": "8080",
                "prometheus.io/scrape": "true",
            },
        },
        "spec": {
            "nodeName": node_name,
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 0,
            "containers": [{
                "name": part,
                "image": f"registry.example.com/shop/{part}:1.{index % 30}.0",
                "args": ["--listen=:8080", f"--instance={name}", "--log-format=json"],
                "env": environment,
                "ports": [{"name": "http", "containerPort": 8080}],
                "livenessProbe": probe("/healthz", 10),
                "readinessProbe": probe("/readyz", 5),
                "resources": {"limits": {"cpu": "2", "memory": "512Mi"}, "requests": {"cpu": "100m", "memory": "128Mi"}},
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "capabilities": {"drop": ["ALL"]},
                    "readOnlyRootFilesystem": True,
                },
                "volumeMounts": [
                    {"name": "config", "mountPath": f"/etc/{part}", "readOnly": True},
                    {"name": "scratch", "mountPath": "/tmp"},
                ],
            }],
            "securityContext": {"runAsNonRoot": True, "runAsUser": 10001},
            "tolerations": [{"key": "dedicated", "operator": "Equal", "value": part, "effect": "NoSchedule"}],
            "volumes": [
                {"name": "config", "configMap": {"name": f"{part}-config", "optional": True}},
                {"name": "scratch", "emptyDir": {"sizeLimit": "64Mi"}},
            ],
        },
    }


def wait_running(api, count, timeout):
    """Wait until that many of the populated pods have run."""
    deadline = time.monotonic() + timeout
    running = set()
    while time.monotonic() < deadline:
        for event in api.watch("/api/v1/pods", deadline - time.monotonic(), METADATA_ONLY,
                               fieldSelector="status.phase=Running",
                               labelSelector="kubefs-test/populated=true"):
            metadata = event["object"].get("metadata", {})
            if event["type"] == "ADDED":
                running.add((metadata["namespace"], metadata["name"]))
            if event["type"] == "ERROR":
                break
            if len(running) >= count:
                return
    raise TimeoutError(f"{len(running)} of {count} pods run after {timeout} s")


def populate_pods(cluster, count, nodes=100, namespaces=10, timeout=600, connections=8):
    """Create pods on kwok's nodes over some namespaces; wait until all run.

    What exists already is kept, so that it may be called again to add more.
    Returns the namespaces' names.
    """
    api = cluster.api
    node_names = [f"bulk-node-{n:03d}" for n in range(nodes)]
    names = [f"bulk-{n:02d}" for n in range(namespaces)]
    api.create_many((node(name) for name in node_names), connections)
    api.create_many(({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in names),
                    connections)
    for name in names:
        cluster.ensure_service_account(name)
    api.create_many((pod(index, names[index % namespaces], node_names[index % nodes]) for index in range(count)),
                    connections)
    wait_running(api, count, timeout)
    return names

