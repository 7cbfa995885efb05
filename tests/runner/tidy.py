"""clang-tidy over every C file of the tree: tidy.py BUILD [FILE-PATTERN...]

Files that no target compiles are an error: nobody would look at them.
"""

import json
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]


def main():
    build = Path(sys.argv[1])
    commands = json.loads((build / "compile_commands.json").read_text())
    compiled = {(Path(command["directory"]) / command["file"]).resolve() for command in commands}
    files = {path for part in ("client", "cache", "kubefs", "tests") for path in (TOP / part).rglob("*.c")}
    unknown = sorted(files - compiled)
    for path in unknown:
        print(f"tidy: {path.relative_to(TOP)} belongs to no target")
    done = subprocess.run(["run-clang-tidy-14", "-quiet", "-p", build, *sys.argv[2:]], check=False)
    sys.exit(1 if unknown else done.returncode)


if __name__ == "__main__":
    main()
