"""What is measured on: where server and client run, and what the machine is."""

import os
import pathlib
import platform
import resource
import subprocess

CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE = CORES[0]
CLIENT_CORE = CORES[-1]  # the same where there is only one: then nothing but CPU times means much


def pin_to_client_core() -> None:
    """The harness itself stays away from the server."""
    os.sched_setaffinity(0, {CLIENT_CORE})


def raise_descriptor_limit() -> int:
    """For tens of thousands of connections; inherited by all that is started.  Returns what there is."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    wanted = 1 << 20
    if os.geteuid() == 0 and hard != resource.RLIM_INFINITY and hard < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted))
            return wanted
        except (ValueError, OSError):  # not so root
            return hard
    soft = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return soft


def describe(directory: pathlib.Path) -> dict[str, str]:
    """Facts for the report; `directory` is where servers keep what they store."""
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    models = {line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")}
    release = platform.freedesktop_os_release()
    file_system = subprocess.run(["stat", "-f", "-c", "%T", directory], capture_output=True, text=True).stdout.strip()
    return {
        "host": platform.node(),
        "system": f"{release.get('PRETTY_NAME', 'unknown')}, Linux {platform.release()}",
        "CPU": f"{', '.join(sorted(models)) or platform.machine()}; {len(CORES)} cores, "
               f"server on {SERVER_CORE}, client on {CLIENT_CORE}",
        "file system": file_system,
        "load before": " ".join(f"{value:.2f}" for value in os.getloadavg()),
    }
