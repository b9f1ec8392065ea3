"""External data: tensors that lie in files beside the model's own, and are never read as a whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_ir as ir

from converter.graph.walk import all_graphs, all_nodes


class Mapped(ir.ExternalTensor):
    """A tensor in a file that is mapped anew whenever somebody reads it, for as long as the array lives.

    onnx_ir keeps what it has mapped: memory would grow with every weight that is looked at, and a process may have
    some 65,000 mappings only. It also refuses links, which is how caches hold models; `check_external_data` has seen to
    it that no path leads out of the model's folder by itself.
    """

    def numpy(self) -> np.ndarray:
        """The values, mapped."""
        path, shape = Path(self.path).absolute(), self.shape
        return ir.ExternalTensor(path, self.offset, self.length, self.dtype, shape=shape, name=self.name).numpy()

    def __array__(self, dtype: np.typing.DTypeLike = None) -> np.ndarray:
        return self.numpy().__array__(dtype)

    def tobytes(self) -> bytes:
        """The values' bytes, little-endian; packed types as they lie in the file."""
        with Path(self.path).open("rb") as file:
            file.seek(self.offset or 0)
            return file.read(self.nbytes)


def map_external_data(model: ir.Model, base_dir: Path) -> None:
    """Let every tensor of a model that lies in another file, relative to `base_dir`, be mapped from there."""
    for graph in all_graphs(model):
        for value in graph.initializers.values():
            if isinstance(value.const_value, ir.ExternalTensor):
                value.const_value = _mapped(value.const_value, base_dir)
    for nodes in (model.graph, *model.functions.values()):
        for node in all_nodes(nodes):
            for name, attribute in node.attributes.data.items():
                if attribute.type == ir.AttributeType.TENSOR and isinstance(attribute.value, ir.ExternalTensor):
                    node.attributes[name] = ir.AttrTensor(name, _mapped(attribute.value, base_dir))


def _mapped(tensor: ir.ExternalTensor, base_dir: Path) -> Mapped:
    return Mapped(
        tensor.location,
        tensor.offset,
        tensor.length,
        tensor.dtype,
        shape=tensor.shape,
        name=tensor.name,
        metadata_props=dict(tensor.metadata_props),
        base_dir=base_dir,
    )
