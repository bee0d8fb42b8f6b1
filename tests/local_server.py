"""A server of files on this machine, which breaks off, refuses and resumes as a test asks."""

import http.server
import re
import threading
from contextlib import contextmanager


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        server.requests.append(self.headers.get("Range"))
        content = server.content
        start = 0
        asked = re.match(r"bytes=(\d+)-", self.headers.get("Range") or "")
        if server.status:
            self.send_error(server.status)
            return
        same = self.headers.get("If-Range") in {None, server.etag}
        if asked and server.ranges and same:
            start = int(asked[1])
            if start >= len(content):
                self.send_error(416)
                return
            self.send_response(206)
        else:
            self.send_response(200)
        if server.etag:
            self.send_header("ETag", server.etag)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        cut = server.cuts.pop(0) if server.cuts else len(content)
        self.wfile.write(content[start : start + cut])

    def log_message(self, *_):
        pass


@contextmanager
def serving(content):
    """Yield a running server; its attributes say what it does with the next requests.

    ``content``: bytes of its one file; ``cuts``: after how many bytes connections break;
    ``ranges``: whether it resumes; ``status``: of its refusal; ``etag``: of the file;
    ``requests``: the Range headers that came.
    """
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.content = content
        running.requests, running.cuts, running.ranges, running.status = [], [], True, None
        running.etag = None
        running.url = f"http://127.0.0.1:{running.server_port}/w.pth"
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield running
        finally:
            running.shutdown()
            thread.join()
