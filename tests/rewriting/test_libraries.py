"""A library of which the networks are converted, and for whose machinery rows stand: transformers."""

from __future__ import annotations

import importlib
import sys

import mindspore as ms
import numpy as np
import pytest
from rewriting.conversion import converted, project

from converter.rewriting.libraries import is_machinery, usual

FILES = {
    "transformers/__init__.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .models import *\n",
    "transformers/models/__init__.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .tiny import *\n",
    "transformers/models/tiny/__init__.py": "",
    "transformers/modeling_utils.py": "raise ImportError\n",
    "transformers/modeling_outputs.py": """
        from dataclasses import dataclass
        import torch
        from .utils import ModelOutput

        @dataclass
        class BaseModelOutput(ModelOutput):
            last_hidden_state: torch.FloatTensor | None = None
            attentions: tuple[torch.FloatTensor] | None = None
            cache: object = None
    """,
    "transformers/models/tiny/configuration_tiny.py": """
        from huggingface_hub.dataclasses import strict
        from ...configuration_utils import PreTrainedConfig

        @strict
        class TinyConfig(PreTrainedConfig):
            attribute_map = {"hidden_size": "n_embd"}
            n_embd: int = 8
            vocab_size: int = 20
            is_decoder: bool = False
    """,
    "transformers/models/tiny/modeling_tiny.py": """
        import torch
        from torch import nn
        from ... import initialization as init
        from ...cache_utils import Cache
        from ...masking_utils import create_bidirectional_mask, create_causal_mask
        from ...modeling_outputs import BaseModelOutput
        from ...modeling_utils import ALL_ATTENTION_FUNCTIONS, PreTrainedModel
        from ...processing_utils import Unpack
        from ...pytorch_utils import Conv1D
        from ...utils import TransformersKwargs, auto_docstring, logging
        from .configuration_tiny import TinyConfig

        logger = logging.get_logger(__name__)

        def eager(module, query, mask, **kwargs):
            return query if mask is None else query + mask.sum()

        class TinyModel(PreTrainedModel):
            def __init__(self, config: TinyConfig):
                super().__init__(config)
                self.wte = nn.Embedding(config.vocab_size, config.hidden_size)
                self.proj = Conv1D(2 * config.hidden_size, config.hidden_size)
                self.positions = nn.Buffer(torch.arange(4).expand((1, -1)), persistent=False)
                self.post_init()

            def _init_weights(self, module):
                super()._init_weights(module)
                if isinstance(module, Conv1D):
                    init.zeros_(module.bias)

            @auto_docstring
            def forward(self, input_ids: torch.LongTensor | None = None, inputs_embeds: torch.Tensor | None = None,
                        cache: Cache | None = None, **kwargs: Unpack[TransformersKwargs]) -> tuple | BaseModelOutput:
                kwargs.pop("output_attentions", None)
                if (input_ids is None) ^ (inputs_embeds is not None):
                    raise ValueError("one of them")
                if cache is not None:
                    current = cache
                x = self.wte(input_ids)
                if cache is not None:
                    x = current.update(x, x, 0)[0]
                mask = create_bidirectional_mask(config=self.config, inputs_embeds=x, attention_mask=None)
                attention = ALL_ATTENTION_FUNCTIONS.get_interface(self.config._attn_implementation, eager)
                a, b = self.proj(attention(self, x, mask, **kwargs)).split(self.config.hidden_size, dim=-1)
                return BaseModelOutput(last_hidden_state=a + b, cache=cache)

        class TinyHead(PreTrainedModel):
            def __init__(self, config: TinyConfig):
                super().__init__(config)
                self.model = TinyModel(config)
                self.head = nn.Linear(config.hidden_size, 3)

            def forward(self, input_ids: torch.LongTensor, **kwargs) -> tuple | BaseModelOutput:
                outputs: BaseModelOutput = self.model(input_ids, output_attentions=True, **kwargs)
                first = outputs[0]
                return BaseModelOutput(
                    last_hidden_state=self.head(outputs.last_hidden_state[:, 0]) + first.sum() * 0,
                    attentions=outputs.attentions,
                )
    """,
}


@pytest.fixture(scope="module")
def texts(tmp_path_factory) -> dict[str, str]:
    """The files of the result."""
    return project(tmp_path_factory.mktemp("source"), FILES, "transformers/models/tiny/modeling_tiny.py")


def test_only_the_network_is_followed(texts):
    assert sorted(texts) == [
        "transformers/__init__.py",
        "transformers/_torch_compat.py",
        "transformers/modeling_outputs.py",
        "transformers/models/__init__.py",
        "transformers/models/tiny/__init__.py",
        "transformers/models/tiny/configuration_tiny.py",
        "transformers/models/tiny/modeling_tiny.py",
    ]


def test_outputs_are_dicts(texts):
    text = texts["transformers/models/tiny/modeling_tiny.py"]
    assert "first = compat.to_tuple(outputs)[0]" in text
    assert 'self.head(outputs.get("last_hidden_state")[:, 0])' in text
    assert "return compat.made(BaseModelOutput, last_hidden_state=a + b, cache=cache)" in text
    assert "dataclass" not in texts["transformers/modeling_outputs.py"].partition("import")[2].partition("\n")[2]


