# SPDX-License-Identifier: GPL-3.0-or-later
"""What somebody may do to a coordinator's port, and to an agent, with plain TCP sockets.

Each attack is a function (target, until, seeded random) that goes on until that monotonic time and
gives how many frames or connections it made. Nothing here knows a key but what `load_frames
--write` has put into files.
"""
import selectors
import socket
import struct
import threading
import time

SP_REQ = b"\0SP\0\0\x30\0\0"  # scalability protocols over TCP: a REQ says hello
SP_REP = b"\0SP\0\0\x31\0\0"
FRAME_MAX = 65536


def message(frame, request=0x80000001):
    """A frame as a REQ socket sends it: length, request id, bytes."""
    return struct.pack(">QI", len(frame) + 4, request) + frame


def connect(target, source=None):
    made = socket.create_connection(target, 5, (source, 0) if source else None)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


def read_frames(path):
    data, frames, at = path.read_bytes(), [], 0
    while at < len(data):
        n = int.from_bytes(data[at:at + 4], "little")
        frames.append(data[at + 4:at + 4 + n])
        at += 4 + n
    return frames


def blast(target, until, chunks, source=None):
    """Send the same chunks over and over, reading what comes back; a dropped connection is made
    again. Gives how many chunks went out."""
    sent = 0
    while time.monotonic() < until:
        try:
            with connect(target, source) as made:
                made.settimeout(0.2)
                made.sendall(SP_REQ)
                while time.monotonic() < until:
                    for chunk in chunks:
                        made.sendall(chunk)
                        sent += 1
                    made.setblocking(False)
                    try:
                        while made.recv(1 << 16):
                            pass
                    except BlockingIOError:
                        pass
                    made.settimeout(0.2)
        except OSError:
            time.sleep(0.002)
    return sent


