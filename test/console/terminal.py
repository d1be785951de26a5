"""Runs a program in a terminal of its own: terminal.py ROWS COLUMNS PROGRAM ARG...

What the program writes comes out as it is. Orders come in, a JSON object a line: {"keys": "..."} presses them,
{"size": [30, 100]} resizes, {"hold": true} stops reading, as a line that is held would. Ends with the program, and with
its exit code.
"""

import fcntl
import json
import os
import pty
import select
import struct
import sys
import termios

rows, columns = int(sys.argv[1]), int(sys.argv[2])


def resize(fd, rows, columns):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


pid, fd = pty.fork()
if pid == 0:
    resize(0, rows, columns)
    os.execv(sys.argv[3], sys.argv[3:])
hold = False
orders = b""
while True:
    readable, _, _ = select.select([0] if hold else [0, fd], [], [])
    if fd in readable:
        try:
            octets = os.read(fd, 65536)
        except OSError:
            octets = b""
        if not octets:
            break
        os.write(1, octets)
    if 0 in readable:
        octets = os.read(0, 65536)
        if not octets:
            os.close(fd)
            break
        *lines, orders = (orders + octets).split(b"\n")
        for line in lines:
            order = json.loads(line)
            if "keys" in order:
                os.write(fd, order["keys"].encode("latin-1"))
            elif "size" in order:
                resize(fd, *order["size"])
            else:
                hold = order["hold"]
_, status = os.waitpid(pid, 0)
sys.exit(os.waitstatus_to_exitcode(status) & 255)
