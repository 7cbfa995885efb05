"""How many tests passed and failed, from what the tools print and write."""

import re
import xml.etree.ElementTree as ElementTree

from schedule import Result, plain_lines

CHECK_SUMMARY = re.compile(r"\d+%: Checks: (\d+), Failures: (\d+), Errors: (\d+)")
MESON_COUNT = re.compile(r"^(Fail|Timeout|Unexpected Pass|Skipped):\s+(\d+)", re.M)


def meson(build, name):
    """Of Check's programs each check counts; a program that dies or is skipped has failed."""
    def judge(status, text):
        log = build / "meson-logs" / f"testlog-{name}.txt"
        checks = failed = 0
        for match in CHECK_SUMMARY.finditer(log.read_text(errors="replace") if log.exists() else ""):
            done, failures, errors = map(int, match.groups())
            checks += done
            failed += failures + errors
        programs = sum(int(count) for _, count in MESON_COUNT.findall(text))
        if not checks:
            return Result(0, max(programs, 1))
        return Result(checks - failed, max(failed, programs))
    return judge


def pytest(report):
    """A skipped test has failed: nothing that is missing goes unnoticed."""
    def judge(status, text):
        try:
            suites = ElementTree.parse(report).getroot().iter("testsuite")
        except (OSError, ElementTree.ParseError):
            return Result(0, 1)
        counts = dict.fromkeys(("tests", "failures", "errors", "skipped"), 0)
        for suite in suites:
            for key in counts:
                counts[key] += int(suite.get(key, 0))
        failed = counts["failures"] + counts["errors"] + counts["skipped"]
        lines = plain_lines(text)
        begin = next((i for i, line in enumerate(lines) if re.match(r"=+ (FAILURES|ERRORS) =+$", line)), 0)
        return Result(max(counts["tests"] - failed, 0), failed, lines[begin:])
    return judge


def lines_with(pattern):
    """One test whose failure is shown by those lines of its log that match."""
    def judge(status, text):
        lines = plain_lines(text)
        shown = list(dict.fromkeys(line for line in lines if re.search(pattern, line)))
        return Result(int(status == 0), int(status != 0), shown or lines)
    return judge
