"""nginx, HAProxy and Caddy before the emulator: how each is set up to give up on it."""

from __future__ import annotations

import itertools
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from tests.clock import until
from tests.stacks.programs import free_ports, program, running

MODES = ("plain", "dead", "busy", "slow")
"""What becomes of a POST: it is passed on; the service is not there; it is refused; it is passed on,
and given up on after 600 ms of silence.
"""
_MARKS = itertools.count()


@dataclass
class Gateway:
    """A gateway that runs. `ports` has one for each of the modes."""

    ports: dict[str, int]
    log: Callable[[], str]
    before: int = 0

    def base_url(self, mode: str) -> str:
        return f"http://127.0.0.1:{self.ports[mode]}/api/v1"

    def begin(self) -> None:
        """From here on, POSTs are counted."""
        self.before = self.log().count("POST /")

    async def posts(self) -> int:
        """How many POSTs it has had since `begin`: its log is in order, up to a mark."""
        mark = f"/mark-{next(_MARKS)}-{os.getpid()}"
        async with httpx2.AsyncClient(trust_env=False) as http:
            await http.get(f"http://127.0.0.1:{self.ports['plain']}{mark}")
        await until(lambda: mark in self.log())
        return self.log().count("POST /") - self.before


NGINX_SERVER = """
  server {{
    listen 127.0.0.1:{port};
    location / {{
      {rule}
      proxy_pass http://127.0.0.1:{upstream};
    }}
  }}
"""
NGINX = """
daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
  access_log {folder}/access.log;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  client_max_body_size 64m; proxy_http_version 1.1; proxy_set_header Host $http_host;
  proxy_buffering off;
  upstream nobody {{ server 127.0.0.1:{nobody}; }}
  {servers}
}}
"""
NGINX_RULES = {
    "plain": "",
    "dead": "if ($request_method = POST) { proxy_pass http://nobody; }",
    "busy": "if ($request_method = POST) { return 503; }",
    "slow": "proxy_read_timeout 600ms;",
}


@contextmanager
def nginx(upstream: int, folder: Path) -> Iterator[Gateway]:
    nobody, *ports = free_ports(1 + len(MODES))
    servers = "".join(
        NGINX_SERVER.format(port=port, rule=NGINX_RULES[mode], upstream=upstream)
        for mode, port in zip(MODES, ports, strict=True)
    )
    file = folder / "nginx.conf"
    file.write_text(NGINX.format(folder=folder, nobody=nobody, servers=servers))
    log = folder / "access.log"
    command = [program("nginx"), "-c", str(file), "-p", str(folder), "-e", f"{folder}/error.log"]
    with running(command, ports[0], folder):
        yield Gateway(dict(zip(MODES, ports, strict=True)), log.read_text)


HAPROXY = """
global
  maxconn 256
  log 127.0.0.1:{log} local0
defaults
  mode http
  log global
  option httplog
  timeout connect 2s
  timeout client 60s
backend service
  timeout server 60s
  server one 127.0.0.1:{upstream}
backend slow
  timeout server 600ms
  server one 127.0.0.1:{upstream}
backend nobody
  timeout server 60s
  server one 127.0.0.1:{nobody}
"""
HAPROXY_RULES = {
    "plain": "default_backend service",
    "dead": "use_backend nobody if METH_POST\n  default_backend service",
    "busy": "http-request deny deny_status 503 if METH_POST\n  default_backend service",
    "slow": "default_backend slow",
}


@dataclass
class _Listener:
    """What HAProxy logs, which it only sends."""

    socket: socket.socket
    heard: list[str] = field(default_factory=list[str])

    def __call__(self) -> str:
        while True:
            try:
                self.heard.append(self.socket.recv(65536).decode(errors="replace"))
            except BlockingIOError:
                return "\n".join(self.heard)


@contextmanager
def haproxy(upstream: int, folder: Path) -> Iterator[Gateway]:
    nobody, *ports = free_ports(1 + len(MODES))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.setblocking(False)
        rules = "".join(
            f"frontend {mode}\n  bind 127.0.0.1:{port}\n  {HAPROXY_RULES[mode]}\n"
            for mode, port in zip(MODES, ports, strict=True)
        )
        file = folder / "haproxy.cfg"
        log = listener.getsockname()[1]
        file.write_text(HAPROXY.format(log=log, upstream=upstream, nobody=nobody) + rules)
        with running([program("haproxy"), "-db", "-f", str(file)], ports[0], folder):
            yield Gateway(dict(zip(MODES, ports, strict=True)), _Listener(listener))


CADDY_RULES = {
    "plain": "reverse_proxy 127.0.0.1:{upstream}",
    "dead": "@post method POST\n  reverse_proxy @post 127.0.0.1:{nobody}\n"
    "  reverse_proxy 127.0.0.1:{upstream}",
    "busy": "@post method POST\n  respond @post 503\n  reverse_proxy 127.0.0.1:{upstream}",
    "slow": "reverse_proxy 127.0.0.1:{upstream} {{\n    flush_interval -1\n    transport http {{\n"
    "      response_header_timeout 600ms\n      read_timeout 600ms\n    }}\n  }}",
}


@contextmanager
def caddy(upstream: int, folder: Path) -> Iterator[Gateway]:
    nobody, *ports = free_ports(1 + len(MODES))
    log = folder / "access.log"
    sites = "".join(
        f"http://127.0.0.1:{port} {{\n  log {{\n    output file {log}\n    format json\n  }}\n  "
        + CADDY_RULES[mode].format(upstream=upstream, nobody=nobody)
        + "\n}\n"
        for mode, port in zip(MODES, ports, strict=True)
    )
    file = folder / "Caddyfile"
    file.write_text("{\n  admin off\n  auto_https off\n}\n" + sites)
    command = [program("caddy"), "run", "--adapter", "caddyfile", "--config", str(file)]
    home = {**os.environ, "HOME": str(folder), "XDG_DATA_HOME": str(folder)}

    def read() -> str:
        return log.read_text().replace('"method":"POST"', "POST /") if log.exists() else ""

    with running(command, ports[0], folder, environment=home):
        yield Gateway(dict(zip(MODES, ports, strict=True)), read)


GATEWAYS = {"nginx": nginx, "haproxy": haproxy, "caddy": caddy}
