"""Runs the notebook: with nbconvert's arguments, top to bottom; with `--orders NOTEBOOK`, in other orders.

nbclient sends the state of output widgets to the kernel while it waits for the kernel's answer on the same socket. ZeroMQ signals
new messages only once, and sending may take this signal (`ZMQ_FD` in zmq_getsockopt(3)), so an answer that arrives at that moment
is noticed only when the time for the cell is over. Here the socket is looked at twice a second.
"""

import copy
import sys
import time
from queue import Empty

import nbformat
from jupyter_client.channels import AsyncZMQSocketChannel
from nbclient import NotebookClient
from nbconvert import nbconvertapp

# How often the socket is looked at, and how long a cell may take, in seconds.
INTERVAL = 0.5
TIMEOUT = 120

# The first cells with code, which all others need.
SETUP = 3

get_msg_once = AsyncZMQSocketChannel.get_msg


async def get_msg(channel, timeout=None):
    """Waits for a message, for `timeout` seconds or forever."""
    deadline = None if timeout is None else time.monotonic() + timeout
    while True:
        left = INTERVAL if deadline is None else deadline - time.monotonic()
        try:
            return await get_msg_once(channel, timeout=max(0, min(INTERVAL, left)))
        except Empty:
            if left <= 0:
                raise


AsyncZMQSocketChannel.get_msg = get_msg


def run(cells, **options):
    """Runs cells in a new kernel, and returns them with their outputs."""
    notebook = nbformat.v4.new_notebook(cells=copy.deepcopy(cells))
    NotebookClient(notebook, timeout=TIMEOUT, kernel_name="python3", **options).execute()
    return notebook.cells


def run_in_other_orders(path):
    """Runs the cells after the setup backwards, and then without the setup, where every error has to say what is missing."""
    notebook = nbformat.read(path, as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for cell in cells:
        del cell["id"]
    run(cells[:SETUP] + cells[:SETUP - 1:-1])
    for cell in run(cells[1:2] + cells[SETUP:], allow_errors=True):
        errors = [output for output in cell.outputs if output.output_type == "error"]
        told = ["Run the" in line for error in errors for line in error.traceback]
        assert any(told), f"this cell does not say what to run before it:\n{cell.source}"


if __name__ == "__main__":
    if sys.argv[1:2] == ["--orders"]:
        run_in_other_orders(sys.argv[2])
    else:
        sys.exit(nbconvertapp.main())
