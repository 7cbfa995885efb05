"""The committed table of Kubernetes' protobuf is what its generator makes of the pinned Go types."""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from build import build  # noqa: E402

TABLE = HERE.parents[1] / "cache" / "protobuf_table.c"


def test_table_is_up_to_date():
    table = subprocess.run([build(["protobuf"]) / "protobuf-oracle", "table"], capture_output=True, check=True).stdout
    assert table == TABLE.read_bytes(), f"generate {TABLE} anew: its first lines say how"


def test_table_is_the_same_each_time():
    program = build(["protobuf"]) / "protobuf-oracle"
    tables = {subprocess.run([program, "table"], capture_output=True, check=True).stdout for _ in range(5)}
    assert len(tables) == 1
