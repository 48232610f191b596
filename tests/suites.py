"""Builds each configuration once, runs the suites on it, counts.  Called by tests/run."""

import argparse
import concurrent.futures
import dataclasses
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as xml

import fuzzing
from processes import Processes

ROOT = pathlib.Path(__file__).resolve().parent.parent
CORES = os.cpu_count() or 1
SHOWN_LINES = 60
LONGEST_FILE = 1200  # seconds: one hang must leave time for the other files
FILE_MINUTES = int(os.environ.get("BELAY_FILE_MINUTES", "0"))  # instead of all that, where more is counted than usual
LONGEST_RUN = 80  # minutes: whoever waits for a summary gets one


@dataclasses.dataclass
class Configuration:
    """A build directory and how its programs are to be run."""

    name: str
    directory: pathlib.Path
    options: list[str]
    sanitizer: str = "none"  # as -Dsanitize says
    slowness: int = 1  # multiplies deadlines
    compiler: str | None = None  # instead of the usual one
    targets: tuple[str, ...] = ()  # all when none is named
    tests: tuple[str, ...] = ()  # of the unit tests only these; all when none is named


# Line tables make stacks readable, at two thirds of the compile time of full debug information.  Eight files together
# compile in the time of two; the plain build, as packages have it, makes sure that each includes what it needs.
UNITY = ["-Dunity=on", "-Dunity_size=8"]
PLAIN = ["-Dtests=true", "-Dfailpoints=true", "--prefix=/usr", "-Dcpp_args=-g1"]
SANITIZED = ["-Dtests=true", "-Dfailpoints=true", "--buildtype=plain", "-Doptimization=1", "-Dcpp_args=-g1", *UNITY]
FUZZED = ["-Dfuzz=true", "-Dfailpoints=true", "--buildtype=plain", "-Doptimization=1", "-Dcpp_args=-g1"]
# What tests/integration runs.
INTEGRATED = ("belayd/belayd", "cli/belay", "tests/daemon/example_daemon", "tests/daemon/slow_daemon",
              "tests/bench/bench_client", "tests/bench/limit_get", "tests/bench/limit_post", "tests/bench/limit_jobs")
# The rooms whose code runs on several threads.
THREADED = ("base", "signals", "http", "daemon", "allocations", "runner", "store", "api")
CONFIGURATIONS = {
    "plain": Configuration("plain", ROOT / "build-test", PLAIN),
    "address": Configuration("address", ROOT / "build-test-address", SANITIZED + ["-Dsanitize=address"], "address", 4),
    "thread": Configuration("thread", ROOT / "build-test-thread", SANITIZED + ["-Dsanitize=thread"], "thread", 8,
                            targets=INTEGRATED, tests=THREADED),
    "fuzz": Configuration("fuzz", ROOT / "build-test-fuzz", FUZZED, compiler="clang++-19", targets=("fuzz",)),
}


@dataclasses.dataclass
class Suite:
    name: str
    configuration: str
    folder: str | None  # of Python tests, or "fuzz"; None: the GoogleTest programs
    what: str
    needs_root: bool = False
    file_timeout: int = 600  # seconds for one Python file, before slowness


SUITES = [
    Suite("unit", "plain", None, "GoogleTest, mirrors the tree"),
    Suite("integration", "plain", "integration", "the real belayd: HTTP, signals, sd_notify"),
    Suite("crash", "plain", "crash", "kill -9 under load, with a ledger of acknowledged ids"),
    Suite("system", "plain", "system", "a real systemd, supervisord and Prometheus", needs_root=True),
    Suite("unit-address", "address", None, "unit under AddressSanitizer and UndefinedBehaviorSanitizer"),
    Suite("integration-address", "address", "integration", "integration under the same"),
    Suite("unit-thread", "thread", None, "unit under ThreadSanitizer"),
    Suite("integration-thread", "thread", "integration", "integration under the same"),
    Suite("fuzz", "fuzz", "fuzz", f"libFuzzer targets under the same, {fuzzing.SECONDS} s each"),
]


@dataclasses.dataclass
class Counts:
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    failures: list[str] = dataclasses.field(default_factory=list)
    skips: list[str] = dataclasses.field(default_factory=list)

    def add(self, other: "Counts") -> None:
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        self.failures += other.failures
        self.skips += other.skips

    def fail(self, name: str) -> None:
        self.failed += 1
        self.failures.append(name)

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def say(text: str, end: str = "\n") -> None:
    print(text, end=end, flush=True)


