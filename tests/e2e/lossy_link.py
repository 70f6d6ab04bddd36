#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bad cable: frames between two interfaces come late, out of order, twice, or not at all.

lossy_link.py ONE OTHER --delay-ms 120 --jitter-ms 40 --loss 0.08 --duplicate 0.03 --seed 1

Runs until it is killed; what it did is said at SIGTERM, as JSON. Each frame's delay is drawn alone,
so a jitter makes frames overtake each other. Frames travel with their virtio_net_hdr: the two ends
leave checksums and the cutting of long segments to the interface, as to a real one.
Source: packet(7); linux/if_packet.h (PACKET_VNET_HDR).
"""
import argparse
import errno
import heapq
import json
import random
import select
import signal
import socket
import sys
import time

ETH_P_ALL = 0x0003
SOL_PACKET, PACKET_VNET_HDR = 263, 15
FRAME_MAX = 1 << 17
SENDS = socket.PACKET_OUTGOING


def cable_end(interface):
    end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    end.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
    end.bind((interface, ETH_P_ALL))
    end.setblocking(False)
    return end


class Cable:
    def __init__(self, given):
        self.given, self.random = given, random.Random(given.seed)
        self.ends = [cable_end(given.one), cable_end(given.other)]
        self.late = []  # (when, number, end to send from, frame)
        self.counts = {"frames": 0, "lost": 0, "doubled": 0, "overtaken": 0}
        self.newest = {end: 0.0 for end in self.ends}

    def take(self, end):
        """Frames that stand at one end are drawn a fate."""
        other = self.ends[1 - self.ends.index(end)]
        while True:
            try:
                frame, (_, _, kind, *_) = end.recvfrom(FRAME_MAX)
            except BlockingIOError:
                return
            if kind == SENDS:
                continue
            self.counts["frames"] += 1
            if self.random.random() < self.given.loss:
                self.counts["lost"] += 1
                continue
            is_doubled = self.random.random() < self.given.duplicate
            self.counts["doubled"] += is_doubled
            for _ in range(1 + is_doubled):
                self.put(other, frame)

    def put(self, end, frame):
        jitter = self.random.uniform(-self.given.jitter_ms, self.given.jitter_ms)
        due = time.monotonic() + max(0.0, self.given.delay_ms + jitter) / 1000
        self.counts["overtaken"] += due < self.newest[end]
        self.newest[end] = max(due, self.newest[end])
        heapq.heappush(self.late, (due, self.counts["frames"], id(frame), end, frame))

    def give(self):
        """Frames whose time has come go; the wait for the next one, None: there is none."""
        while self.late:
            wait = self.late[0][0] - time.monotonic()
            if wait > 0:
                return wait
            *_, end, frame = heapq.heappop(self.late)
            try:
                end.send(frame)
            except OSError as error:  # the host is gone, or its queue full: lost, as on a cable
                if error.errno not in (errno.ENETDOWN, errno.ENXIO, errno.ENOBUFS, errno.EAGAIN):
                    raise
                self.counts["lost"] += 1
        return None

    def run(self):
        while True:
            ready, _, _ = select.select(self.ends, [], [], self.give())
            for end in ready:
                self.take(end)


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("one")
    parser.add_argument("other")
    for name, default in (("delay-ms", 0.0), ("jitter-ms", 0.0), ("loss", 0.0), ("duplicate", 0.0)):
        parser.add_argument(f"--{name}", type=float, default=default)
    parser.add_argument("--seed", type=int, default=1)
    cable = Cable(parser.parse_args())

    def end(*_):
        print(json.dumps(cable.counts), flush=True)
        sys.exit(0)
    signal.signal(signal.SIGTERM, end)
    print("ready", flush=True)
    cable.run()


if __name__ == "__main__":
    main()
