"""What a server costs that does nothing: its start, its memory, connections that nobody uses."""

from tests.bench.harness.bench import Bench
from tests.bench.harness.client import Load, signed_post
from tests.bench.harness.http_suites import options_load
from tests.bench.harness.results import Comparison, Result
from tests.bench.harness.servers import Server
from tests.bench.harness.slices import Progress, Series, Subject

STORED_BEFORE = 1_000  # events in the database that is there already


def start(bench: Bench) -> Result:
    """Each is started and stopped in turn."""
    belayd = bench.belayd()
    with bench.running(belayd):
        bench.client.run(signed_post(belayd.port, "durable", bench.body()), requests=STORED_BEFORE)
    peers = [bench.peers.limit_get(), bench.peers.nginx(), bench.peers.go("gin"), bench.peers.webhook()]
    series, progress = Series(), Progress("start", bench.options.rounds * (1 + len(peers)))
    for number in range(1, bench.options.rounds + 1):
        for server in (belayd, *peers):
            progress.step(f"{server.name}, round {number} of {bench.options.rounds}")
            with bench.running(server):
                series.add(server.name, start=server.start_seconds * 1000)
    progress.end()
    what = f"belayd until READY=1, with {STORED_BEFORE} waiting jobs in its database; the others until their first answer."
    return Result("start", what, series, [
        Comparison("to READY with an existing database", series.of("belayd", "start"), at_most=10, unit=" ms"),
    ], headline="start")


def measure_idle(bench: Bench, server: Server, load: Load) -> float:
    """KiB that a connection costs which is open, was answered once, and is not used."""
    before = server.resident_mib()
    with bench.client.idle(load):
        return (server.resident_mib() - before) * 1024 / load.connections


def memory(bench: Bench) -> Result:
    options, body = bench.options, bench.body()
    belayd, gin, webhook, nginx = bench.belayd(), bench.peers.go("gin"), bench.peers.webhook(), bench.peers.nginx()
    limit = bench.peers.limit_post(stores=True)
    servers = (belayd, gin, webhook, nginx, limit)
    series, progress = Series(), Progress("memory", len(servers))
    with bench.running(*servers):
        for server in servers:
            progress.step(server.name)
            idle = server.resident_mib()
            load = Load(server.port) if server is nginx else signed_post(server.port, "durable", body)
            bench.client.run(load, options.rounds * options.seconds)
            series.add(server.name, idle=idle, loaded=server.resident_mib())
        series.add(belayd.name, each=measure_idle(bench, belayd, options_load(belayd.port, options.idle)))
        for server in (gin, nginx):
            series.add(server.name, each=measure_idle(bench, server, Load(server.port, connections=options.idle)))
    progress.end()
    what = (f"Resident: after the start; after {options.rounds * options.seconds:g} s of the durable POST (nginx: of the "
            f"GET); what each of {options.idle} idle connections adds.")
    return Result("memory", what, series, [
        Comparison("idle", series.of("belayd", "idle"), at_most=12, unit=" MiB"),
        Comparison("after the post suite", series.of("belayd", "loaded"), at_most=24, unit=" MiB"),
        Comparison("each idle connection", series.of("belayd", "each"), at_most=6, unit=" KiB"),
    ], headline="loaded")


def connections(bench: Bench) -> Result:
    """Of two of each kind one has idle connections."""
    options = bench.options
    pairs = [(bench.belayd(), bench.belayd(name="belayd, others idle")), (bench.peers.nginx(), bench.peers.nginx())]
    pairs[1][1].name = "nginx, others idle"

    def load(server, count):
        return options_load(server.port, count) if server in pairs[0] else Load(server.port, connections=count)

    servers = [server for pair in pairs for server in pair]
    with bench.running(*servers):
        subjects = [Subject(server.name, server, load(server, options.connections)) for server in servers]
        with bench.client.idle(load(servers[1], options.idle)) as opened, bench.client.idle(load(servers[3], options.idle)):
            series = bench.alternate("connections", subjects)
    what = (f"OPTIONS of a hook (nginx: the GET) over {options.connections} connections while {options.idle} others are "
            "open, and without.")
    return Result("connections", what, series, [
        Comparison("rate with idle connections / without", series.ratios("rate", "belayd, others idle", "belayd")),
        Comparison("CPU with idle connections / without", series.ratios("cpu", "belayd, others idle", "belayd")),
        Comparison("opened and answered once, one after the other, per second", [opened["rate"]])])
