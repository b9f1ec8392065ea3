"""Which files are converted."""

from __future__ import annotations

import pytest
from rewriting.conversion import project

from converter.errors import ModelLoadingError
from converter.rewriting import find_files


def test_packages_that_are_installed_beside_are_not_the_projects(tmp_path):
    files = {
        "site-packages/pkg/__init__.py": "",
        "site-packages/pkg/net.py": "import torch\nimport other\nfrom other import f\nfrom .sibling import g\n",
        "site-packages/pkg/sibling.py": "import torch\ng = torch.zeros(3)\n",
        "site-packages/other/__init__.py": "import torch\nf = torch.zeros(2)\n",
    }
    texts = project(tmp_path, files, "site-packages/pkg/net.py")
    assert sorted(texts) == ["pkg/__init__.py", "pkg/net.py", "pkg/sibling.py"]


def test_modules_that_import_all_of_each_other(tmp_path):
    files = {
        "pkg/__init__.py": "from .a import *\nfrom .b import *\n",
        "pkg/a.py": "from . import *\nfrom .b import *\nimport torch\n\ndef f():\n    return gone(torch.zeros(2))\n",
        "pkg/b.py": "from .a import *\nfrom . import *\n",
    }
    assert "gone(ops.zeros((2,)))" in project(tmp_path, files, "pkg/a.py")["pkg/a.py"]


def test_a_package_of_which_only_some_names_are_needed(tmp_path):
    files = {
        "pkg/__init__.py": "from .a import *\nfrom .gone import *\nfrom .b import check, one as two\n",
        "pkg/a.py": "import torch\nSIZE = 3\n",
        "pkg/gone.py": "import torch\nOTHER = 3\n",
        "pkg/b.py": "try:\n    from torch import _assert as check\nexcept ImportError:\n    pass\none = 1\n",
        "pkg/net.py": "import torch\nfrom pkg import SIZE, check, two\ncheck(True, '')\n",
    }
    texts = project(tmp_path, files, "pkg/net.py")
    assert texts["pkg/__init__.py"].splitlines()[2:] == ["from .a import SIZE", "from .b import one as two"]
    assert "compat.check(True, '')" in texts["pkg/net.py"]
    assert "pkg/gone.py" not in texts


def test_an_import_of_a_package_needs_what_is_used_of_it(tmp_path):
    files = {
        "pkg/__init__.py": "from pkg import a, b\n",
        "pkg/a.py": "import torch\nf = torch.zeros(3)\n",
        "pkg/b.py": "import torch\n",
        "pkg/net.py": "import torch\nimport pkg\nx = pkg.a.f\n",
    }
    texts = project(tmp_path, files, "pkg/net.py")
    assert texts["pkg/__init__.py"].splitlines()[2:] == ["from pkg import a"]
    assert "pkg/b.py" not in texts


@pytest.mark.parametrize(
    ("first", "second", "broken"),
    [
        ("from two import b\ndef a(): pass\n", "from one import a\ndef b(): pass\n", True),
        ("def a(): pass\nfrom two import b\n", "from one import a\ndef b(): pass\n", False),
        ("from two import b\ndef a(): pass\n", "def b():\n    from one import a\n", False),
        ("import two\ndef a(): pass\n", "from one import a\ndef b(): pass\n", False),
    ],
)
def test_a_circle_of_imports_that_python_cannot_load_is_an_error(tmp_path, first, second, broken):
    (tmp_path / "one.py").write_text(f"import torch\n{first}")
    (tmp_path / "two.py").write_text(f"import torch\n{second}")
    if broken:
        with pytest.raises(ModelLoadingError, match="one → two → one"):
            find_files(tmp_path / "one.py")
    else:
        assert list(find_files(tmp_path / "one.py").whole) == ["one", "two"]


def test_a_question_of_a_library_needs_no_more_of_it(tmp_path):
    """`torchvision._is_tracing()` is false in every run: the package around it is not converted for it."""
    texts = project(
        tmp_path,
        {
            "torchvision/__init__.py": "from . import datasets\n\ndef _is_tracing():\n    return 1\n",
            "torchvision/datasets.py": "import torch\n",
            "torchvision/ops.py": "import torchvision\n\ndef f(x):\n    return 1 if torchvision._is_tracing() else x\n",
        },
        "torchvision/ops.py",
    )
    assert set(texts) == {"torchvision/__init__.py", "torchvision/ops.py"}
    assert texts["torchvision/ops.py"].endswith("def f(x):\n    return x\n")
