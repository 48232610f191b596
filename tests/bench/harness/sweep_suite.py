"""What a request costs against what there is: the size of its body, connections, waiting jobs, hooks."""

import subprocess

from tests.bench.harness.bench import Bench
from tests.bench.harness.client import signed_post
from tests.bench.harness.processes import Failed
from tests.bench.harness.results import Comparison, Result
from tests.bench.harness.slices import Series, Subject

BODIES = [256, 1 << 10, 4 << 10, 10 << 10, 64 << 10, 256 << 10, 1 << 20]
CONNECTIONS = [1, 4, 16, 64, 256, 1024]
SMALL = 1024
BYTES_AT_ONCE = 16 << 20  # of all connections together: belayd answers 503 where the disk lags behind by much more


def name_size(size: int) -> str:
    return f"{size} B" if size < 1024 else f"{size >> 10} KiB" if size < 1 << 20 else f"{size >> 20} MiB"


def up_to(largest: int, steps: list[int]) -> list[int]:
    return [step for step in steps if step < largest] + [largest]


def sizes_and_connections(bench: Bench) -> Series:
    belayd = bench.belayd()
    with bench.running(belayd):
        subjects = []
        for hook in ("ignored", "durable"):
            subjects += [Subject(f"{hook}, body of {name_size(size)}", belayd,
                                 signed_post(belayd.port, hook, bench.body(size),
                                             connections=min(bench.options.connections, BYTES_AT_ONCE // size)))
                         for size in BODIES]
            subjects += [Subject(f"{hook}, {count} connections", belayd,
                                 signed_post(belayd.port, hook, bench.body(SMALL), connections=count))
                         for count in CONNECTIONS]
        return bench.alternate("sweep of bodies and connections", subjects)


def waiting_jobs(bench: Bench) -> Series:
    """Several belayds, each with a queue of its own."""
    counts = [0, *up_to(bench.options.largest, [1_000, 100_000])]
    servers = [bench.belayd(name=f"durable, {count} waiting jobs") for count in counts]
    for server, count in zip(servers, counts):
        with bench.running(server):  # makes the database
            pass
        if count:
            fill(bench, server, count)
    with bench.running(*servers):
        return bench.alternate("sweep of waiting jobs", [
            Subject(server.name, server, signed_post(server.port, "durable", bench.body(SMALL),
                                                     connections=bench.options.connections)) for server in servers])


def fill(bench: Bench, belayd, count: int) -> None:
    done = subprocess.run([bench.programs.native("fill_store"), belayd.database, str(count)], capture_output=True, text=True)
    if done.returncode != 0:
        raise Failed(f"fill_store: {done.stderr}")


def hooks(bench: Bench) -> Series:
    counts = up_to(bench.options.most_hooks, [100, 1_000])
    servers = [(bench.belayd(more_hooks=count), count) for count in [0, *counts]]
    with bench.running(*(server for server, _ in servers)):
        return bench.alternate("sweep of hooks", [
            Subject(f"{hook}, {count} more hooks", server,
                    signed_post(server.port, hook, bench.body(SMALL), connections=bench.options.connections))
            for hook in ("ignored", "durable") for server, count in servers])


def sweep(bench: Bench) -> Result:
    series = sizes_and_connections(bench)
    waiting, many = waiting_jobs(bench), hooks(bench)
    jobs, most = bench.options.largest, bench.options.most_hooks
    series.values |= waiting.values | many.values
    return Result("sweep", f"belayd alone; bodies of {name_size(SMALL)} unless said, of all connections together at most "
                  f"{name_size(BYTES_AT_ONCE)}.", series, [
        Comparison(f"rate with {jobs} waiting jobs / with none",
                   waiting.ratios("rate", f"durable, {jobs} waiting jobs", "durable, 0 waiting jobs"), at_least=0.9),
        *(Comparison(f"rate with {most} more hooks / with none ({hook})",
                     many.ratios("rate", f"{hook}, {most} more hooks", f"{hook}, 0 more hooks"), at_least=0.9)
          for hook in ("durable", "ignored")),
    ], headline="cpu")
