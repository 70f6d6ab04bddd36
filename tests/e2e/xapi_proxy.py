# SPDX-License-Identifier: GPL-3.0-or-later
"""A proxy in front of a host's XAPI socket, which answers as some real toolstacks do and the simulated pool does not.

    with Proxied(pool([vm("a")]), frame="chunked", tamper=function) as lab: lab.run()

frame: "plain", "chunked" (Transfer-Encoding), "old" (HTTP/1.0, until the connection ends), "close" (Connection: close),
"dying" (says keep-alive, and hangs up when the answer is out), "bare" (header lines without blanks, lower case).
tamper(method, result): gives the result to answer instead; of calls that succeeded alone. Data handlers go through as
they are.
"""
import copy
import json
import socket
import threading

from lab import Lab


class Exchange:
    """One connection of the product, and what it asked."""

    def __init__(self, proxy, connection):
        self.proxy = proxy
        self.connection = connection
        self.file = connection.makefile("rb")

    def request(self):
        """The bytes of the next request, its path and body; None at the end."""
        lines = [self.file.readline()]
        if not lines[0]:
            return None
        while lines[-1] not in (b"\r\n", b""):
            lines.append(self.file.readline())
        fields = {name.strip().lower(): value.strip()
                  for name, _, value in (line.decode().partition(":") for line in lines[1:])}
        body = self.file.read(int(fields.get("content-length", 0)))
        return lines[0].split()[1].decode(), b"".join(lines), body

    def upstream(self, head, body):
        """The whole answer's connection, with the request on its way."""
        upstream = socket.socket(socket.AF_UNIX)
        upstream.connect(self.proxy.behind)
        upstream.sendall(head.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1) + body)
        return upstream

    def pass_through(self, upstream):
        while True:
            data = upstream.recv(1 << 16)
            if not data:
                return
            self.connection.sendall(data)

    def answer(self, body):
        """True when the connection goes on."""
        frame = self.proxy.frame
        head = [b"HTTP/1.1 200 OK", b"content-type: application/json", b"cache-control: no-cache, no-store"]
        if frame == "chunked":
            head += [b"Transfer-Encoding: chunked"]
            parts = [body[at:at + 1000] for at in range(0, len(body), 1000)]
            body = b"".join(b"%x;odd=1\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\nA-Trailer: x\r\n\r\n"
        elif frame == "old":
            head[0] = b"HTTP/1.0 200 OK"
        elif frame == "bare":
            head = [b"HTTP/1.1 200", b"content-type:application/json", b"content-length:%d" % len(body)]
        else:
            head += [b"content-length: %d" % len(body),
                     b"Connection: close" if frame == "close" else b"connection: keep-alive"]
        self.connection.sendall(b"\r\n".join(head) + b"\r\n\r\n" + body)
        return frame not in ("old", "close", "dying")

    def tampered(self, body, reply):
        """The answer's body, when it is a result, as the test wants it."""
        call, text = json.loads(body), reply.partition(b"\r\n\r\n")[2]
        answer = json.loads(text)
        self.proxy.calls.append(call["method"])
        if "result" in answer and self.proxy.tamper:
            text = self.proxy.tamper(call["method"], answer["result"])
            text = text if isinstance(text, bytes) else json.dumps(dict(answer, result=text)).encode()
        return text

    def run(self):
        with self.connection:
            while True:
                asked = self.request()
                if not asked:
                    return
                path, head, body = asked
                with self.upstream(head, body) as upstream:
                    if path != "/jsonrpc":
                        self.pass_through(upstream)
                        return
                    reply = b""
                    while True:
                        data = upstream.recv(1 << 20)
                        if not data:
                            break
                        reply += data
                if not reply or not self.answer(self.tampered(body, reply)):
                    return


class Proxy:
    """Listens beside the socket it stands for."""

    def __init__(self, behind, frame, tamper):
        self.behind, self.frame, self.tamper, self.calls = behind, frame, tamper, []
        self.path = behind + ".p"
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(64)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        try:
            Exchange(self, connection).run()
        except OSError:
            pass  # either side may leave

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


class Proxied(Lab):
    """A lab whose agents and coordinator see every host through a proxy."""

    def __init__(self, pool_file, frame="plain", tamper=None):
        self.proxies = {}
        super().__init__(pool_file, agents=False)
        self.set(lease_renew="20s", backoff="10ms")  # we are no fast toolstack
        self.hosts = copy.deepcopy(self.hosts)
        for name, host in self.hosts.items():
            self.proxies[name] = Proxy(host["socket"], frame, tamper)
            host["socket"] = self.proxies[name].path
        for name in self.hosts:
            self.start_agent(name)

    def calls(self):
        return [call for proxy in self.proxies.values() for call in proxy.calls]

    def close(self, failed=False):
        super().close(failed)
        for proxy in self.proxies.values():
            proxy.close()
