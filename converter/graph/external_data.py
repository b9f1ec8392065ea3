"""External data: tensors in files other than the model's, which are memory-mapped."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_ir as ir

from converter.graph.walk import all_graphs, all_nodes


class Mapped(ir.ExternalTensor):
    """A tensor in a file that is memory-mapped at every read, for the lifetime of the array.

    onnx_ir keeps its mappings: memory would grow with every weight that is read, and a process may have only some
    65,000 mappings. It also refuses symbolic links, which caches of models use; `check_external_data` has checked that
    no path itself leads out of the model's folder.
    """

    def numpy(self) -> np.ndarray:
        """The values, mapped."""
        path, shape = Path(self.path).absolute(), self.shape
        return ir.ExternalTensor(path, self.offset, self.length, self.dtype, shape=shape, name=self.name).numpy()

    def __array__(self, dtype: np.typing.DTypeLike = None) -> np.ndarray:
        return self.numpy().__array__(dtype)

    def tobytes(self) -> bytes:
        """The values' bytes, little-endian; packed types as in the file."""
        with Path(self.path).open("rb") as file:
            file.seek(self.offset or 0)
            return file.read(self.nbytes)


SMALL_TENSOR = 1024
"""Bytes of a tensor that is read at once: shapes and axes among them decide the shapes of values."""


def map_external_data(model: ir.Model, base_dir: Path) -> None:
    """Replace every external tensor of a model by a `Mapped` tensor of its file, relative to `base_dir`.

    Small ones are read: ONNX's shape inference does not follow a tensor to its file.
    """
    for graph in all_graphs(model):
        for value in graph.initializers.values():
            if isinstance(value.const_value, ir.ExternalTensor):
                value.const_value = _mapped(value.const_value, base_dir)
    for nodes in (model.graph, *model.functions.values()):
        for node in all_nodes(nodes):
            for name, attribute in node.attributes.data.items():
                if attribute.type == ir.AttributeType.TENSOR and isinstance(attribute.value, ir.ExternalTensor):
                    node.attributes[name] = ir.AttrTensor(name, _mapped(attribute.value, base_dir))


def _mapped(tensor: ir.ExternalTensor, base_dir: Path) -> ir.TensorProtocol:
    mapped = Mapped(
        tensor.location,
        tensor.offset,
        tensor.length,
        tensor.dtype,
        shape=tensor.shape,
        name=tensor.name,
        metadata_props=dict(tensor.metadata_props),
        base_dir=base_dir,
    )
    if mapped.nbytes > SMALL_TENSOR:
        return mapped
    values = np.array(mapped.numpy())
    return ir.Tensor(values, mapped.dtype, name=mapped.name, metadata_props=dict(mapped.metadata_props))
