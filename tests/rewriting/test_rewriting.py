"""Rewriting of a file: what changes, and that nothing else does."""

from __future__ import annotations

import ast

import pytest
from rewriting.conversion import converted, project

HEAD = "import torch\nimport torch.nn as nn\nimport torch.nn.functional as F\nfrom torch import Tensor\n"
FORWARD = HEAD + "class Net(nn.Module):\n    def forward(self, x, y, n: int):\n        {}\n"


def statement(tmp_path, text: str, **options) -> str:
    """What a statement of `forward` becomes."""
    result = converted(tmp_path, FORWARD.format(text), **options).text
    return result[result.index("n: int):") + len("n: int):") :].strip()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("x = x.transpose(1, 2)", "x = x.swapaxes(1, 2)"),
        ("x = x.max(1)[0]", "x = ops.max(x, 1)[0]"),
        ("x = x.max(dim=1).values", "x = ops.max(x, axis=1)[0]"),
        ("v, i = torch.max(x, 1)", "v, i = ops.max(x, 1)"),
        ("x = torch.max(x, y)", "x = ops.maximum(x, y)"),
        ("x = x.argmax()", "x = ops.argmax(x)"),
        ("x = x.std(1)", "x = x.std(1, ddof=1)"),
        ("x = torch.var(x, 1, unbiased=False)", "x = ops.var(x, 1, ddof=0)"),
        ("a, b = torch.meshgrid(x, y)", "a, b = ops.meshgrid(x, y, indexing='ij')"),
        ("x = torch.flatten(x, 1)", "x = ops.flatten(x, start_dim=1)"),
        ("x = F.leaky_relu(x)", "x = ops.leaky_relu(x, alpha=0.01)"),
        ("x = F.avg_pool2d(x, 2)", "x = ops.avg_pool2d(x, 2, stride=2)"),
        ("x = F.smooth_l1_loss(x, y)", "x = ops.smooth_l1_loss(x, y, reduction='mean')"),
        ("x = torch.full((2, 3), 0.3)", "x = ops.full((2, 3), 0.3, dtype=ms.float32)"),
        ("x = x.view(x.size(0), -1)", "x = x.view(x.shape[0], -1)"),
        ("x = torch.zeros(2, n, device=x.device)", "x = ops.zeros((2, n))"),
        ("x = torch.arange(0, n, out=torch.LongTensor(n))", "x = ops.arange(0, n, dtype=ms.int64)"),
        ("x = x.chunk(2, dim=-1)[0]", "x = ops.chunk(x, 2, -1)[0]"),
        ("x.add_(y)", "x = x.add(y)"),
        ("x[0].zero_()", "x[0] = ops.zeros_like(x[0])"),
        ("F.relu(x, inplace=True)", "x = ops.relu(x)"),
        ("x = x.repeat(2, 1, 1)", "x = x.tile((2, 1, 1))"),
        ("x = x.to(y.device)", "x = x"),
        ("x = x.to(torch.float16)", "x = x.to(ms.float16)"),
        ("n = self.args.device", "n = self.args.device"),
        ("x = (x + y).transpose(0, 1)", "x = (x + y).swapaxes(0, 1)"),
        ("x = (x + y).chunk(2)", "x = ops.chunk((x + y), 2)"),
        ("x = torch.cat([x, y], dim=1).mean((2, 3))", "x = ops.cat([x, y], axis=1).mean((2, 3))"),
        ("x = x if not torch.jit.is_scripting() else y", "x = x"),
    ],
)
def test_a_statement(tmp_path, before, after):
    assert statement(tmp_path, before) == after


@pytest.mark.parametrize(
    "line",
    [
        "y = np.transpose(x, (1, 2, 0))",
        "y = math.tanh(0.5)",
        "y = np.argmax(x, axis=1)",
        "y = cv2.resize(x, (4, 4)).transpose(2, 0, 1)",
    ],
)
def test_a_function_of_another_library_is_no_method_of_a_tensor(tmp_path, line):
    head = "import math\nimport cv2\nimport numpy as np\nimport torch\n"
    source = f"{head}def f(x):\n    {line}\n    return torch.tensor(y)\n"
    result = converted(tmp_path, source)
    assert f"    {line}\n" in result.text
    assert [record.name for record in result.records] == ["torch.tensor"]


