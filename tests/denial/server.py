# A server of the host's for the labelled set: HTTP on a port of its own, and a unix socket. Ends with
# its input. server.py DIRECTORY
import http.server
import os
import socket
import sys
import threading


class Quiet(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"page\n")

    def log_message(self, *_):
        pass


directory = sys.argv[1]
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
local = socket.socket(socket.AF_UNIX)
local.bind(directory + "/sock")
os.chmod(directory + "/sock", 0o777)
local.listen(64)
threading.Thread(target=server.serve_forever, daemon=True).start()
with open(directory + "/port.new", "w") as file:
    file.write(str(server.server_address[1]))
os.rename(directory + "/port.new", directory + "/port")
sys.stdin.read()
