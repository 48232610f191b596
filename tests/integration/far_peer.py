"""A TCP peer far away: what it sends to a daemon, and when, is the test's to say.

The daemon runs in a network namespace of its own; this end of its one device is here, and there is no kernel behind it
that would answer for the peer.
"""
import os
import pathlib
import select
import socket
import struct
import subprocess
import sys
import tempfile
import time

from tests.integration.harness import DEADLINE

DAEMON, PEER, PORT = "10.9.0.1", "10.9.0.2", 9080
FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16

# ioctls of <linux/if_tun.h> and <linux/sockios.h>, each with a struct ifreq
SET_UP = f"""
import fcntl, os, socket, struct, sys
tun = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(tun, 0x400454ca, struct.pack("16sH22x", b"far", 0x1001))  # TUNSETIFF: IFF_TUN, IFF_NO_PI
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
    for request, address in (0x8916, "{DAEMON}"), (0x891c, "255.255.255.0"):  # SIOCSIFADDR, SIOCSIFNETMASK
        fcntl.ioctl(control, request, struct.pack("16sHH4s16x", b"far", socket.AF_INET, 0, socket.inet_aton(address)))
    for name in b"lo", b"far":
        fcntl.ioctl(control, 0x8914, struct.pack("16sH22x", name, 1))  # SIOCSIFFLAGS: IFF_UP
with socket.socket(socket.AF_UNIX) as test:
    test.connect(sys.argv[1])
    socket.send_fds(test, [b"tun"], [tun])
os.execvp(sys.argv[2], sys.argv[2:])
"""


def checksum(data):
    total = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2)))
    total = (total >> 16) + (total & 0xffff)
    return ~(total + (total >> 16)) & 0xffff


class FarPeer:
    """`prefix` puts a daemon before it, and `address` is for it to listen on.  Skips the test where that cannot be had."""

    address = f"{DAEMON}:{PORT}"

    def __init__(self, test):
        directory = pathlib.Path(test.enterContext(tempfile.TemporaryDirectory(prefix="belay-far-")))
        self.server = test.enterContext(socket.socket(socket.AF_UNIX))
        self.server.bind(str(directory / "sock"))
        self.server.listen()
        self.server.settimeout(DEADLINE)
        self.prefix = ["unshare", "-rn", sys.executable, "-c", SET_UP, str(directory / "sock")]
        try:
            subprocess.run([*self.prefix, "true"], check=True, capture_output=True, text=True)
        except (OSError, subprocess.CalledProcessError) as error:
            test.skipTest(f"needs user namespaces and /dev/net/tun: {getattr(error, 'stderr', '') or error}")
        os.close(self._accept_tun())

    def _accept_tun(self):
        with self.server.accept()[0] as setting_up:
            return socket.recv_fds(setting_up, 16, 1)[1][0]

    def attach(self, test):
        self.tun = self._accept_tun()
        test.addCleanup(os.close, self.tun)

    def begin_handshake(self):
        """Returns when the SYN has been answered: as far as this end knows, the daemon is there."""
        self.sent, self.received = 1000, 0
        self._send(SYN)
        self.sent += 1
        flags, sequence, _ = self.receive()
        assert flags & (SYN | ACK) == SYN | ACK, flags
        self.received = sequence + 1

    def complete_handshake(self, data):
        self._send(ACK)
        self.send(data)

    def send(self, data):
        """And acknowledges what receive_data() has returned."""
        self._send(ACK | PSH, data)
        self.sent += len(data)

    def reset(self):
        self._send(RST)

    def receive(self):
        """The next segment: flags, sequence number, data."""
        end = time.monotonic() + DEADLINE
        while select.select([self.tun], [], [], max(0, end - time.monotonic()))[0]:
            packet = os.read(self.tun, 65536)
            if packet[0] >> 4 != 4 or packet[9] != socket.IPPROTO_TCP:
                continue
            segment = packet[(packet[0] & 15) * 4:]
            sequence, _, offset, flags = struct.unpack("!IIBB", segment[4:14])
            return flags, sequence, segment[(offset >> 4) * 4:]
        raise AssertionError(f"no segment in {DEADLINE:g} s")

    def receive_data(self):
        """The next that is not empty, or at the end of the stream."""
        while True:
            flags, sequence, data = self.receive()
            assert not flags & RST, "reset"
            if data or flags & FIN:
                self.received = sequence + len(data)
                return data

    def _send(self, flags, data=b""):
        source, destination = socket.inet_aton(PEER), socket.inet_aton(DAEMON)
        tcp = struct.pack("!HHIIBBHHH", 40000, PORT, self.sent, self.received, 5 << 4, flags, 65535, 0, 0) + data
        pseudo = source + destination + struct.pack("!BBH", 0, socket.IPPROTO_TCP, len(tcp))
        tcp = tcp[:16] + struct.pack("!H", checksum(pseudo + tcp)) + tcp[18:]
        ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), 1, 0, 64, socket.IPPROTO_TCP, 0, source, destination)
        os.write(self.tun, ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:] + tcp)
