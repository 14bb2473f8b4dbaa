"""A function that never answers. While it loads, which its time-out does not cover, it says to the test who it is; what it
leaves behind there holds the connection as well.
"""

import os
import signal
import socket

door = socket.create_connection(("127.0.0.1", int(os.environ["DOOR"])))
if os.fork() == 0:
    signal.pause()
door.sendall(b"%d\n" % os.getpid())


def handler(event, context):
    signal.pause()
