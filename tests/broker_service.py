"""What the tests of the example broker share: a process of it, its world, its jobs."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import httpx

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
WORLD = {
    "slots": ["slow", "quick", "dear"],
    "capacity": [60, 40, 20],
    "usd_per_h": [1.0, 2.5, 6.0],
    "speed": {"vision": [1.0, 2.0, 4.0], "language": [1.0, 3.0, 8.0]},
    "move_cost": 0.0,
}


class Service:
    """A broker in a process of its own, its state in `folder`."""

    def __init__(self, folder, *options):
        world = folder / "given.json"
        world.write_text(json.dumps(WORLD))
        self.state = folder / "state"
        command = [sys.executable, EXAMPLES / "broker.py", "--port", "0", "--world", world]
        self.command = [*map(str, command), "--state", str(self.state), *options]
        self.log = []
        self.environment = {k: v for k, v in os.environ.items() if k != "BROKER_TOKEN"}

    def start(self):
        """Start, and give what its log says on being ready."""
        self.log.clear()
        self.process = subprocess.Popen(
            self.command, stdout=subprocess.PIPE, text=True, env=self.environment
        )
        self.reader = threading.Thread(target=self._read)
        self.reader.start()
        url = f"http://127.0.0.1:{self.said('listening')['port']}"
        self.to = {"base_url": url, "timeout": None, "verify": False}  # no certificates to load
        self.http = httpx.Client(**self.to)
        return self.said("ready")

    def _read(self):
        for line in self.process.stdout:
            self.log.append(json.loads(line))

    def said(self, event, after=0):
        """Wait for an event in the log after the first `after` lines; return its first line."""
        return self.lines(event, 1, after)[0]

    def lines(self, event, n, after=0, **fields):
        """Wait for `n` lines of an event with these fields, and return all that are there.

        The log arrives through a pipe, so it may lag behind the answers to requests.
        """
        while True:
            ended = self.process.poll() is not None and not self.reader.is_alive()
            wanted = {"event": event} | fields
            found = [x for x in self.log[after:] if wanted.items() <= x.items()]
            if len(found) >= n:
                return found
            assert not ended, f"the broker ended without {n} lines {wanted}: {self.log[-3:]}"
            self.reader.join(0.01)

    def end(self, how):
        """Send a signal (0: none) and wait for the end."""
        self.process.send_signal(how)
        self.process.wait()
        self.reader.join()
        self.process.stdout.close()
        self.http.close()

    def restart(self, how=signal.SIGKILL):
        """End it by a signal, and start it again."""
        self.end(how)
        return self.start()


def job(key, k=0):
    return {
        "id": key,
        "family": ("vision", "language")[k % 2],
        "work_h": 1.0 + k % 7,
        "budget_usd": 20.0 + k % 11,
        "delay_usd_per_h": float(k % 3),
    }


def events(lines):
    return [json.loads(line[6:]) for line in lines if line.startswith("data: ")]
