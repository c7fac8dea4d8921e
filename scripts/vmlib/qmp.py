# SPDX-License-Identifier: GPL-2.0-only
"""QMP, and the port through which a guest uses it.

The guest writes one JSON command a line to the virtio port nvme_rs.qmp and gets one JSON reply a line, with the "id" it
gave, if any. Events of QEMU are appended to a file.
"""

import json
import queue
import socket
import threading
from pathlib import Path
from typing import Any

REPLY_SECONDS = 60


def _error(text: str) -> dict[str, Any]:
    return {"error": {"class": "GenericError", "desc": text}}


class Qmp:
    """A QMP connection: replies come back to the caller, events go to `events`."""

    def __init__(self, connection: socket.socket, events: Path) -> None:
        self._connection = connection
        self._replies: queue.Queue[dict[str, Any]] = queue.Queue()
        self._lock = threading.Lock()
        self._events = events
        events.touch()
        threading.Thread(target=self._read, daemon=True).start()

    def negotiate(self) -> None:
        """Take the greeting and enter command mode."""
        self._replies.get(timeout=REPLY_SECONDS)
        self.execute({"execute": "qmp_capabilities"})

    def _read(self) -> None:
        try:
            with self._connection.makefile("r") as lines, open(self._events, "a", buffering=1) as events:
                for line in lines:
                    message = json.loads(line)
                    if "event" in message:
                        events.write(line.rstrip() + "\n")
                    else:
                        self._replies.put(message)
        except OSError:
            pass
        self._replies.put(_error("QEMU has ended"))

    def execute(self, command: dict[str, Any]) -> dict[str, Any]:
        """Run one command; never raises, a failure is an error reply."""
        with self._lock:
            try:
                self._connection.sendall(json.dumps(command).encode() + b"\n")
                return self._replies.get(timeout=REPLY_SECONDS)
            except OSError as error:
                return _error(f"QEMU has ended: {error}")
            except queue.Empty:
                return _error(f"no reply in {REPLY_SECONDS} s")


def _answer(qmp: Qmp, line: str) -> dict[str, Any]:
    try:
        command = json.loads(line)
    except ValueError as error:
        return _error(f"not JSON: {error}")
    if not isinstance(command, dict) or "execute" not in command:
        return _error("not a command: {\"execute\": NAME, \"arguments\": {...}} is expected")
    return qmp.execute(command)


def serve_guest(qmp: Qmp, port: socket.socket) -> None:
    """Answer the guest's commands until the VM ends."""
    try:
        with port.makefile("r", errors="replace") as lines:
            for line in lines:
                if line.strip():
                    port.sendall(json.dumps(_answer(qmp, line)).encode() + b"\n")
    except OSError:
        pass
