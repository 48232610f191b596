"""What belayd is compared with."""

import json
import pathlib

from tests.bench.harness import processes
from tests.bench.harness.belayd import SECRET
from tests.bench.harness.programs import Programs
from tests.bench.harness.servers import Server

NGINX = """
worker_processes 1;
daemon off;
pid {directory}/pid;
error_log {directory}/errors warn;
events {{ worker_connections 20000; }}
http {{
    access_log off;
    keepalive_requests 1000000000;
    keepalive_timeout 1h;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    server {{
        listen 127.0.0.1:{port};
        location = /healthz {{ default_type application/json; return 200 '{{"status":"ok"}}'; }}
    }}
}}
"""

WEBHOOK = [{
    "id": "durable",
    "execute-command": "/bin/true",
    "include-command-output-in-response": False,
    "success-http-response-code": 202,
    "trigger-rule": {"match": {
        "type": "payload-hmac-sha256", "secret": SECRET, "parameter": {"source": "header", "name": "X-Hub-Signature-256"}}},
}]


class Peers:
    """Makes servers, not yet started, each in a directory of its own below `directory`."""

    def __init__(self, programs: Programs, directory: pathlib.Path) -> None:
        self.programs = programs
        self.directory = directory
        self.made = 0

    def place(self) -> pathlib.Path:
        self.made += 1
        place = self.directory / f"server-{self.made}"
        place.mkdir()
        return place

    def limit_get(self) -> Server:
        port = processes.free_port()
        return Server("limit (epoll)", [self.programs.native("limit_get"), port], port, self.place())

    def limit_post(self, stores: bool) -> Server:
        port, place = processes.free_port(), self.place()
        command = [self.programs.native("limit_post"), port, SECRET]
        return Server("limit (log)" if stores else "limit (HMAC)", command + [place / "bodies"] * stores, port, place)

    def go(self, stack: str) -> Server:
        port = processes.free_port()
        return Server(stack, [self.programs.go_peer, stack, port, SECRET], port, self.place())

    def nginx(self) -> Server:
        port, place = processes.free_port(), self.place()
        (place / "nginx.conf").write_text(NGINX.format(directory=place, port=port))
        command = ["/usr/sbin/nginx", "-e", place / "errors", "-p", place, "-c", place / "nginx.conf"]
        return Server("nginx", command, port, place)

    def webhook(self, waits: bool = False) -> Server:
        """@param waits: it answers when the command has ended, not when it begins"""
        port, place = processes.free_port(), self.place()
        hook = {**WEBHOOK[0], "include-command-output-in-response": waits}
        (place / "hooks.json").write_text(json.dumps([hook]))
        return Server("webhook", ["webhook", "-hooks", place / "hooks.json", "-ip", "127.0.0.1", "-port", port], port,
                      place, probe="/")