def tail(log: pathlib.Path) -> None:
    show(f"the end of {log.relative_to(ROOT)}", log.read_text(errors="replace").splitlines()[-SHOWN_LINES:])


def head(log: pathlib.Path) -> None:
    show(f"the beginning of {log.relative_to(ROOT)}", log.read_text(errors="replace").splitlines()[:SHOWN_LINES])


def show(what: str, lines: list[str]) -> None:
    say(f"--- {what}")
    say("\n".join("    " + line for line in lines))
    say("---")


def has_failpoints(directory: pathlib.Path) -> bool:
    options = json.loads((directory / "meson-info" / "intro-buildoptions.json").read_text())
    return all(option["value"] for option in options if option["name"] == "failpoints")


def programs_of(configuration: Configuration) -> list[str]:
    """What to build for its unit tests."""
    tests = json.loads((configuration.directory / "meson-info" / "intro-tests.json").read_text())
    targets = json.loads((configuration.directory / "meson-info" / "intro-targets.json").read_text())
    needed = {target for test in tests if test["name"] in configuration.tests for target in test["depends"]}
    return [os.path.relpath(target["filename"][0], configuration.directory) for target in targets
            if target["id"] in needed]


def build(configuration: Configuration, processes: Processes) -> bool:
    """Sets the build directory up and builds what it is for.  Compiles nothing that is up to date."""
    logs = configuration.directory / "logs"
    env = dict(os.environ, **({"CXX": configuration.compiler} if configuration.compiler else {}))

    say(f"build {configuration.name:<14} ", end="")
    start = time.monotonic()
    logs.mkdir(parents=True, exist_ok=True)
    with open(logs / "build.log", "w") as log:
        for command in (setup_command, ninja_command):
            arguments = command(configuration)
            status = processes.run(arguments, cwd=ROOT, env=env, stdout=log) if arguments else "0"
            if status != "0":
                say(f"FAILED ({' '.join(arguments)}: {status})")
                tail(logs / "build.log")
                return False
    say(f"{time.monotonic() - start:5.0f} s")
    return True


def setup_command(configuration: Configuration) -> list[str]:
    if not (configuration.directory / "build.ninja").exists():
        return ["meson", "setup", str(configuration.directory), *configuration.options]
    if not has_failpoints(configuration.directory):  # set up before there were any
        return ["meson", "setup", "--reconfigure", str(configuration.directory), "-Dfailpoints=true"]
    return []


def ninja_command(configuration: Configuration) -> list[str]:
    targets = list(configuration.targets) + (programs_of(configuration) if configuration.tests else [])
    return ["ninja", "-C", str(configuration.directory), f"-j{CORES}", *targets]


