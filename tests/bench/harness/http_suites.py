"""Requests: small ones, pipelined ones, signed ones that are stored or not, and what else they are disturbed by."""

from tests.bench.harness.bench import Bench
from tests.bench.harness.client import Load, rate_by_wrk, signed_post
from tests.bench.harness.results import Comparison, Result
from tests.bench.harness.slices import Subject
from tests.bench.harness.syscalls import count_syscalls

SCRAPES_PER_SECOND = 10
HEALTH_CHECKS_PER_SECOND = 50
HOOKS_FOR_500_SERIES = 7  # beside those that every belayd of ours has


def options_load(port: int, connections: int) -> Load:
    """The lightest request that ingress answers without closing."""
    return Load(port, "/hooks/durable", "OPTIONS", connections=connections)


def get(bench: Bench) -> Result:
    limit, nginx = bench.peers.limit_get(), bench.peers.nginx()
    gos = [bench.peers.go(stack) for stack in ("net/http", "chi", "gin")]
    belayd, n = bench.belayd(), bench.options.connections
    with bench.running(limit, belayd, nginx, *gos):
        load = Load(belayd.admin_port, connections=n)
        subjects = [Subject(limit.name, limit, Load(limit.port, connections=n)),
                    Subject("belayd", belayd, load),
                    Subject("belayd (OPTIONS)", belayd, options_load(belayd.port, n)),
                    *(Subject(server.name, server, Load(server.port, connections=n)) for server in (nginx, *gos))]
        series = bench.alternate("get", subjects)
        calls = count_syscalls(bench.client, belayd, load)
        seen = [rate_by_wrk(load, bench.options.seconds) / bench.client.run(load, bench.options.seconds)["rate"]
                for _ in range(bench.options.rounds)]
    what = f"GET /healthz of the admin port, {n} connections; OPTIONS of a hook is the lightest that ingress has."
    return Result("get", what, series, [
        Comparison("rate / limit", series.ratios("rate", "belayd", limit.name), at_least=0.85),
        Comparison("CPU / limit", series.ratios("cpu", "belayd", limit.name), at_most=1.20),
        Comparison("rate / Gin", series.ratios("rate", "belayd", "gin"), at_least=1.6),
        Comparison("system calls per request", [calls.per_request], at_most=2.2),
        Comparison("rate as wrk sees it / as our client does", seen),
        Comparison("OPTIONS: rate / limit", series.ratios("rate", "belayd (OPTIONS)", limit.name)),
    ])


def pipeline(bench: Bench) -> Result:
    limit, nginx, gin, belayd = bench.peers.limit_get(), bench.peers.nginx(), bench.peers.go("gin"), bench.belayd()
    with bench.running(limit, belayd, nginx, gin):
        ports = {limit: limit.port, belayd: belayd.admin_port, nginx: nginx.port, gin: gin.port}
        subjects = [Subject(server.name, server, Load(port, connections=bench.options.connections, pipeline=16))
                    for server, port in ports.items()]
        series = bench.alternate("pipeline", subjects)
    return Result("pipeline", "The same GET, 16 at once on each connection, and the next 16 when they are answered.", series,
                  [Comparison("rate / limit", series.ratios("rate", "belayd", limit.name), at_least=0.6)])


def post(bench: Bench) -> Result:
    log, mac = bench.peers.limit_post(stores=True), bench.peers.limit_post(stores=False)
    gin, webhook, belayd = bench.peers.go("gin"), bench.peers.webhook(), bench.belayd()
    body, n = bench.body(), bench.options.connections

    def subject(name, server, hook="durable"):
        return Subject(name, server, signed_post(server.port, hook, body, connections=n))

    with bench.running(log, mac, belayd, gin, webhook):
        series = bench.alternate("post", [
            subject(log.name, log), subject("belayd", belayd), subject(mac.name, mac),
            subject("belayd (ignored)", belayd, "ignored"), subject("gin", gin),
            Subject("webhook", webhook, signed_post(webhook.port, "durable", body, connections=n))])
    what = (f"Signed POST of 10 KiB, {n} connections. belayd stores it before it answers, or (ignored) its rule does not "
            "match and nothing is stored; Gin checks the HMAC and stores nothing; webhook runs /bin/true.")
    return Result("post", what, series, [
        Comparison("not stored: rate / Gin + HMAC", series.ratios("rate", "belayd (ignored)", "gin"), at_least=2.5),
        Comparison("not stored: rate / limit (HMAC)", series.ratios("rate", "belayd (ignored)", mac.name)),
        Comparison("durable: rate / log limit", series.ratios("rate", "belayd", log.name), at_least=0.45),
        Comparison("durable: rate / Gin + HMAC", series.ratios("rate", "belayd", "gin"), at_least=1.0),
        Comparison("durable: rate / webhook exec", series.ratios("rate", "belayd", "webhook"), at_least=15),
        Comparison("durable: p99", series.of("belayd", "p99"), at_most=8, unit=" ms"),
    ])


def scrape(bench: Bench) -> Result:
    gin, belayd, body = bench.peers.go("gin+metrics"), bench.belayd(more_hooks=HOOKS_FOR_500_SERIES), bench.body()
    subjects = []
    with bench.running(belayd, gin):
        belayd.get("/metrics", belayd.admin_port)  # has series of its own from then on
        for server, port in ((belayd, belayd.admin_port), (gin, gin.port)):
            load = signed_post(server.port, "durable", body, connections=bench.options.connections)
            scraped = Load(port, "/metrics", connections=2, rate=SCRAPES_PER_SECOND)
            subjects += [Subject(server.name, server, load), Subject(f"{server.name}, scraped", server, load, scraped)]
        load, health = subjects[0].load, Load(belayd.admin_port, connections=2, rate=HEALTH_CHECKS_PER_SECOND)
        subjects.append(Subject("belayd, /healthz asked", belayd, load, health))
        series = bench.alternate("scrape", subjects)
        count = belayd.count_series()
    changes = [(ratio - 1) * 100 for ratio in series.ratios("p99", "belayd, scraped", "belayd")]
    return Result("scrape", f"The durable POST while {SCRAPES_PER_SECOND} times a second all metrics are read: "
                  f"{count} series of belayd's.", series, [
        Comparison("change of ingest p99", changes, at_most=5, unit=" %"),
        Comparison("rate, scraped / not", series.ratios("rate", "belayd, scraped", "belayd")),
        Comparison("/healthz meanwhile: p99", series.of("belayd, /healthz asked", "beside"), unit=" ms"),
    ], headline="p99")