def test_what_graph_mode_needs(texts):
    text = texts["transformers/models/tiny/modeling_tiny.py"]
    assert 'kwargs = compat.without(kwargs, "output_attentions")' in text
    assert "if (input_ids is None) != (inputs_embeds is not None):" in text
    assert "        current = None\n        if cache is not None:\n            current = cache\n" in text


def test_the_result_runs_in_both_modes(texts, tmp_path, monkeypatch):
    for name, text in texts.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for name in [name for name in sys.modules if name.partition(".")[0] == "transformers"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path)
    tiny = importlib.import_module("transformers.models.tiny.modeling_tiny")
    net = tiny.TinyHead(tiny.TinyConfig(hidden_size=4)).set_train(False)
    assert (net.config.n_embd, net.model.wte.embedding_table.shape) == (4, (20, 4))
    ids = ms.Tensor(np.arange(6).reshape(2, 3))
    ms.set_context(mode=ms.PYNATIVE_MODE)
    hidden = net.model(ids).last_hidden_state
    wanted = net.head(hidden[:, 0]).asnumpy()
    results = {}
    for mode in (ms.PYNATIVE_MODE, ms.GRAPH_MODE):
        ms.set_context(mode=mode)
        results[mode] = net(ids)["last_hidden_state"].asnumpy()
    ms.set_context(mode=ms.PYNATIVE_MODE)
    for result in results.values():
        np.testing.assert_allclose(result, wanted, rtol=1e-5, atol=1e-6)
    cached = tiny.TinyModel(net.config)(ids, cache=tiny.compat.Cache())
    assert cached.cache.get_seq_length() == 4


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("transformers.utils.generic.ModelOutput", "transformers.ModelOutput"),
        ("transformers.utils.logging.get_logger", "transformers.get_logger"),
        ("transformers.initialization.normal_", "torch.nn.init.normal_"),
        ("transformers.modeling_utils.ALL.get", "transformers.ALL.get"),
        ("transformers.models.auto.AutoModel", "transformers.AutoModel"),
        ("transformers.activations.ACT2FN", "transformers.activations.ACT2FN"),
    ],
)
def test_short_names(name, short):
    assert usual(name, "transformers") == short
    assert usual(name, "mine") == name
    assert not is_machinery(name, "mine")


def test_a_project_that_uses_a_library(tmp_path):
    """Rows of a library serve the projects that import it; what has none stays, and is listed."""
    file = converted(
        tmp_path,
        """
        import torch
        from torchvision.ops.misc import FrozenBatchNorm2d
        from torchaudio.transforms import Resample
        from torchmetrics import Accuracy
        from transformers.modeling_utils import PreTrainedModel
        from transformers import BertModel, PretrainedConfig

        class Config(PretrainedConfig):
            width = 4

        class Net(PreTrainedModel):
            def __init__(self, config: Config):
                super().__init__(config)
                self.norm = FrozenBatchNorm2d(config.width)
                self.layer = torch.nn.Linear(config.width, config.width)
        """,
    )
    assert "class Config(compat.PreTrainedConfig):" in file.text
    assert "class Net(compat.PreTrainedModel):" in file.text
    assert "self.norm = compat.FrozenBatchNorm2d(config.width)" in file.text
    assert "from transformers import BertModel  #" in file.text
    left = {record.name: record.remedy for record in file.records if not record.converted}
    assert set(left) == {
        "torchaudio.transforms.Resample",
        "torchmetrics.Accuracy",
        "transformers.BertModel",
    }
    assert "needs PyTorch: convert the files of transformers" in left["transformers.BertModel"]
    assert "mindspore.dataset.audio.Resample" in left["torchaudio.transforms.Resample"]


def test_the_library_itself_is_a_project(tmp_path):
    """A copy of the library that is converted keeps its own layers."""
    texts = project(
        tmp_path,
        {
            "torchvision/__init__.py": "",
            "torchvision/ops.py": "from torch import nn\n\nclass FrozenBatchNorm2d(nn.Module):\n    pass\n",
            "torchvision/net.py": "from .ops import FrozenBatchNorm2d\n\nnorm = FrozenBatchNorm2d()\n",
        },
        "torchvision",
    )
    assert texts["torchvision/net.py"] == "from .ops import FrozenBatchNorm2d\n\nnorm = FrozenBatchNorm2d()\n"


def test_rotary_settings_under_older_names():
    """A configuration of transformers that converts them itself, and one that does not."""
    ms = pytest.importorskip("mindspore")
    from converter.rewriting.compat import transformers as helpers

    class Plain(helpers.PreTrainedConfig):
        rope_parameters: dict = None
        max_position_embeddings: int = 8

    class Own(Plain):
        def convert_rope_params_to_dict(self, **kwargs):
            self.rope_parameters = {"partial_rotary_factor": kwargs.pop("rotary_pct", 0.25)}
            self.standardize_rope_params()
            return kwargs

    assert ms
    plain = Plain(rope_theta=5.0, rope_scaling={"type": "yarn", "factor": 2.0}).rope_parameters
    assert (plain["rope_theta"], plain["rope_type"], plain["original_max_position_embeddings"]) == (5.0, "yarn", 8)
    own = Own(rotary_pct=0.5, extra=1)
    assert own.rope_parameters["partial_rotary_factor"] == 0.5
    assert own.rope_parameters["rope_type"] == "default"
    assert own.extra == 1