def several(target, until, chunks, threads):
    counts = [0] * threads

    def one(number):
        counts[number] = blast(target, until, chunks)
    workers = [threading.Thread(target=one, args=(n,)) for n in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(counts)


def noise(target, until, random):
    """No scalability protocol at all: a web browser, noise, nothing."""
    made = 0
    while time.monotonic() < until:
        for data in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", random.randbytes(2000), b"", b"\0SP\0"):
            try:
                with connect(target) as one:
                    one.sendall(data)
            except OSError:
                pass
            made += 1
    return made


def other_protocols(target, until, random):
    """Each protocol of the family but the one that is served, and headers that are broken."""
    made = 0
    while time.monotonic() < until:
        for number in list(range(0, 128)) + [random.randrange(65536)]:
            try:
                with connect(target) as one:
                    one.sendall(b"\0SP\0" + struct.pack(">HH", number, random.randrange(3)) +
                                message(b"onyx"))
            except OSError:
                pass
            made += 1
    return made


def bad_requests(target, until, random):
    """Requests without an id, with an endless chain of ids, empty ones."""
    chunks = [struct.pack(">Q", 0), struct.pack(">Q", 1) + b"x", struct.pack(">Q", 3) + b"xyz",
              struct.pack(">QI", 4, 0x80000001), struct.pack(">QI", 4, 1),
              struct.pack(">Q", 4096) + struct.pack(">I", 1) * 1024,
              struct.pack(">Q", 60000) + b"\0" * 60000,
              message(b""), message(b"onyx"), message(random.randbytes(300))]
    return blast(target, until, chunks)


def giants(target, until, random):
    """Lengths beyond what is taken, up to the end of 64 bits."""
    sizes = [FRAME_MAX + 5, 1 << 20, 1 << 31, 1 << 32, (1 << 63) - 1, (1 << 64) - 1]
    made = 0
    while time.monotonic() < until:
        for size in sizes:
            try:
                with connect(target) as one:
                    one.sendall(SP_REQ + struct.pack(">Q", size) + random.randbytes(4096))
                    one.settimeout(0.05)
                    one.recv(100)
            except OSError:
                pass
            made += 1
    return made


def slow_peers(target, until, random, n=200):
    """Frames that come a byte at a time and never end."""
    peers = []
    for _ in range(n):
        one = connect(target, f"127.0.0.{random.randrange(2, 250)}")
        one.sendall(SP_REQ + struct.pack(">QI", 60000, 0x80000001) + b"onyx")
        one.setblocking(False)
        peers.append(one)
    sent = 0
    until = max(until, time.monotonic() + 0.5)
    while time.monotonic() < until:
        for one in peers:
            try:
                sent += one.send(b"x")
            except OSError:
                pass
        time.sleep(0.02)
    for one in peers:
        one.close()
    return sent


def cut_frames(target, until, random):
    """Frames announced and left unfinished."""
    made = 0
    while time.monotonic() < until:
        try:
            with connect(target) as one:
                one.sendall(SP_REQ + message(b"onyx" + random.randbytes(5000))[:random.randrange(5000)])
        except OSError:
            pass
        made += 1
    return made


def idle_crowd(target, until, random, n):
    """Connections that say nothing, as many as the coordinator has descriptors and more, from many
    addresses; those that are shut come again."""
    crowd, made = set(), 0
    watch = selectors.DefaultSelector()
    begun = time.monotonic()
    while time.monotonic() < max(until, begun + 1):
        while len(crowd) < n and time.monotonic() < max(until, begun + 1):
            try:
                one = connect(target, f"127.0.{random.randrange(1, 4)}.{random.randrange(2, 250)}")
            except OSError:
                break
            made += 1
            if random.randrange(2):
                one.sendall(SP_REQ)
            one.setblocking(False)
            crowd.add(one)
            watch.register(one, selectors.EVENT_READ)
            if made % 64 == 0:
                break
        for key, _ in watch.select(0.005):
            try:
                gone = key.fileobj.recv(100) == b""
            except BlockingIOError:
                gone = False
            except OSError:
                gone = True
            if gone:
                watch.unregister(key.fileobj)
                crowd.discard(key.fileobj)
                key.fileobj.close()
    for one in crowd:
        one.close()
    watch.close()
    return made


class Recorder:
    """Somebody on the way: passes bytes on between agents and the coordinator, keeps all of them."""

    def __init__(self, port, target):
        self.target = target
        self.up, self.down = [], []  # bytes of each connection
        self.listener = socket.create_server(("127.0.0.1", port))
        self.open, self.ended = [], False
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def accept(self):
        while True:
            try:
                one, _ = self.listener.accept()
            except OSError:
                return
            try:
                other = connect(self.target)
            except OSError:
                one.close()
                continue
            up, down = bytearray(), bytearray()
            self.up.append(up)
            self.down.append(down)
            self.open += [one, other]
            for here, there, kept in ((one, other, up), (other, one, down)):
                threading.Thread(target=self.pump, args=(here, there, kept), daemon=True).start()

    def pump(self, here, there, kept):
        try:
            while True:
                data = here.recv(1 << 16)
                if not data:
                    break
                kept += data
                there.sendall(data)
        except OSError:
            pass
        for one in (here, there):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def bytes(self):
        return b"\n".join(bytes(data) for data in self.up + self.down)

    def frames(self):
        """What agents said, frame by frame."""
        found = []
        for data in list(self.up):
            at = 8
            while at + 12 <= len(data):
                n = int.from_bytes(data[at:at + 8], "big")
                if at + 8 + n > len(data):
                    break
                found.append(bytes(data[at + 12:at + 8 + n]))
                at += 8 + n
        return found

    def close(self):
        self.listener.close()
        for one in self.open:
            one.close()


class Rogue:
    """A coordinator that is none: answers whatever an agent says with what is to be refused."""

    def __init__(self, port, answers):
        self.listener = socket.create_server(("127.0.0.1", port))
        self.answers, self.met = answers, 0
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                one, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.talk, args=(one,), daemon=True).start()

    def talk(self, one):
        with one:
            try:
                one.settimeout(5)
                one.sendall(SP_REP)
                heard = b""
                while len(heard) < 20:
                    more = one.recv(4096)
                    if not more:
                        return
                    heard += more
                request = heard[16:20]
                answer = self.answers[self.met % len(self.answers)]
                self.met += 1
                one.sendall(struct.pack(">Q", len(answer) + 4) + request + answer)
                one.recv(4096)
            except OSError:
                pass

    def close(self):
        self.listener.close()