def test_numpy_names_of_parameters(tmp_path):
    """PyTorch takes `axis` for `dim`; a helper knows it as `dim`."""
    assert statement(tmp_path, "x = torch.argmax(x, axis=1)") == "x = ops.argmax(x, dim=1)"
    assert statement(tmp_path, "x = torch.norm(x, 2, axis=1, keepdim=True)") == (
        "x = compat.norm(x, 2, dim=1, keepdim=True)"
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("'Tensor'", "'ms.Tensor'"),
        ('"Optional[torch.Tensor]"', '"Optional[ms.Tensor]"'),
        ("\"Dict['名', nn.Module]\"", "\"Dict['名', nn.Cell]\""),
        ('"not python ["', '"not python ["'),
    ],
)
def test_an_annotation_in_a_string(tmp_path, before, after):
    text = converted(tmp_path, HEAD + f"def f(x: {before}, y='torch.Tensor'):\n    return x\n").text
    assert text.endswith(f"def f(x: {after}, y='torch.Tensor'):\n    return x\n")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("nn.Conv2d(3, 8, 3)", "nn.Conv2d(3, 8, 3, pad_mode='pad', has_bias=True)"),
        ("nn.Conv2d(3, 8, 3, 2, 1)", "nn.Conv2d(3, 8, 3, 2, pad_mode='pad', padding=1, has_bias=True)"),
        (
            "nn.Conv2d(3, 8, 3, padding=(1, 0), bias=False)",
            "nn.Conv2d(3, 8, 3, pad_mode='pad', padding=(1, 1, 0, 0), has_bias=False)",
        ),
        ("nn.Conv2d(3, 8, 3, padding='same')", "nn.Conv2d(3, 8, 3, pad_mode='same', has_bias=True)"),
        ("nn.Conv2d(3, 8, k, padding=p)", "compat.Conv2d(3, 8, k, padding=p)"),
        ("nn.Conv2d(3, 8, 3, **dd)", "nn.Conv2d(3, 8, 3, pad_mode='pad', has_bias=True)"),
        ("nn.Conv2d(3, 8, k, **dd, **m)", "compat.Conv2d(3, 8, k, **m)"),
        ("nn.Conv2d(**dd, **m)", "compat.Conv2d(**m)"),
        ("torch.zeros(1, 1, dim, **dd)", "ops.zeros((1, 1, dim))"),
        ("nn.BatchNorm2d(4, momentum=0.01)", "nn.BatchNorm2d(4, momentum=0.99)"),
        ("nn.BatchNorm2d(4, momentum=m)", "nn.BatchNorm2d(4, momentum=1.0 - m)"),
        ("nn.LayerNorm(8)", "nn.LayerNorm((8,), epsilon=1e-05)"),
        ("nn.LayerNorm(dim)", "compat.LayerNorm(dim)"),
        ("nn.GELU()", "nn.GELU(approximate=False)"),
        ("nn.LeakyReLU()", "nn.LeakyReLU(alpha=0.01)"),
        ("nn.MaxPool2d(2)", "nn.MaxPool2d(2, stride=2)"),
        ("nn.Linear(8, 5, False)", "nn.Dense(8, 5, has_bias=False)"),
        ("nn.Dropout(0.1, inplace=True)", "nn.Dropout(p=0.1)"),
        ("partial(nn.BatchNorm2d, eps=1e-3)", "partial(compat.BatchNorm2d, eps=1e-3)"),
        ("isinstance(m, (nn.BatchNorm2d, nn.Linear))", "isinstance(m, (nn.BatchNorm2d, nn.Dense))"),
    ],
)
def test_a_layer(tmp_path, before, after):
    text = converted(
        tmp_path, f"import torch\nimport torch.nn as nn\ndef f(k, p, m, dim, dd):\n    return {before}\n"
    ).text
    assert text.partition("return ")[2].strip() == after


