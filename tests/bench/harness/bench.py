"""What all suites share."""

import contextlib
import dataclasses
import pathlib

from tests.bench.harness.belayd import Belayd
from tests.bench.harness.client import Client, make_body
from tests.bench.harness.peers import Peers
from tests.bench.harness.programs import Programs
from tests.bench.harness.servers import Server
from tests.bench.harness.slices import Series, Subject, alternate

BODY_BYTES = 10 * 1024  # a usual push


@dataclasses.dataclass(frozen=True)
class Options:
    rounds: int
    seconds: float  # of a slice
    connections: int
    idle: int  # connections that nobody uses
    largest: int  # waiting jobs of the sweep
    most_hooks: int


class Bench:
    def __init__(self, programs: Programs, directory: pathlib.Path, options: Options) -> None:
        self.programs = programs
        self.options = options
        self.directory = directory
        self.peers = Peers(programs, directory)
        self.client = Client(programs.native("bench_client"))

    def belayd(self, **options) -> Belayd:
        return Belayd(self.programs.build, self.peers.place(), **options)

    def body(self, size: int = BODY_BYTES) -> pathlib.Path:
        return make_body(self.directory / f"body-{size}", size)

    @contextlib.contextmanager
    def running(self, *servers: Server):
        """They run as long as the block lasts."""
        with contextlib.ExitStack() as stack:
            for server in servers:
                stack.callback(server.stop)
                server.start()
            yield servers

    def alternate(self, suite: str, subjects: list[Subject]) -> Series:
        return alternate(self.client, suite, subjects, self.options.rounds, self.options.seconds)
