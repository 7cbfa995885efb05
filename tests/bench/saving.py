"""How long a save takes, against the same change by kubectl and by two bare requests."""

import statistics
import tempfile
import time
from pathlib import Path

from measure import appears, judge, row, timed

SAVES = 50
PATCHES = 10
COLLECTION = "/api/v1/namespaces/default/configmaps"
NAME = "bench-save"


def edit(file, number):
    return timed("sed", "-i", f's/number: .*/number: "{number}"/', file)


def get_and_put(api, number):
    """Seconds for the two requests that any safe update takes, on one connection."""
    begin = time.perf_counter()
    item = api("GET", f"{COLLECTION}/{NAME}")
    item["data"]["number"] = str(number)
    api("PUT", f"{COLLECTION}/{NAME}", item)
    return time.perf_counter() - begin


def bench_save(api, mount, kubectl, kubeconfig):
    api("POST", COLLECTION, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": NAME}, "data": {"number": "0"}})
    file = mount.point / "namespaces/default/configmaps" / f"{NAME}.yaml"
    appears(file)
    text = file.read_text()
    ours = statistics.median(edit(file, n) for n in range(1, SAVES))
    stored = api("GET", f"{COLLECTION}/{NAME}")["data"]["number"]
    assert stored == str(SAVES - 1), f"the last save is not there: {stored}"
    raw = statistics.median(get_and_put(api, SAVES + n) for n in range(SAVES))
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        copy = Path(folder) / "copy.yaml"
        copy.write_text(text)
        fork = statistics.median(edit(copy, n) for n in range(SAVES))
    theirs = statistics.median(
        timed(kubectl, "--kubeconfig", kubeconfig, "patch", "configmap", NAME, "-p", f'{{"data":{{"number":"{n}"}}}}')
        for n in range(1000, 1000 + PATCHES))
    api("DELETE", f"{COLLECTION}/{NAME}")
    row("kubectl patch", f"{theirs * 1000:.1f} ms")
    row("raw GET and PUT; sed -i on tmpfs", f"{raw * 1000:.1f} ms", f"{fork * 1000:.1f} ms")
    judge("sed -i, one field", f"{ours * 1000:.1f} ms", ours / (raw + fork), "(raw + sed)", 1.5)
    judge("", "", theirs / ours, "faster than kubectl", 5, at_least=True)