MODULE = '''\
# -*- coding: utf-8 -*-
"""Ein Netz — 网络."""
from functools import partial
import torch, math
from torch import nn, Tensor
import torch.nn.functional as F


class Block(nn.Module):   # a block
    def __init__(
        self,
        planes : int,
        norm_layer = nn.BatchNorm2d,
    ) :
        super().__init__( )
        self.conv = nn.Conv2d(
            planes,  # in
            planes,  # out
            kernel_size = 3,
            padding=1 , # keep
        )
        self.bn = norm_layer(planes); self.phase = 1
        for m in self.modules():
            if isinstance(m, nn.BatchNorm2d):
                nn.init.constant_(m.weight, 1)

    def forward(self, x: Tensor) -> Tensor:
        if not torch.jit.is_scripting():
            x = x * self.phase
        return F.relu(self.bn( self.conv (x) ).transpose(1, 2) ,inplace = True)   # "Ende"


class Tabs(Block):
	def forward(self, x):
		if not torch.jit.is_scripting():
			x = x * self.phase
		return x
'''


def test_a_layer_that_is_added_by_its_name(tmp_path):
    """What `add_module` and `register_buffer` add are attributes; a norm's weight is gamma, also behind `.data`."""
    result = converted(
        tmp_path,
        """
        from torch import nn

        class Net(nn.Sequential):
            def __init__(self):
                super().__init__()
                self.add_module("norm", nn.BatchNorm2d(4))
                self.register_buffer("table", nn.Parameter(None))
                nn.init.constant_(self.norm.weight, 1)
                for m in self.modules():
                    if isinstance(m, nn.BatchNorm2d):
                        m.weight.data.fill_(1)

            def forward(self, x):
                return x + self.table.transpose(0, 1)
        """,
    ).text
    assert "compat.constant_(self.norm.gamma, 1)" in result
    assert "compat.assign(m.gamma, ops.full_like(m.gamma, 1))" in result
    assert "self.table.swapaxes(0, 1)" in result


def test_a_function_with_its_own_gradient(tmp_path):
    """`apply` of torch.autograd.Function becomes a call of a helper that takes the class."""
    result = converted(
        tmp_path,
        """
        import torch

        class Swish(torch.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                return x * torch.sigmoid(x)

        class Twice(torch.autograd.Function):
            @staticmethod
            def forward(x):
                return x + x

            @staticmethod
            def setup_context(ctx, inputs, output):
                pass

        def f(x: torch.Tensor):
            return Swish.apply(x) + Twice.apply(x)
        """,
    ).text
    assert "return compat.applied(Swish, x) + compat.applied(Twice, x)" in result


def test_functions_that_initialise(tmp_path):
    """What is given to them changes, not only their own variable; a chain changes what it begins with."""
    result = converted(
        tmp_path,
        """
        import torch

        def truncated_(tensor, std, mean):
            tensor.erfinv_()
            tensor.mul_(std).add_(mean)
            return tensor

        def other(x, y):
            (
                x.mul_(y)
                .add_(1)
            )
            return x
        """,
    ).text
    assert "    compat.assign(tensor, tensor.erfinv())" in result
    assert "    compat.assign(tensor, tensor.mul(std).add(mean))" in result
    assert "    x = (\n        x.mul(y)\n        .add(1)\n    )\n" in result


def test_bounds_that_numpy_computed_are_numbers(tmp_path):
    head = "import numpy as np\nimport torch\n"
    source = f"{head}def f(x, y: torch.Tensor):\n    a = np.clip(3, 0, 2)\n    x[:, :a] = y[:, :a]\n"
    assert "x[:, :int(a)] = y[:, :int(a)]" in converted(tmp_path, source).text


def test_a_number_that_numpy_computed_is_one_in_graph_mode(tmp_path):
    source = (
        HEAD
        + """import numpy as np
class Net(nn.Module):
    def forward(self, x):
        u = np.ceil(np.log(x.shape[0])).astype('int').item()
        return x[:u]
"""
    )
    assert "u = int(np.ceil(np.log(x.shape[0])))" in converted(tmp_path, source).text


def test_arrays_of_numpy_are_no_tensors(tmp_path):
    source = (
        "import numpy as np\nimport torch\n\n"
        "def f(size):\n    made = np.ones(size)[0] * 2\n    made = made.T.transpose(1, 0, 2)\n"
        "    return torch.from_numpy(made.astype('float32')).transpose(0, 1)\n"
    )
    file = converted(tmp_path, source)
    assert "made.T.transpose(1, 0, 2)" in file.text
    assert "ms.from_numpy(made.astype('float32')).swapaxes(0, 1)" in file.text
    assert all(record.converted for record in file.records)