def without_aslr() -> list[str]:
    """Sanitizer runtimes of g++ 12 do not start under the address space randomisation of newer kernels."""
    command = ["setarch", "-R"]
    works = subprocess.run(command + ["true"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0
    return command if works else []


def environment(suite: Suite, configuration: Configuration, reports: pathlib.Path) -> dict[str, str]:
    """What tests see.  Sanitizer reports go to files: a report counts even if nobody looks at the exit status."""
    result = dict(os.environ)
    result["BELAY_BUILD"] = str(configuration.directory)
    result["BELAY_SANITIZE"] = configuration.sanitizer
    result["BELAY_TEST_DEADLINE"] = str(60 * configuration.slowness)
    if configuration.sanitizer != "none":
        common = f"log_path={reports}/{suite.name}:halt_on_error=1"
        result["ASAN_OPTIONS"] = f"{common}:detect_stack_use_after_return=1:strict_string_checks=1"
        result["UBSAN_OPTIONS"] = f"{common}:print_stacktrace=1"
        result["TSAN_OPTIONS"] = f"{common}:second_deadlock_stack=1"
    return result


def run_unit(suite: Suite, configuration: Configuration, env: dict[str, str], log: pathlib.Path,
             processes: Processes) -> Counts:
    prefix = without_aslr() if configuration.sanitizer != "none" else []
    meson_logs = configuration.directory / "meson-logs"
    for name in ("testlog.json", "testlog.junit.xml"):
        (meson_logs / name).unlink(missing_ok=True)
    command = prefix + ["meson", "test", "-C", str(configuration.directory), "--no-rebuild", "--suite", "unit",
                        "--print-errorlogs", "--timeout-multiplier", str(configuration.slowness), *configuration.tests]
    with open(log, "w") as out:
        status = processes.run(command, cwd=ROOT, env=env, stdout=out)
    counts = Counts()
    if not (meson_logs / "testlog.junit.xml").exists():  # written last
        counts.fail(f"{suite.name}: meson test has no result, {status}")
        return counts
    cases = gtest_cases(meson_logs / "testlog.junit.xml")
    for line in (meson_logs / "testlog.json").read_text().splitlines():
        program = json.loads(line)
        name = program["name"].split(" / ")[-1]
        counted = cases.get(name, Counts())
        counts.add(counted)
        if program["result"] not in ("OK", "SKIP", "EXPECTEDFAIL") and not counted.failed:
            counts.fail(f"{name}: {program['result']} ({program.get('returncode')})")  # crashed, hung, leaked
        elif counted == Counts() and program["result"] == "SKIP":  # not GoogleTest: it counts as one
            counts.skipped += 1
            counts.skips.append(name)
        elif counted == Counts():
            counts.passed += 1
    return counts


def gtest_cases(junit: pathlib.Path) -> dict[str, Counts]:
    """Counts by program.  Meson names a suite `project.program.Suite`."""
    result: dict[str, Counts] = {}
    for suite in xml.parse(junit).getroot().iter("testsuite"):
        project_program_suite = suite.get("name", "").split(".", 2)
        if len(project_program_suite) != 3:
            continue
        counts = result.setdefault(project_program_suite[1], Counts())
        for case in suite.iter("testcase"):
            name = f"{project_program_suite[2]}.{case.get('name')}"
            failure = case.find("failure") if case.find("failure") is not None else case.find("error")
            if failure is not None:
                counts.fail(f"{name}: {' '.join(failure.get('message', '').split())[:400]}")
            elif case.find("skipped") is not None or case.get("result") == "skipped":
                counts.skipped += 1
                counts.skips.append(name)
            elif case.get("status") != "notrun":
                counts.passed += 1
    return result


def run_python_file(path: pathlib.Path, env: dict[str, str], prefix: list[str], timeout: int, log: pathlib.Path,
                    processes: Processes) -> Counts:
    results = log.with_suffix(".json")
    results.unlink(missing_ok=True)
    command = prefix + [sys.executable, str(ROOT / "tests/python_tests.py"), str(path), str(results)]
    counts = Counts()
    with open(log, "w") as out:
        status = processes.run(command, timeout, cwd=ROOT, env=env, stdout=out)
    if results.exists():
        counts.add(Counts(**json.loads(results.read_text())))
    if not results.exists() or (status != "0" and not counts.failed):
        counts.fail(f"{path.stem}: {status if not status.isdigit() else f'ended with {status}'}")
    return counts


def has_sudo() -> bool:
    """In a session of its own, as the tests: there a ticket of this terminal does not count, sudoers(5)."""
    return shutil.which("sudo") is not None and subprocess.run(
        ["sudo", "-n", "true"], capture_output=True, start_new_session=True).returncode == 0


def run_python(suite: Suite, configuration: Configuration, env: dict[str, str], log: pathlib.Path,
               processes: Processes) -> Counts:
    prefix = without_aslr() if configuration.sanitizer != "none" else []
    if suite.needs_root and os.geteuid() != 0:
        if not has_sudo():
            return Counts(skipped=1, skips=[f"{suite.name}: needs root"])
        kept = [f"{name}={value}" for name, value in env.items() if name.startswith(("BELAY_", "PYTHON"))]
        prefix = ["sudo", "-n", "env", *kept]

    counts = Counts()
    files = sorted((ROOT / "tests" / suite.folder).glob("*_test.py"))
    if not files:
        counts.fail(f"{suite.name}: no tests/{suite.folder}/*_test.py")
    logs = [log.with_name(f"{suite.name}-{path.stem}.log") for path in files]
    workers = CORES if suite.folder == "integration" else 1
    timeout = FILE_MINUTES * 60 or min(suite.file_timeout * configuration.slowness, LONGEST_FILE)
    failed_logs = []
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        try:
            results = pool.map(lambda path, file_log: run_python_file(path, env, prefix, timeout, file_log, processes),
                               files, logs)
            for result, file_log in zip(results, logs):
                counts.add(result)
                if result.failed:
                    failed_logs.append(file_log)
        except KeyboardInterrupt:  # raised here, while other threads wait
            processes.stop()
            raise
    logs.sort(key=failed_logs.__contains__)  # failures last: the end is what is shown
    log.write_text("".join(f"=== {file_log.name}\n{file_log.read_text(errors='replace')}" for file_log in logs))
    return counts


def run_fuzz(suite: Suite, configuration: Configuration, _env: dict[str, str], log: pathlib.Path,
             processes: Processes) -> Counts:
    counts = Counts()
    sources = sorted((ROOT / "tests" / suite.folder).glob("fuzz_*.cpp"))
    logs = [log.with_name(f"{source.stem}.log") for source in sources]
    if not sources:
        counts.fail(f"{suite.name}: no tests/{suite.folder}/fuzz_*.cpp")
    with concurrent.futures.ThreadPoolExecutor(CORES) as pool:
        try:
            found = list(pool.map(
                lambda source, target_log: fuzzing.run_target(source, configuration.directory, target_log, processes),
                sources, logs))
        except KeyboardInterrupt:  # raised here, while other threads wait
            processes.stop()
            raise
    for failure in filter(None, found):
        counts.fail(failure)
    counts.passed = found.count(None)
    logs = [path for _, path in sorted(zip(map(bool, found), logs)) if path.exists()]  # failures last: the end is shown
    log.write_text("".join(f"=== {path.name}\n{path.read_text(errors='replace')}" for path in logs))
    return counts


def run(suite: Suite, configuration: Configuration, processes: Processes) -> Counts:
    logs = configuration.directory / "logs"
    log = logs / f"{suite.name}.log"
    reports = logs / "reports"
    reports.mkdir(exist_ok=True)
    for old in reports.glob(f"{suite.name}.*"):
        old.unlink()

    say(f"{suite.name:<20} ", end="")
    start = time.monotonic()
    env = environment(suite, configuration, reports)
    runner = run_fuzz if suite.folder == "fuzz" else run_python if suite.folder else run_unit
    counts = runner(suite, configuration, env, log, processes)
    for report in sorted(reports.glob(f"{suite.name}.*")):
        counts.fail(f"sanitizer report {report.relative_to(ROOT)}")
    say(f"{time.monotonic() - start:5.0f} s  {counts}")
    for skip in counts.skips:
        say(f"    skipped: {skip}")
    if counts.failed:
        for failure in counts.failures:
            say(f"    FAILED: {failure}")
        if log.exists():
            tail(log)
        for report in sorted(reports.glob(f"{suite.name}.*"))[:2]:
            head(report)
    return counts


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests/run", description="Builds belay and runs its tests.")
    parser.add_argument("suites", nargs="*", help="all when none is named")
    parser.add_argument("--list", action="store_true", help="names the suites")
    parser.add_argument("--minutes", type=float, default=LONGEST_RUN, help="what takes longer is ended, and failed")
    arguments = parser.parse_args()
    if arguments.list:
        for suite in SUITES:
            say(f"{suite.name:<20} {suite.what}")
        return 0
    unknown = set(arguments.suites) - {suite.name for suite in SUITES}
    if unknown:
        parser.error(f"no such suite: {', '.join(sorted(unknown))} (see --list)")
    chosen = [suite for suite in SUITES if not arguments.suites or suite.name in arguments.suites]

    for number in (signal.SIGINT, signal.SIGTERM):  # also where it was started with SIGINT ignored, as by nohup &
        signal.signal(number, signal.default_int_handler)
    start = time.monotonic()
    total, interrupted = run_all(chosen, Processes(arguments.minutes))
    for failure in total.failures:
        say(f"FAILED: {failure}")
    say(f"{len(chosen)} suites in {(time.monotonic() - start) / 60:.1f} minutes")
    say(str(total))
    return 130 if interrupted else 1 if total.failed else 0


def run_all(suites: list[Suite], processes: Processes) -> tuple[Counts, bool]:
    """The counts, and whether somebody wanted an end before all had run."""
    total = Counts()
    built: dict[str, bool] = {}
    interrupted = False
    for suite in suites:
        configuration = CONFIGURATIONS[suite.configuration]
        try:
            if reason := processes.why_over():
                total.fail(f"{suite.name}: did not run: {reason}")
                continue
            if configuration.name not in built:
                built[configuration.name] = build(configuration, processes)
            if built[configuration.name]:
                total.add(run(suite, configuration, processes))
            else:
                total.fail(f"{suite.name}: not built")
        except KeyboardInterrupt:
            say("interrupted")
            processes.stop()
            total.fail(f"{suite.name}: interrupted")
            interrupted = True
    return total, interrupted


if __name__ == "__main__":
    sys.exit(main())
