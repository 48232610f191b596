"""Jobs: accepted, run and recorded."""

import json
import subprocess
import time

from tests.bench.harness import processes
from tests.bench.harness.belayd import Belayd
from tests.bench.harness.bench import Bench
from tests.bench.harness.client import Load, signed_post
from tests.bench.harness.processes import PATIENCE, Failed
from tests.bench.harness.results import Comparison, Result
from tests.bench.harness.slices import WARM_UP, Progress, Series, Subject, measure

PARALLEL = 4  # jobs at once, of each
COMMAND = "/bin/true"
JOBS_PER_SECOND = 500  # of a slice: so that it takes about its time
POLL = 0.02  # seconds: a scrape costs belayd a millisecond
SUCCEEDED = r'belay_attempts_total\{hook="true",outcome="succeeded"\}'
SMALL = 1024  # bytes of a body


def run_limit(bench: Bench, seconds: float) -> dict[str, float]:
    process = processes.start([bench.programs.native("limit_jobs"), seconds, PARALLEL, COMMAND], stdout=subprocess.PIPE,
                              text=True)
    try:
        printed = json.loads(process.stdout.readline())
        cpu = processes.cpu_seconds(process.pid)  # which includes what it has reaped, if it is still there
        process.wait(PATIENCE)
    finally:
        processes.end(process)
        process.stdout.close()
    return {"rate": printed["jobs"] / printed["seconds"], "cpu": cpu / printed["jobs"] * 100_000}


def run_belayd(bench: Bench, belayd: Belayd, load: Load, jobs: int) -> dict[str, float]:
    """From the first request until the last job's end is recorded."""
    before = belayd.metric(SUCCEEDED)
    cpu, begin = belayd.cpu_seconds(), time.monotonic()
    asked = bench.client.run(load, requests=jobs)["requests"]
    while belayd.metric(SUCCEEDED) < before + asked:
        if time.monotonic() - begin > PATIENCE + asked / 10:
            raise Failed(f"belayd does not finish {asked} jobs:\n{belayd.log_end()}")
        time.sleep(POLL)
    took = time.monotonic() - begin
    return {"rate": asked / took, "cpu": (belayd.cpu_seconds() - cpu) / asked * 100_000}


def jobs(bench: Bench) -> Result:
    belayd, webhook = bench.belayd(max_jobs=PARALLEL), bench.peers.webhook(waits=True)
    options, body, series = bench.options, bench.body(SMALL), Series()
    progress = Progress("jobs", options.rounds * 3)
    with bench.running(belayd, webhook):
        load = signed_post(belayd.port, "true", body, connections=options.connections)
        waiting = Subject("webhook", webhook, signed_post(webhook.port, "durable", body, connections=PARALLEL))
        run_belayd(bench, belayd, load, int(JOBS_PER_SECOND * WARM_UP))
        for number in range(1, options.rounds + 1):
            progress.step(f"limit (posix_spawn), round {number} of {options.rounds}")
            series.add("limit (posix_spawn)", **run_limit(bench, options.seconds))
            progress.step(f"belayd, round {number} of {options.rounds}")
            series.add("belayd", **run_belayd(bench, belayd, load, max(1, int(JOBS_PER_SECOND * options.seconds))))
            progress.step(f"webhook, round {number} of {options.rounds}")
            series.add("webhook", **measure(bench.client, waiting, options.seconds))
    progress.end()
    what = (f"{COMMAND}, {PARALLEL} at once: belayd from the first request until the last job's end is recorded; the limit "
            "records nothing; webhook answers when it has ended.")
    return Result("jobs", what, series, [
        Comparison("rate / posix_spawn limit", series.ratios("rate", "belayd", "limit (posix_spawn)"), at_least=0.7),
        Comparison("CPU / posix_spawn limit", series.ratios("cpu", "belayd", "limit (posix_spawn)"))])