def test_edits_can_be_reversed(tmp_path):
    file = converted(tmp_path, MODULE)
    back = file.text.encode()
    shift = 0
    for edit in file.edits:
        at, new = edit.start + shift, edit.new.encode()
        assert back[at : at + len(new)] == new
        back = back[:at] + file.source.text[edit.start : edit.end] + back[at + len(new) :]
        shift += 0  # what lies before is as in the source again
    assert back == file.source.text


def test_what_need_not_change_stays(tmp_path):
    text = converted(tmp_path, MODULE).text
    for kept in ("# in\n", "# keep\n", "Ein Netz — 网络", "super().__init__( )", "kernel_size = 3,", "import math\n"):
        assert kept in text
    assert "self.phase_ = 1" in text
    assert "constant_(m.gamma, 1)" in text
    assert "\t\tx = x * self.phase_\n" in text


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_encodings_and_line_breaks(tmp_path, newline, encoding):
    source = MODULE.replace("utf-8", encoding.removesuffix("-sig")).replace("—", "-").replace("\n", newline)
    file = converted(tmp_path, source.encode(encoding))
    assert file.data.decode(encoding) == file.text
    assert file.text.count("\r\n") == (file.text.count("\n") if newline == "\r\n" else 0)
    ast.parse(file.text)


def test_a_second_run_changes_nothing(tmp_path):
    first = converted(tmp_path, MODULE)
    again = converted(tmp_path, first.data, "again.py")
    assert again.text == first.text


def test_names_across_files(tmp_path):
    files = {
        "pkg/__init__.py": "from .net import Net\nfrom .unused import gone\n",
        "pkg/unused.py": "import torch\ngone = torch.odd()\n",
        "pkg/common.py": "import torch\nfrom torch import nn\nimport torch.nn.functional as F\nlayer = nn.Conv2d\n",
        "pkg/net.py": """\
            from .common import *
            from . import common as c

            class Base(nn.Module):
                def forward(self, x):
                    return F.relu(x)

            class Net(Base):
                def forward(self, x):
                    return super().forward(torch.cat([x, x], 1)) + c.layer(3, 4, 1)(x)
            """,
    }
    texts = project(tmp_path, files, "pkg/net.py")
    net = texts["pkg/net.py"]
    assert "from mindspore import nn, ops\n" in net
    assert "ops.relu(x)" in net
    assert "super().construct(ops.cat([x, x], 1)) + nn.Conv2d(3, 4, 1, pad_mode='pad', has_bias=True)(x)" in net
    assert "pkg/unused.py" not in texts
    assert "gone" not in texts["pkg/__init__.py"]


def test_what_is_not_converted_stays_and_can_be_imported(tmp_path):
    file = converted(tmp_path, HEAD + "X = torch.odd(3)\ndef f(x: Tensor):\n    return torch.odd(x)\n")
    assert 'X = compat.missing("torch.odd")(3)' in file.text
    assert "    return torch.odd(x)  # [UnConvert] torch.odd: " in file.text
    assert [record.converted for record in file.records if record.name == "torch.odd"] == [False, False]
    assert "#" not in converted(tmp_path, HEAD + "x = torch.odd(3)\n", comments=False).text


def test_quotes_within_those_of_an_f_string(tmp_path):
    source = "from torch import nn\ndef shown(m: nn.Module):\n    return f\"{m.weight}\" + f'{m.bias}'\n"
    assert "f\"{compat.own(m, 'weight')}\" + f'{compat.own(m, \"bias\")}'" in converted(tmp_path, source).text


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("torch.Tensor(k, p)", "ops.zeros((k, p), dtype=ms.float32)"),
        ("torch.Tensor([1, 2])", "ms.Tensor([1, 2], ms.float32)"),
        ("torch.cuda.LongTensor(k)", "compat.LongTensor(k)"),
        ("(torch.cuda.FloatTensor if k else torch.FloatTensor)", "(compat.FloatTensor if k else compat.FloatTensor)"),
        ("isinstance(m, torch.FloatTensor)", "isinstance(m, ms.Tensor)"),
        ("nn.ParameterList([nn.Parameter(torch.ones(3))])", "compat.ParameterList([ms.Parameter(ops.ones((3,)))])"),
        ("nn.MSELoss(size_average=False)", "nn.MSELoss(reduction='sum')"),
        ("F.l1_loss(m, p, reduce=k)", "F.l1_loss(m, p, reduce=k)"),
        ("nn.Softmax()", "compat.Softmax()"),
        ("torch.optim.LBFGS(m.parameters(), lr=0.8)", "compat.LBFGS(compat.parameters(m), lr=0.8)"),
        ("torchvision.transforms.Resize((k, p), Image.BICUBIC)", "compat.Resize((k, p), Image.BICUBIC)"),
        ("torch.fft.rfft(m, dim=1)", "ops.rfft(m, dim=1)"),
    ],
)
def test_an_expression(tmp_path, before, after):
    head = f"{HEAD}import torchvision\nfrom PIL import Image\n"
    text = converted(tmp_path, f"{head}def f(k, p, m):\n    return {before}\n", comments=False).text
    assert text.partition("return ")[2].strip() == after


