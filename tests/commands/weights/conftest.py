"""Networks that several tests translate, once for all."""

from __future__ import annotations

from pathlib import Path

import pytest

from converter import convert


@pytest.fixture(scope="session")
def exported(tmp_path_factory):
    """A network of torch's and what became of it: (network, state dict, weight map, checkpoint)."""
    torch = pytest.importorskip("torch", reason="needs torch, which is optional")

    class Network(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = torch.nn.Conv1d(3, 8, 3)
            self.norm = torch.nn.BatchNorm1d(8)
            self.lstm = torch.nn.LSTM(8, 7, batch_first=True)
            self.fc = torch.nn.Linear(7, 7)

        def forward(self, x):
            return self.fc(self.lstm(self.norm(self.conv(x)).transpose(1, 2))[0])

    folder = tmp_path_factory.mktemp("torch")
    network = Network().eval()
    torch.onnx.export(network, (torch.zeros(1, 3, 9),), folder / "net.onnx", dynamo=True, optimize=False, verbose=False)
    torch.save(network.state_dict(), folder / "net.pth")
    convert(folder / "net.onnx", output=folder, verify=False)
    return network, folder / "net.pth", folder / "weight_map_of_net.json", folder / "net.ckpt"


@pytest.fixture(scope="session")
def frozen(tmp_path_factory):
    """A graph of TensorFlow 1 and what became of it: (values of the variables, weight map, checkpoint)."""
    tf = pytest.importorskip("tensorflow", reason="needs TensorFlow, which is optional")
    v1 = tf.compat.v1
    folder: Path = tmp_path_factory.mktemp("tensorflow")
    with tf.Graph().as_default() as graph, v1.Session() as session:
        x = v1.placeholder(tf.float32, [1, 8, 8, 3], "x")
        variables = {
            name: v1.get_variable(name, shape)
            for name, shape in {
                "conv/kernel": (3, 3, 3, 4),
                "conv/bias": (4,),
                "depthwise/kernel": (3, 3, 4, 2),
                "dense/kernel": (8, 5),
                "dense/bias": (5,),
            }.items()
        }
        y = tf.nn.relu(tf.nn.conv2d(x, variables["conv/kernel"], 1, "SAME") + variables["conv/bias"])
        y = tf.nn.depthwise_conv2d(y, variables["depthwise/kernel"], [1, 1, 1, 1], "SAME")
        y = tf.matmul(tf.reduce_mean(y, [1, 2]), variables["dense/kernel"])
        tf.add(y, variables["dense/bias"], name="y")
        session.run(v1.global_variables_initializer())
        values = session.run(variables)
        graph_def = v1.graph_util.convert_variables_to_constants(session, graph.as_graph_def(), ["y"])
        (folder / "net.pb").write_bytes(graph_def.SerializeToString())
    convert(folder / "net.pb", output=folder, verify=False, input_nodes=["x:0"], output_nodes=["y:0"])
    return values, folder / "weight_map_of_net.json", folder / "net.ckpt"
