"""`promtool check metrics` finds nothing to say about what Metrics::text() prints.

usage: promtool_test.py PRINT_METRICS
"""

import shutil
import subprocess
import sys

SKIPPED = 77  # meson's exit status for a skipped test


def main() -> int:
    promtool = shutil.which("promtool")
    if promtool is None:
        print("skipped: promtool is not installed (package prometheus)")
        return SKIPPED
    text = subprocess.run([sys.argv[1]], stdout=subprocess.PIPE, check=True).stdout
    verdict = subprocess.run([promtool, "check", "metrics"], input=text, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, check=False)
    complaints = verdict.stdout.decode()
    if verdict.returncode != 0 or complaints.strip():
        print(text.decode(), complaints, sep="\n")
        return 1
    if b"belay_http_requests_total" not in text or b"process_cpu_seconds_total" not in text:
        print("the page misses metrics:", text.decode(), sep="\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