def test_a_comment_behind_an_argument_that_goes(tmp_path):
    call = "nn.Conv2d(\n    3,\n    4,\n    3,\n    padding=(0, 0),  # by hand\n    bias=False,\n)\n"
    text = converted(tmp_path, f"from torch import nn\nc = {call}").text
    assert "    padding=0,\n    # by hand\n    has_bias=False,\n)\n" in text


def test_reset_parameters_of_super_is_that_of_super(tmp_path):
    method = "    def reset_parameters(self):\n        super().reset_parameters()\n"
    text = converted(tmp_path, f"from torch import nn\nclass Layer(nn.Linear):\n{method}").text
    assert "compat.reset_parameters(super())" in text


def test_a_weight_that_two_layers_share(tmp_path):
    """Where the class of the layer is not known, its weight may have another name in MindSpore."""
    text = converted(
        tmp_path, HEAD + "def tie(net, head: nn.Linear):\n    net.table.weight = head.weight  # tied\n"
    ).text
    assert '    compat.share(net.table, "weight", head.weight)  # tied\n' in text


def test_a_first_parameter_with_another_name_is_listed(tmp_path):
    source = "from torch import nn\nclass Net(nn.Module):\n    def forward(this, x):\n        return x\n"
    (left,) = [record for record in converted(tmp_path, source).records if not record.converted]
    assert (left.written, "rename it" in left.remedy) == ("this", True)


@pytest.mark.parametrize(
    ("call", "became"), [("a.relu()", "ops.relu(a)"), ("a.expand(b.shape)", "a.broadcast_to(b.shape)")]
)
def test_what_only_a_tensor_is_asked(tmp_path, call, became):
    text = converted(tmp_path, f"import torch\ndef f(a, b):\n    return {call}\n").text
    assert text.endswith(f"return {became}\n")


@pytest.mark.parametrize(("base", "listed"), [("", 1), ("(typing.NamedTuple)", 0)])
def test_an_object_that_a_network_returns_is_listed(tmp_path, base, listed):
    source = (
        HEAD
        + f"""
import typing
from torch.distributions import Normal
class Found{base}:
    distribution: Normal
class Net(nn.Module):
    def forward(self, x):
        return Found(distribution=Normal(x, 1.0))
"""
    )
    left = [record for record in converted(tmp_path, source).records if "returns no object" in record.remedy]
    assert len(left) == listed


def test_forward_of_what_is_no_module_keeps_its_name(tmp_path):
    source = "import torch\nclass Model:\n    def forward(self):\n        return torch.zeros(1)\n"
    text = converted(
        tmp_path, source + "def run(make, *args):\n    model = make()\n    return model.forward(*args)\n"
    ).text
    assert "    return compat.run_forward(model, *args)\n" in text


@pytest.mark.parametrize(
    ("call", "became"),
    [
        ("each.eval()", 'compat.set_mode(each, "eval")'),
        ("each.train(mode=False)", 'compat.set_mode(each, "train", mode=False)'),
    ],
)
def test_a_mode_is_asked_for_where_other_classes_have_such_a_method(tmp_path, call, became):
    methods = "    def eval(self):\n        return 1\n    def train(self, mode=True):\n        return 2\n"
    source = f"import torch\nclass Node:\n{methods}"
    text = converted(tmp_path, source + f"def search(found):\n    for each in found:\n        {call}\n").text
    assert became in text


def test_a_mode_of_what_only_modules_have(tmp_path):
    source = "import torch\ndef search(found):\n    for each in found:\n        each.eval()\n"
    assert "each.set_train(False)" in converted(tmp_path, source).text


