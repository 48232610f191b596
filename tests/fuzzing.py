"""Runs the libFuzzer targets of tests/fuzz.  Called by tests/suites.py."""

import base64
import os
import pathlib

from processes import Processes

SECONDS = int(os.environ.get("BELAY_FUZZ_SECONDS", "60"))  # of new inputs, for each target
LONGEST_INPUT = 4096
# Of one input: a request or a file that takes longer, or more memory, is a finding.
LIMITS = ["-timeout=10", "-rss_limit_mb=2048", f"-max_len={LONGEST_INPUT}"]
SYMBOLIZER = "/usr/lib/llvm-19/bin/llvm-symbolizer"


def environment() -> dict[str, str]:
    result = dict(os.environ)
    result["ASAN_OPTIONS"] = "detect_stack_use_after_return=1:strict_string_checks=1"
    result["UBSAN_OPTIONS"] = "print_stacktrace=1"
    if pathlib.Path(SYMBOLIZER).exists():
        result["ASAN_SYMBOLIZER_PATH"] = SYMBOLIZER
    return result


def run_target(source: pathlib.Path, build: pathlib.Path, log: pathlib.Path, processes: Processes) -> str | None:
    """What is wrong with the target of tests/fuzz/fuzz_X.cpp: with an input of its corpus, or with one that was found."""
    name = source.stem
    program = build / "tests" / "fuzz" / name
    topic = name.removeprefix("fuzz_")
    corpus = source.parent / "corpus" / topic
    dictionary = source.parent / f"{topic}.dict"
    grown = build / "corpus" / topic  # what earlier runs in this directory found worth keeping
    grown.mkdir(parents=True, exist_ok=True)
    prefix = f"{log.with_suffix('')}-"
    for old in log.parent.glob(f"{name}-*"):
        old.unlink()
    seeds = sorted(map(str, corpus.glob("*")))
    if not seeds:
        return f"{name}: there is nothing in {corpus}"
    command = [str(program), *LIMITS, f"-artifact_prefix={prefix}"]
    new_inputs = [f"-max_total_time={SECONDS}", str(grown), str(corpus)]
    if dictionary.exists():
        new_inputs.insert(0, f"-dict={dictionary}")
    with open(log, "w") as out:
        for what, arguments, seconds in (("its corpus", seeds, 0), ("new inputs", new_inputs, SECONDS)):
            status = processes.run(command + arguments, seconds + 120, env=environment(), stdout=out)
            if status != "0":
                return f"{name}: {what}: {status}{describe_findings(prefix)}"
    return None


def describe_findings(prefix: str) -> str:
    text = ""
    for path in sorted(pathlib.Path(prefix).parent.glob(pathlib.Path(prefix).name + "*")):
        text += f"\n    {path}, which has, in base64: {base64.b64encode(path.read_bytes()).decode()}"
    return text
