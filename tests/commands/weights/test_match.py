"""Match: networks of one's own with the weights of other frameworks compute what the source computes."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import mindspore as ms
import numpy as np
import pytest
from commands.weights import my_networks
from commands.weights.my_networks import LeNet5, ResNet, Tagger, Twins

from converter.commands.weights.command import main
from converter.errors import BadParamError, ModelLoadingError, WeightMatchError

HERE = "commands.weights.my_networks"
RANDOM = np.random.default_rng(0)
IMAGE = RANDOM.normal(size=(2, 1, 28, 28)).astype(np.float32)


def run(network, checkpoint: Path, x: np.ndarray) -> np.ndarray:
    """The output of a network with the parameters of a checkpoint, which must be all of its parameters."""
    parameters = ms.load_checkpoint(str(checkpoint), format=checkpoint.suffix[1:])
    missing = ms.load_param_into_net(network, parameters, strict_load=True)
    assert missing == ([], [])
    network.set_train(False)
    return network(ms.Tensor(x)).asnumpy()


def match(source: Path, network: str, output: Path, *options: str) -> int:
    return main(["match", "--source", str(source), "--network", f"{HERE}:{network}", "--output", str(output), *options])


# LeNet5 of three frameworks


def lenet_of_keras(folder: Path) -> tuple[Path, np.ndarray]:
    keras = pytest.importorskip("keras", reason="needs Keras, which is optional")
    layers = keras.layers
    network = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(6, 5, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(16, 5, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(120, activation="relu", name="hidden"),
            layers.Dense(84, activation="relu", name="more"),
            layers.Dense(10, name="scores"),
        ]
    )
    network.save(folder / "lenet.keras")
    return folder / "lenet.keras", np.asarray(network(IMAGE.transpose(0, 2, 3, 1)))


def lenet_of_tensorflow(folder: Path) -> tuple[Path, np.ndarray]:
    tf = pytest.importorskip("tensorflow", reason="needs TensorFlow, which is optional")
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        x = tf.constant(IMAGE.transpose(0, 2, 3, 1))

        def weights(*shape: int) -> list:
            return [tf.Variable(tf.random.normal(some, stddev=0.1, seed=1)) for some in (shape, shape[-1:])]

        for shape in ((5, 5, 1, 6), (5, 5, 6, 16)):
            kernel, bias = weights(*shape)
            x = tf.nn.max_pool2d(tf.nn.relu(tf.nn.conv2d(x, kernel, 1, "VALID") + bias), 2, 2, "VALID")
        x = tf.reshape(x, [-1, 256])
        for shape in ((256, 120), (120, 84), (84, 10)):
            kernel, bias = weights(*shape)
            x = tf.matmul(x if shape[0] == 256 else tf.nn.relu(x), kernel) + bias
        v1.train.AdamOptimizer().minimize(tf.reduce_sum(x))  # its slots are in the checkpoint, too
        session.run(v1.global_variables_initializer())
        v1.train.Saver().save(session, str(folder / "lenet"), 100)
        return folder / "lenet-100", session.run(x)


def lenet_of_torch(folder: Path) -> tuple[Path, np.ndarray]:
    torch = pytest.importorskip("torch", reason="needs torch, which is optional")
    nn = torch.nn
    features = nn.Sequential(nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2))
    features.extend([nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()])
    classifier = nn.Sequential(nn.Linear(256, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10))
    network = nn.ModuleDict({"features": features, "classifier": classifier})
    torch.save({"epoch": 1, "state_dict": nn.DataParallel(network).state_dict()}, folder / "lenet.pth")
    return folder / "lenet.pth", classifier(features(torch.tensor(IMAGE))).detach().numpy()


@pytest.mark.parametrize("suffix", [".ckpt", ".safetensors"])
@pytest.mark.parametrize("write", [lenet_of_torch, lenet_of_tensorflow, lenet_of_keras])
def test_a_lenet(tmp_path, capfd, write, suffix):
    source, want = write(tmp_path)
    capfd.readouterr()
    assert match(source, "LeNet5", tmp_path / "out" / f"net{suffix}") == 0
    out, err = capfd.readouterr()
    assert err == ""
    np.testing.assert_allclose(run(LeNet5(), tmp_path / "out" / f"net{suffix}", IMAGE), want, atol=1e-5)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "mapping_of_net.toml",
        f"net{suffix}",
        "weight_map_of_net.json",
    ]
    assert re.search(r"^conv2\.weight +16, 6, 5, 5 +float32 +Conv2d$", out, re.MULTILINE)
    assert re.search(r"^fc1\.weight +\S+.* (certain|likely) ", out, re.MULTILINE)


def test_newer_weights_of_the_same_source(tmp_path):
    source, want = lenet_of_torch(tmp_path)
    match(source, "LeNet5", tmp_path / "first.ckpt")
    source, want = lenet_of_torch(tmp_path)
    options = [
        "--weight_map",
        tmp_path / "weight_map_of_first.json",
        "--source",
        source,
        "--output",
        tmp_path / "n.ckpt",
    ]
    (tmp_path / "names.txt").write_text(r"state_dict\.module\.(.*) -> \1")
    assert main(["remap", *map(str, options), "--rename", str(tmp_path / "names.txt")]) == 0
    np.testing.assert_allclose(run(LeNet5(), tmp_path / "n.ckpt", IMAGE), want, atol=1e-5)


# Other networks


def resnet_of_torch(folder: Path, x: np.ndarray) -> tuple[Path, np.ndarray]:
    torch = pytest.importorskip("torch", reason="needs torch, which is optional")
    nn = torch.nn

    class BasicBlock(nn.Module):
        def __init__(self, inputs: int, width: int) -> None:
            super().__init__()
            stride = 1 if inputs == width else 2
            self.conv1 = nn.Conv2d(inputs, width, 3, stride, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(width)
            self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(width)
            conv = nn.Conv2d(inputs, width, 1, stride, bias=False)
            self.downsample = nn.Sequential(conv, nn.BatchNorm2d(width)) if stride > 1 else None

        def forward(self, x):
            y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
            return torch.relu(y + (x if self.downsample is None else self.downsample(x)))

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(3, 4, 7, 2, 3, bias=False)
            self.bn1 = nn.BatchNorm2d(4)
            for stage, width in enumerate((4, 8, 16, 32), start=1):
                first = BasicBlock(max(width // 2, 4), width)
                self.add_module(f"layer{stage}", nn.Sequential(first, BasicBlock(width, width)))
            self.fc = nn.Linear(32, 10)

        def forward(self, x):
            x = torch.relu(self.bn1(self.conv1(x)))
            x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
            return self.fc(x.mean((2, 3)))

    torch.manual_seed(0)
    network = Network().train()
    for _ in range(3):
        network(torch.randn(4, 3, 32, 32))  # statistics of their own
    torch.save(network.state_dict(), folder / "net.pth")
    return folder / "net.pth", network.eval()(torch.tensor(x)).detach().numpy()


def test_a_resnet(tmp_path):
    """The blocks of the source are in stages, those of the network are not: where no name decides, the order does."""
    x = RANDOM.normal(size=(1, 3, 32, 32)).astype(np.float32)
    source, want = resnet_of_torch(tmp_path, x)
    mapping, output = tmp_path / "net.toml", tmp_path / "net.ckpt"
    status = match(source, "ResNet", output, "--mapping", str(mapping))
    if status == 1:
        text = mapping.read_text()
        assert '"?' in text
        mapping.write_text(text.replace('"?', '"'))
        assert match(source, "ResNet", output, "--mapping", str(mapping)) == 0
    np.testing.assert_allclose(run(ResNet(), output, x), want, atol=1e-4)


def tagger_of_torch(folder: Path, x: np.ndarray) -> tuple[Path, np.ndarray]:
    torch = pytest.importorskip("torch", reason="needs torch, which is optional")
    emb, rnn = torch.nn.Embedding(50, 8), torch.nn.LSTM(8, 6, batch_first=True, bidirectional=True)
    hidden2tag = torch.nn.Linear(12, 5)
    network = torch.nn.ModuleDict({"word_embeddings": emb, "lstm": rnn, "hidden2tag": hidden2tag})
    torch.save(network.state_dict(), folder / "tagger.pth")
    return folder / "tagger.pth", hidden2tag(rnn(emb(torch.tensor(x)))[0]).detach().numpy()


def tagger_of_keras(folder: Path, x: np.ndarray) -> tuple[Path, np.ndarray]:
    keras = pytest.importorskip("keras", reason="needs Keras, which is optional")
    layers = keras.layers
    lstm = layers.Bidirectional(layers.LSTM(6, return_sequences=True, bias_initializer="uniform"))
    network = keras.Sequential([keras.Input((4,)), layers.Embedding(50, 8), lstm, layers.Dense(5)])
    network.save_weights(folder / "tagger.weights.h5")
    return folder / "tagger.weights.h5", np.asarray(network(x))


@pytest.mark.parametrize("write", [tagger_of_torch, tagger_of_keras])
def test_a_tagger(tmp_path, write):
    x = RANDOM.integers(0, 50, (2, 4))
    source, want = write(tmp_path, x)
    assert match(source, "Tagger", tmp_path / "net.ckpt") == 0
    np.testing.assert_allclose(run(Tagger(), tmp_path / "net.ckpt", x), want, atol=1e-5)


# What is open


@pytest.fixture
def twins(tmp_path, monkeypatch):
    """`net.npz`, whose names say nothing."""
    monkeypatch.chdir(tmp_path)
    arrays = {
        f"{name}.{leaf}": RANDOM.normal(size=(4, 4)[:rank]).astype(np.float32)
        for name in ("p", "q")
        for leaf, rank in (("weight", 2), ("bias", 1))
    }
    np.savez("net.npz", **arrays)
    return arrays


def test_nothing_is_guessed_silently(twins, tmp_path, capfd):
    assert match("net.npz", "Twins", "net.ckpt") == WeightMatchError.exit_status == 1
    out, err = capfd.readouterr()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mapping_of_net.toml", "net.npz"]
    assert re.search(r"^Ambiguous  4 of 4 parameters$", out, re.MULTILINE)
    first, *rest = err.splitlines()
    assert first.startswith(
        "[WeightMatchError] code: 5000000, msg: 4 of 4 parameters of 'commands.weights.my_networks:"
    )
    assert first.endswith("Edit 'mapping_of_net.toml', and add --mapping mapping_of_net.toml.")
    assert rest[0].startswith("  a.weight (4, 4): ambiguous: ")
    assert rest[0].endswith(": p.weight; or q.weight")


def test_an_edited_mapping_is_not_written_over(twins, capfd):
    Path("mapping_of_net.toml").write_text("# mine")
    assert match("net.npz", "Twins", "net.ckpt") == 1
    assert Path("mapping_of_net.toml").read_text() == "# mine"
    assert "add --mapping mapping_of_net.toml." in capfd.readouterr().err


def test_what_does_not_fit_leaves_nothing(twins, tmp_path, capfd):
    np.savez("other.npz", **{"p.weight": np.ones((4, 5)), "p.bias": np.ones(4)})
    before = set(tmp_path.iterdir())
    assert match("other.npz", "Twins", "out/net.ckpt") == 1
    assert set(tmp_path.iterdir()) == before
    err = capfd.readouterr().err
    assert "Add --mapping out/mapping_of_net.toml" in err
    assert "  a.weight (4, 4): missing: no tensor that is left has its shape and its role" in err


def test_an_edited_mapping(twins, tmp_path, capfd):
    assert match("net.npz", "Twins", "net.ckpt", "--mapping", "net.toml") == 1
    assert not Path("net.ckpt").exists()
    text = Path("net.toml").read_text()
    assert tomllib.loads(text)["a.weight"] == "?p.weight"
    assert match("net.npz", "Twins", "net.ckpt", "--mapping", "net.toml") == 1  # the guesses are still guesses
    assert Path("net.toml").read_text() == text
    assert "Edit 'net.toml'" in capfd.readouterr().err

    swapped = text.replace('"?p.', '"X.').replace('"?q.', '"p.').replace('"X.', '"q.')
    edited = swapped.replace('"q.weight"', '"q.weight | transpose(1, 0)"  # as in (in, out)')
    Path("net.toml").write_text("# swapped\n" + edited)
    assert match("net.npz", "Twins", "net.ckpt", "--mapping", "net.toml") == 0
    parameters = ms.load_checkpoint("net.ckpt")
    np.testing.assert_array_equal(parameters["a.weight"].asnumpy(), twins["q.weight"].T)
    np.testing.assert_array_equal(parameters["b.bias"].asnumpy(), twins["p.bias"])
    (entry,) = [
        each
        for each in json.loads(Path("weight_map_of_net.json").read_text())["net"]
        if each["converted_weight"]["name"] == "a.weight"
    ]
    assert entry["transform"] == [{"op": "transpose", "perm": [1, 0]}]


def test_a_part_of_the_network(twins, capfd):
    Path("net.toml").write_text('"a.weight" = "p.weight"\n"b.weight" = "?q.weight"\n"b.bias" = ""')
    assert match("net.npz", "Twins", "net.ckpt", "--mapping", "net.toml", "--partial") == 0
    out = capfd.readouterr().out
    assert "Left out   a.bias, b.weight, b.bias\n" in out
    assert "Not used   2 tensors: p.bias, q.bias\n" in out  # q.weight is only a guess
    assert list(ms.load_checkpoint("net.ckpt")) == ["a.weight"]


def test_as_json(twins, capfd):
    assert match("net.npz", "Twins", "net.ckpt", "--json") == 1
    found = json.loads(capfd.readouterr().out)
    assert (found["kind"], found["files"]) == ("NumPy archive", ["mapping_of_net.toml"])
    assert found["network"][0] == {"name": "a.weight", "shape": [4, 4], "data_type": "float32", "layer": "Dense"}
    assert {each["confidence"] for each in found["mapping"]} == {"ambiguous"}


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('"c.weight" = "p.weight"', r"c\.weight: the network has no such parameter"),
        ('"a.weight" = "r.weight"', r"a\.weight: the source has no 'r\.weight'"),
        ('"a.weight" = "p.bias"', r"a\.weight: it makes \(4\), the parameter is \(4, 4\)"),
        ('"a.weight" = "p.weight | flip(1)"', r"a\.weight: 'flip\(1\)' does not fit \(4, 4\): the steps are"),
        ('"a.weight" = "p.weight | reshape(3, 5)"', r"a\.weight: 'reshape\(3, 5\)' does not fit"),
        ('"a.weight" = "p.weight | slice(0, 2, 9)"', r"a\.weight: 'slice\(0, 2, 9\)' does not fit"),
        ('"a.weight" = ["p.weight", "q.weight"]', r"a\.weight: it makes \(8, 4\)"),
        ('"a.weight" = 3', r"a\.weight: it must be a text"),
    ],
)
def test_a_mapping_that_does_not_fit(twins, tmp_path, capfd, line, problem):
    Path("net.toml").write_text(line)
    before = set(tmp_path.iterdir())
    assert match("net.npz", "Twins", "net.ckpt", "--mapping", "net.toml") == 1
    first, *rest = capfd.readouterr().err.splitlines()
    assert first.startswith("[WeightMatchError]")
    assert any(re.search(problem, each) for each in rest)
    assert set(tmp_path.iterdir()) == before


def test_a_parameter_of_several_tensors(twins):
    parts = '["q.weight | slice(0, 0, 1)", "p.weight | slice(0, 1, 4)"]'
    Path("net.toml").write_text(f'"a.weight" = {parts}\n"a.bias" = ""')
    assert match("net.npz", "Twins", "net.ckpt", "--mapping", "net.toml", "--partial") == 0
    want = np.concatenate([twins["q.weight"][:1], twins["p.weight"][1:]])
    np.testing.assert_array_equal(ms.load_checkpoint("net.ckpt")["a.weight"].asnumpy(), want)
    again = ["remap", "--weight_map", "weight_map_of_net.json", "--source", "net.npz", "--output", "again.ckpt"]
    assert main(again) == 0
    assert Path("again.ckpt").read_bytes() == Path("net.ckpt").read_bytes()


def test_another_type_is_cast(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez(
        "net.npz", **{f"{n}.{leaf}": np.ones((4, 4)[:r]) for n in "ab" for leaf, r in (("weight", 2), ("bias", 1))}
    )
    match("net.npz", "Twins", "net.ckpt", "--mapping", "net.toml")
    Path("net.toml").write_text(Path("net.toml").read_text().replace('"?', '"'))
    assert match("net.npz", "Twins", "net.ckpt", "--mapping", "net.toml") == 0
    assert {str(each.dtype) for each in ms.load_checkpoint("net.ckpt").values()} == {"Float32"}


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (["--network", f"{HERE}:NoNet"], BadParamError, "has no 'NoNet'"),
        (["--network", "no_module:Net"], BadParamError, "there is no module 'no_module'"),
        (["--network", f"{HERE}:broken"], ModelLoadingError, r"raises ValueError: no weights today \(my_networks.py"),
        (["--network", f"{HERE}:NOT_A_NETWORK"], BadParamError, r"makes a int, no mindspore\.nn\.Cell"),
        (["--network", f"{HERE}:LeNet5(classes=f())"], BadParamError, "no literal"),
        (["--source", "missing.pth"], ModelLoadingError, "No such file"),
        (["--output", "net.npz"], BadParamError, "names no format"),
        (["--mapping", "net.npz"], BadParamError, "is no mapping"),
    ],
)
def test_wrong_options(twins, tmp_path, capfd, arguments, error, message):
    before = set(tmp_path.iterdir())
    given = {"--source": "net.npz", "--network": f"{HERE}:Twins", "--output": "net.ckpt"} | {arguments[0]: arguments[1]}
    assert main(["match", *(text for pair in given.items() for text in pair)]) == 1
    err = capfd.readouterr().err
    assert err.startswith(f"[{error.__name__}]")
    assert re.search(message, err)
    assert set(tmp_path.iterdir()) == before


def test_a_folder_of_modules(twins, tmp_path, capfd):
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "mine.py").write_text(Path(my_networks.__file__).read_text())
    options = ["--source", "net.npz", "--network", "mine:Twins", "--output", "net.ckpt"]
    assert main(["match", *options]) == 1
    assert "--project_path" in capfd.readouterr().err
    assert main(["match", *options, "--project_path", "code"]) == 1
    assert "4 of 4 parameters of 'mine:Twins' are open" in capfd.readouterr().err
    assert Twins.__name__ == "Twins"