def test_what_is_spread_over_devices_is_asked_for(tmp_path):
    source = (
        "from torch import nn\ndef plain(net):\n    return net.module if isinstance(net, nn.DataParallel) else net\n"
    )
    assert "isinstance(net, compat.Parallel)" in converted(tmp_path, source).text


def test_a_method_that_a_cell_has_gets_another_name(tmp_path):
    source = """\
    from torch import nn
    class Net(nn.Module):
        def compile(self, optimizer):
            return optimizer
        def forward(self, x):
            return x
    def run(model, pattern):
        Net().compile("adam")
        return model.compile("sgd")
    """
    text = converted(tmp_path, source).text
    assert "def compile_(self, optimizer):" in text
    assert 'Net().compile_("adam")' in text
    assert 'return model.compile_("sgd")' in text


def test_a_function_by_its_second_name(tmp_path):
    source = "from torch.autograd.function import Function\nclass F(Function):\n    pass\n"
    assert "class F(compat.Function):" in converted(tmp_path, source).text


def test_arguments_that_go_leave_the_edits_of_their_neighbours(tmp_path):
    source = "import torch\ndef f(x: torch.Tensor, y):\n    return torch.clamp(x, 0, torch.exp(y).data[0])\n"
    assert "ops.clamp(ops.clamp(x, min=0), max=ops.stop_gradient(ops.exp(y))[0])" in converted(tmp_path, source).text


def test_what_an_optimizer_trains_changes_itself(tmp_path):
    source = """
        import torch
        def f(x: torch.Tensor):
            x = x.clone().requires_grad_(True)
            optimizer = torch.optim.Adam([x], lr=0.05)
            optimizer.step()
            with torch.no_grad():
                x.clamp_(-2, 2)
        """
    assert "x = x.clamp" not in converted(tmp_path, source).text


@pytest.mark.parametrize("detached", [False, True])
def test_what_a_loop_detaches_is_not_computed_again(tmp_path, detached):
    source = f"""
        import torch
        import torch.nn.functional as F
        def f(net: torch.nn.Linear, critic: torch.nn.Linear, x: torch.Tensor):
            real = critic(x)
            real.sum().backward()
            fake = net(x)
            loss = sum(F.l1_loss(f, r{".detach()" * detached}) for f, r in zip(fake, real))
            loss.backward()
        """
    text = converted(tmp_path, source).text
    assert text.count("real = critic(x)") == (1 if detached else 2)


def test_what_is_made_of_data_is_not_made_again(tmp_path):
    source = """
        import torch
        def update(net: torch.nn.Linear, critic: torch.nn.Linear, memory):
            states, rewards = memory.sample()
            states = torch.FloatTensor(states).to("cpu")
            rewards = torch.FloatTensor(rewards).unsqueeze(1)
            loss = (critic(states) - rewards).mean()
            loss.backward()
            loss = critic(net(states)).mean()
            loss.backward()
        """
    text = converted(tmp_path, source).text
    assert text.count("memory.sample()") == 1
    assert text.index("memory.sample()") < text.index("def forward")


def test_what_a_function_hands_back_is_what_it_was_given(tmp_path):
    source = (
        HEAD
        + """
def ready(net):
    net.eval()
    return net
class Two(nn.Module):
    def forward(self, x):
        return x, x
class One(nn.Module):
    def forward(self, x):
        return x
def run(x):
    a, b = ready(Two())(x)
    return ready(One())(x).transpose(0, 1) + a
"""
    )
    assert "ready(One())(x).swapaxes(0, 1)" in converted(tmp_path, source).text


def test_a_forward_that_is_run_again_has_its_new_name(tmp_path):
    source = """
        import torch
        class Net(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.layer = torch.nn.Linear(2, 2)
            def forward(self):
                self.found = self.layer(self.x)
            def backward_all(self):
                self.loss = self.found.mean()
                self.loss.backward()
        """
    text = converted(tmp_path, source).text
    assert "self.construct()" in text
    assert "self.forward()" not in text


@pytest.mark.parametrize("reverse", [False, True])
def test_a_function_knows_what_it_is_called_with_wherever_it_stands(tmp_path, reverse):
    functions = ["def trace(m):\n    return m.diag()\n", "def run(n):\n    return trace(torch.zeros(n, n))\n"]
    result = converted(tmp_path, "import torch\n" + "".join(functions[:: -1 if reverse else 1]))
    assert all(record.converted for record in result.records)


