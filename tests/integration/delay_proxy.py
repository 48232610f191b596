"""A TCP proxy that is a long line: bytes, half-closes and resets pass faithfully and in order, but late."""
import asyncio
import random
import socket
import struct
import time

RETRY = 0.05  # seconds between attempts to connect to who does not listen: no byte has been sent yet
CLOSE_WAIT = 8  # tcpi_state
_RESET = object()
_END = b""


def seconds_since_end(transport):
    """How long ago the peer's end came, as the kernel knows it, however late this process is; 0 if it has not come."""
    info = transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    last_ack_received = struct.unpack_from("I", info, 8 + 12 * 4)[0]  # milliseconds
    return last_ack_received / 1000 if info[0] == CLOSE_WAIT else 0.0


class _End(asyncio.Protocol):
    """One end of a link.  What the other end receives is sent here when it is due."""

    def __init__(self, link):
        self.link = link
        self.transport = None
        self.to_send = asyncio.Queue()  # (when, what)
        self.peer = None
        self.ended = self.has_ended = False  # the other side sends no more; we have told it the same
        self.late = 0.0  # how long after its end the other side was last sent something

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.peer.send_later(data)

    def eof_received(self):
        self.ended = True
        self.peer.send_later(_END)
        if self.has_ended:
            self.transport.close()
        return True  # the other direction stays open

    def connection_lost(self, error):
        # A reset that follows an end is no event: it is only found here.
        reset = error or self.transport.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        self.peer.send_later(_RESET if reset else _END)
        self.link.lost(self, reset)

    def send_later(self, what):
        self.to_send.put_nowait((time.monotonic() + random.uniform(0, self.link.proxy.delay), what))

    async def send_all(self):
        while True:
            when, what = await self.to_send.get()
            await asyncio.sleep(max(0.0, when - time.monotonic()))
            if self.transport.is_closing():
                return
            if what is _RESET:
                self.transport.get_extra_info("socket").setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.transport.abort()
                return
            if what is not _END:
                begin = time.monotonic()
                self.late = seconds_since_end(self.transport)
                self.transport.write(what)  # at once, for the buffer is empty
                self.link.sent(self, begin)
                continue
            self.has_ended = True
            try:
                self.transport.write_eof()
            except OSError:  # it has been reset after its end
                self.transport.abort()
            if self.ended:
                self.transport.close()


class Link:
    """A connection of a client's, and ours to the server on its behalf."""

    def __init__(self, proxy):
        self.proxy = proxy
        self.server = _End(self)
        self.reset_by_server = False
        self.idle = None  # seconds: the server waited at most this long for the last request that it was sent
        self.open_ends = 2
        self.closed = asyncio.Event()
        self.last_begin = None  # when the last request was about to be sent, or the connection to be made

    async def run(self, client):
        await self._connect()
        await asyncio.gather(client.send_all(), self.server.send_all())

    async def _connect(self):
        while True:
            self.last_begin = time.monotonic()
            try:
                await asyncio.get_running_loop().create_connection(lambda: self.server, *self.proxy.upstream)
                return
            except ConnectionRefusedError:
                self.proxy.refused += 1
                await asyncio.sleep(RETRY)

    def sent(self, end, begin):
        """Loopback: what has been sent has arrived.  The last answer is younger than the request that it answers."""
        if end is self.server:
            self.idle = time.monotonic() - self.last_begin
            self.last_begin = begin

    def lost(self, end, reset):
        if end is self.server and reset:
            self.reset_by_server = True
            self.proxy.resets.append(end.late)
        self.open_ends -= 1
        if self.open_ends == 0:
            self.closed.set()


class _ClientEnd(_End):
    def connection_made(self, transport):
        super().connection_made(transport)
        self.peer, self.link.server.peer = self.link.server, self  # what comes before that is connected waits there
        self.link.proxy.links[transport.get_extra_info("peername")] = self.link
        self.link.task = asyncio.create_task(self.link.run(self))


class DelayProxy:
    """Each direction of each connection takes 0 to `delay` seconds for each thing that it passes."""

    def __init__(self, upstream, delay):
        self.upstream = upstream
        self.delay = delay
        self.links = {}  # by the client's address
        self.refused = 0  # attempts to connect
        self.resets = []  # by the server: how long after its end it was sent something

    async def __aenter__(self):
        self.listener = await asyncio.get_running_loop().create_server(lambda: _ClientEnd(Link(self)), "127.0.0.1", 0)
        self.address = self.listener.sockets[0].getsockname()
        return self

    async def __aexit__(self, *_):
        self.listener.close()
        await self.listener.wait_closed()
