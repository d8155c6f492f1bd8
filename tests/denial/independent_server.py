"""A server of the host's, by TCP and by a socket with a name: independent_server.py DIRECTORY."""
import http.server
import os
import socketserver
import sys
import threading

PAGES = {"/": b"hello\n", "/version": b"1.2.3", "/data.json": b'{"name": "x"}', "/ping": b"pong"}


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        page = PAGES.get(self.path)
        self.send_response(200 if page else 404)
        page = page or b"no\n"
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_):
        pass

    def address_string(self):
        return "x"


class Named(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True


directory = sys.argv[1]
named = Named(directory + "/s.sock", Handler)
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
for one in (named, server):
    threading.Thread(target=one.serve_forever, daemon=True).start()
with open(directory + "/port.new", "w") as file:
    file.write(str(server.server_address[1]))
os.rename(directory + "/port.new", directory + "/port")
sys.stdin.read()  # until the test has ended