@pytest.mark.parametrize(
    ("line", "text", "listed"),
    [
        ("_, i = a.max(1)", "_, i = ops.max(a, 1)", []),
        ("i = a.max(1).indices.view(1)", "i = ops.max(a, 1)[1].view(1)", []),
        ("i = a.max(1)[1].type_as(b)", "i = ops.max(a, 1)[1].", []),
        ("i = a.max()", "i = a.max()", []),
        ("i = a.max(1)", "i = a.max(1)", ["torch.Tensor.max"]),
    ],
)
def test_the_largest_of_what_may_be_an_array(tmp_path, line, text, listed):
    result = converted(tmp_path, f"import torch\ndef f(a, b):\n    {line}\n    return i\n")
    assert f"    {text}" in result.text
    assert [record.name for record in result.records if not record.converted] == listed


@pytest.mark.parametrize(
    ("call", "text"),
    [
        ("torch.min(a, b)", "compat.smaller(a, b)"),  # as in PPO: two tensors, or a tensor and an axis
        ("torch.max(x, b, True)", "compat.larger(x, b, True)"),
        ("x.max(b)", "compat.larger(x, b)"),
        ("torch.max(x, dim)", "ops.max(x, dim)"),
        ("torch.max(x, x * b).std(1)", "ops.maximum(x, x * b).std(1, ddof=1)"),
    ],
)
def test_the_larger_of_two_or_along_an_axis(tmp_path, call, text):
    source = f"import torch\ndef f(x: torch.Tensor, a, b, dim):\n    return {call}\n"
    assert f"return {text}" in converted(tmp_path, source).text


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("f(\n    backend=k,\n)", "compat.init_process_group()"),
        (
            "(\n    x.view(-1)  # a, b\n    .roll(1)  # (c\n    .T\n)",
            "(\n    compat.roll(x.view(-1),  # a, b\n    1)  # (c\n    .T\n)",
        ),
        (
            "(\n    x.view(-1)  # a\n    .norm()\n)",
            "(\n    compat.norm(x.view(-1)  # a\n    )\n)",
        ),
        ('f"{torch.strange}"', "f\"{compat.missing('torch.strange')}\""),
    ],
)
def test_comments_commas_and_quotes_where_a_call_changes(tmp_path, before, after):
    head = "import torch\nfrom torch.distributed import init_process_group as f\nx = torch.ones(3)\n"
    text = converted(tmp_path, f"{head}y = {before}\n", comments=False).text
    assert text.partition("y = ")[2].strip() == after


def test_a_block_of_which_nothing_is_left(tmp_path):
    settings = "    torch.backends.cudnn.benchmark = True\n    torch.backends.cudnn.deterministic = False\n"
    text = converted(tmp_path, f"import torch\ndef f(k):\n  if k:\n{settings}  else:\n    return 1\n").text
    namespace: dict = {}
    exec(text, namespace)
    assert (namespace["f"](True), namespace["f"](False)) == (None, 1)


def test_an_alias_of_types_that_names_itself(tmp_path):
    head = "import torch\nNested = list['torch.Tensor | Nested']\n"
    text = f"{head}def f(x: 'Nested', y: torch.Tensor):\n    return y.std(1)\n"
    assert "y.std(1, ddof=1)" in converted(tmp_path, text).text


def test_a_device_as_a_context(tmp_path):
    text = 'import torch\ndef f(net):\n    with torch.device("cuda"):\n        return net.item()\n'
    assert "with compat.no_grad():" in converted(tmp_path, text).text


def test_a_file_that_was_converted_is_left_as_it_is(tmp_path):
    """What a second run knows is a tensor is not what the first one knew."""
    head = "import mindspore as ms\nfrom mindspore import ops\n"
    text = f"{head}def f(x: ms.Tensor):\n    return x.view(-1).broadcast_to((3, 4))\n"
    assert converted(tmp_path, text).text == text
    own = "def g(x):\n    return x.view(-1).broadcast_to((3, 4))\n"
    found = project(tmp_path, {"a.py": f"from b import g\n{text}", "b.py": own}, "a.py")
    assert found["b.py"] == own
