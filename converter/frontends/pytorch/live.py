"""Live modules: an object of the user's Python program, which no other process can make again.

A copy of the program exports it. The program itself answers verification's process, which asks for the module's
outputs through a local socket.
"""

from __future__ import annotations

import copy
import hmac
import json
import pickle
import secrets
import socket
import socketserver
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from converter.errors import BadParamError, SourceRunError
from converter.frontends.pytorch import isolated
from converter.frontends.pytorch.spec import ADDRESS, INPUTS, Exported, Spec

_KEY = 32
"""Bytes of the key in the conversion's folder: who cannot read it, is not listened to."""
_POLL = 1.0
"""Seconds between two looks whether the conversion still goes on."""


def export(module: Any, given: Any, spec: Spec, folder: Path) -> Exported:
    """Export a module of this process, and let it answer; it is not changed.

    Args:
        module: torch's module, or an exported program.
        given: example inputs: a tensor, several in order, or a dictionary by parameter of `forward`; None for none.
            Tuples, lists and dictionaries of tensors become one input for each tensor.
        spec: what the user says about the inputs.
        folder: of the conversion.
    """
    import torch

    from converter.frontends.pytorch.given_parts import in_parts
    from converter.frontends.pytorch.loading import Loaded, check_values, loaded_program, unwrapped

    if isinstance(module, torch.export.ExportedProgram):
        loaded = loaded_program(module)
    else:
        module = unwrapped(module)
        check_values(module, spec)
        if any(tensor.device.type != "cpu" for tensor in module.state_dict().values()):
            module = copy.deepcopy(module).cpu()
        module, tensors = in_parts(module, _by_name(module, given))
        loaded = Loaded(module, given=tensors)
    exported = isolated.export_copy(spec, folder, lambda: loaded)
    if given is not None:
        np.savez(folder / INPUTS, **{name: tensor.numpy() for name, tensor in loaded.given.items()})
    _serve(loaded, folder)
    return exported


def _by_name(module: Any, given: Any) -> dict[str, Any]:
    """Example inputs by parameter of `forward`."""
    from converter.frontends.pytorch.given_parts import signature_of

    if given is None:
        return {}
    if isinstance(given, Mapping):
        return dict(given)
    values = list(given) if isinstance(given, Sequence) else [given]
    try:
        return signature_of(module).bind(*values).arguments
    except TypeError as error:
        raise BadParamError(f"the inputs do not fit the module's forward: {error}.") from error


def _serve(loaded: Any, folder: Path) -> None:
    """Answer in a thread until the conversion's folder is gone."""
    from converter.frontends.pytorch.outputs import outputs_of

    key = secrets.token_bytes(_KEY)

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            if not hmac.compare_digest(self.rfile.read(_KEY), key):
                return
            try:
                answer: Any = outputs_of(loaded, pickle.load(self.rfile))
            except SourceRunError as error:
                answer = error.message
            pickle.dump(answer, self.wfile)

    def answer() -> None:
        with server:
            while folder.exists():
                server.handle_request()

    server = socketserver.TCPServer(("127.0.0.1", 0), Handler)
    server.timeout = _POLL
    port = server.server_address[1]
    (folder / ADDRESS).write_text(json.dumps({"port": port, "key": key.hex()}), encoding="utf-8")
    threading.Thread(target=answer, daemon=True).start()


def is_served(folder: Path) -> bool:
    """Whether a live module answers in this folder."""
    return (folder / ADDRESS).exists()


def ask(folder: Path, values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The outputs of a live module by name.

    Raises:
        SourceRunError: the module does not take these inputs.
    """
    address = json.loads((folder / ADDRESS).read_text(encoding="utf-8"))
    with socket.create_connection(("127.0.0.1", address["port"])) as connection, connection.makefile("rwb") as stream:
        stream.write(bytes.fromhex(address["key"]))
        pickle.dump(dict(values), stream)
        stream.flush()
        answer = pickle.load(stream)
    if isinstance(answer, str):
        raise SourceRunError(answer)
    return dict(answer)
