"""Branches: conditions that are the same in every run of MindSpore, such as `torch.jit.is_scripting()`."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from converter.rewriting.calls import wrapped
from converter.rewriting.conditions import fold
from converter.rewriting.kinds import UNKNOWN, Kind
from converter.rewriting.names import Function
from converter.rewriting.state import State
from converter.rewriting.trees import nodes

CONSTANTS = {
    "torch.jit.is_scripting": False,
    "torch.jit.is_tracing": False,
    "torch._C._get_tracing_state": False,
    "torch.compiler.is_compiling": False,
    "torch.compiler.is_dynamo_compiling": False,
    "torch.onnx.is_in_onnx_export": False,
    "torch.fx._symbolic_trace.is_fx_tracing": False,
    "torch.overrides.has_torch_function_unary": False,
    "torch.overrides.has_torch_function": False,
    "torch.overrides.has_torch_function_variadic": False,
    "torch.compiler.is_exporting": False,
    "torch.is_autocast_enabled": False,
    "torch.is_autocast_cpu_enabled": False,
    "torch.is_grad_enabled": True,
    "torch.cuda.is_available": False,
    "torch.backends.mps.is_available": False,
    "torch.mps.is_available": False,
    "torch.accelerator.is_available": False,
    "torch.xpu.is_available": False,
    "torch.backends.mps.is_built": False,
    "torch.cuda.is_bf16_supported": False,
    "torchvision._is_tracing": False,
    "transformers.is_torch_available": True,
    **dict.fromkeys(
        (
            f"transformers.{name}"
            for name in (
                "is_accelerate_available", "is_causal_conv1d_available", "is_deepspeed_zero3_enabled",
                "is_flash_attention_requested", "is_flash_attn_available", "is_flash_linear_attention_available",
                "is_fsdp_enabled", "is_fsdp_managed_module", "is_kernels_available", "is_mamba_2_ssm_available",
                "is_mamba_ssm_available", "is_mambapy_available", "is_peft_available", "is_torch_flex_attn_available",
                "is_torch_xpu_available", "is_torchdynamo_compiling", "is_torchdynamo_exporting", "is_tracing",
            )
        ),
        False,
    ),
}  # fmt: skip

WITHOUT_GRADIENT = frozenset({"torch.no_grad", "torch.inference_mode"})
NEUTRAL = WITHOUT_GRADIENT | {
    "torch.autocast",
    "torch.amp.autocast",
    "torch.cuda.amp.autocast",
    "torch.enable_grad",
    "torch.profiler.record_function",
    "torch.autograd.profiler.record_function",
    "torch.autograd.set_detect_anomaly",
    "torch.backends.cuda.sdp_kernel",
    "torch.nn.attention.sdpa_kernel",
    "torch.serialization.safe_globals",
    "torch.device",
}
"""Contexts that say nothing of values: a `with` of them alone is not needed in MindSpore."""


def _holds_tensors(kind: Kind) -> bool:
    """Whether a value may be, or hold, a tensor."""
    if kind.name in ("items", "list", "dict"):
        return any(_holds_tensors(each) for each in kind.items)
    return kind.name in ("tensor", "pair", "unknown")


class Branches(State):
    """Leaves of a branch what runs."""

    def if_(self, node: ast.If) -> None:
        """Rewrite an `if`, of which only one branch may stay."""
        if (name := self.carried.begins.get(node)) is not None:
            start = self.file.start(node)
            line, _ = self.file.line_span(self.file.line_of(start))
            indent = self.file.text[line:start].decode()
            self.edits.insert(start, f"{name} = self.{name}{self.file.newline}{indent}", leading=True)
        known = fold(node.test, self._constant)
        if known is None:
            self.visit(node.test)
            self.block(node.body)
            self.block(node.orelse)
            return
        live, dead = (node.body, node.orelse) if known else (node.orelse, node.body)
        for call in nodes(node.test):
            if isinstance(call, ast.Call) and (full := self._full(call.func)):
                self.record(call, full, became=str(self._constant(call)))
        self.block(live)
        self._keep_branch(node, live, dead)

    def named(self, node: ast.NamedExpr) -> None:
        """Rewrite `if (x := y) is None:` of a network: graph mode has no such assignment, so one stands before it."""
        info = self.project.info(self.class_node, self.names) if self.class_node is not None else None
        around = self._tested_first(node)
        if around is None or info is None or not self.inference.is_module(info.name):
            self.children(node)
            return
        file, start = self.file, self.file.start(around)
        indent = file.text[file.line_span(file.line_of(start))[0] : start].decode()
        if indent.strip() or file.text[start : start + 2] != b"if":
            self.children(node)
            return
        edits = len(self.edits)
        self.visit(node.value)
        value = self.edits.absorb(file.start(node.value), file.end(node.value), edits)
        self.edits.insert(start, f"{node.target.id} = {value}{file.newline}{indent}", leading=True)
        self.edits.replace(file.start(node), file.end(node), node.target.id)

    def _tested_first(self, node: ast.NamedExpr) -> ast.If | None:
        """The `if` that computes an expression before anything else."""
        inner: ast.AST = node
        for each in reversed(self.parents[:-1]):
            if isinstance(each, ast.If):
                return each if each.test is inner else None
            first = (
                (isinstance(each, ast.UnaryOp) and each.operand)
                or (isinstance(each, ast.Compare) and each.left)
                or (isinstance(each, ast.BoolOp) and each.values[0])
                or (isinstance(each, ast.Call) and each.args and each.args[0])
            )
            if first is not inner:
                return None
            inner = each
        return None

    def _keep_branch(self, node: ast.If, live: list[ast.stmt], dead: list[ast.stmt]) -> None:
        """Leave only the branch that runs in place of an `if` whose condition is known."""
        file = self.file
        start, end = file.start(node), file.end(node)
        elif_ = file.text[start : start + 4] == b"elif"
        first = live[0] if live else None
        if first is None and not elif_:
            self._remove_statement(node)
            return
        if first is None or elif_ or (live is node.orelse and isinstance(first, ast.If) and len(live) == 1):
            if (
                first is not None and not elif_ and file.text[file.start(first) :].startswith(b"elif")
            ):  # if False: … elif x: …
                self.edits.replace(start, file.start(first), "")
                self.edits.replace(file.start(first), file.start(first) + 4, "if")
                return
            self._write_condition(node, live, dead)
            return
        if not self._unwrap(start, end, live):
            self._write_condition(node, live, dead)

    def _write_condition(self, node: ast.If, live: list[ast.stmt], dead: list[ast.stmt]) -> None:
        """Write what is known of a condition, and rewrite the branch that never runs, too."""
        self.edits.replace(self.file.start(node.test), self.file.end(node.test), str(live is node.body))
        self.block(dead)

    def _unwrap(self, start: int, end: int, block: list[ast.stmt]) -> bool:
        """Let a block stand in place of the statement around it; false where its lines cannot be moved."""
        file = self.file
        first = min([file.start(block[0]), *(file.start(each) for each in getattr(block[0], "decorator_list", ()))])
        head, line = file.line_of(start), file.line_of(first)
        own = file.text[file.line_span(head)[0] : start]
        inner = file.text[file.line_span(line)[0] : first].rstrip(b"@")
        multi = any(
            isinstance(each, (ast.Constant, ast.JoinedStr)) and each.lineno != each.end_lineno
            for statement in block
            for each in nodes(statement)
            if isinstance(each, ast.expr)
        )
        if inner.strip() or own.strip() or multi or not inner.startswith(own):
            return False
        while line > head + 1 and file.text[slice(*file.line_span(line - 1))].strip()[:1] in (b"", b"#"):
            line -= 1
        self.edits.replace(file.line_span(head)[0], file.line_span(line)[0], "")
        stop = file.end(block[-1])
        for number in range(line, file.line_of(stop) + 1):
            begin, _ = file.line_span(number)
            if file.text[begin : begin + len(inner)] == inner:
                self.edits.move(begin + len(own), begin + len(inner))  # that of a block around this one is beside it
        if stop < end:
            self.edits.drop(stop, end)
            self.edits.replace(stop, end, "")
        return True

    def with_(self, node: ast.With) -> None:
        """Rewrite a `with`: graph mode has none, so a block whose context means nothing there stands alone."""
        calls = [each.context_expr for each in node.items]
        names = [self._full(call.func) if isinstance(call, ast.Call) else None for call in calls]
        if not self._runs_in_graph(node) or not all(name in NEUTRAL for name in names):
            self.children(node)
            for call, name in zip(calls, names, strict=True):
                if name == "torch.device":  # a string by now
                    self.edits.absorb(self.file.start(call), self.file.end(call), 0)
                    self.edits.replace(self.file.start(call), self.file.end(call), self.write("compat.no_grad()"))
            return
        quiet = any(name in WITHOUT_GRADIENT for name in names)
        outer, self.without_gradient = self.without_gradient, self.without_gradient or quiet
        self.block(node.body)
        self.without_gradient = outer
        if not self._unwrap(self.file.start(node), self.file.end(node), node.body):
            for call in calls:
                self.visit(call)
            return
        for call, name in zip(calls, names, strict=True):
            self.record(call, name or "", became="mindspore.ops.stop_gradient" if quiet else "nothing", use="with")
        if quiet:
            self._stop_gradients(node)

    def return_(self, node: ast.Return) -> None:
        """Rewrite a `return`: no gradient flows through what is computed without one."""
        self.children(node)
        value = node.value
        self._lists_object(value)
        if not self.without_gradient or value is None or not _holds_tensors(self.inference.kind(value)):
            return
        bare = isinstance(value, ast.Tuple) and not wrapped(self.file.of(value))
        self.edits.insert(self.file.start(value), self.write("ops.stop_gradient(") + "(" * bare, leading=True)
        self.edits.insert(self.file.end(value), ")" + ")" * bare)

    def _lists_object(self, value: ast.expr | None) -> None:
        """List what a network returns that is an object of a class of the project, which graph mode cannot return."""
        kind = self.inference.kind(value) if value is not None else UNKNOWN
        of_network = self.is_compiled() and self.function is not None and self.function.name == "forward"
        if value is None or not of_network or kind.name != "instance":
            return
        infos = [found for each in kind.of if (found := self.project.class_named(each)) is not None]
        plain = [each.name for each in infos if not any(each.bases) and not self.project.is_output(each.name)]
        if plain and not self.inference.is_module(plain[0]):
            remedy = "Graph mode returns no object of such a class: return its tensors, as a tuple or a dict."
            self.record(value, plain[0], converted=False, remedy=remedy, use="value")

    def _is_quiet(self, node: Function) -> bool:
        """Whether what a function returns has no gradient, and may be part of a loss: `@torch.no_grad()`."""
        names = {self._full(each.func if isinstance(each, ast.Call) else each) for each in node.decorator_list}
        return bool(names & WITHOUT_GRADIENT) and self._runs_in_graph(node, node)

    def _runs_in_graph(self, node: ast.With | Function, function: Function | None = None) -> bool:
        """Whether the function can be called from `construct`: it makes no network ready, and reads no numbers."""
        function = function or self.function
        if function is None or function.name.lstrip("_").startswith(("init", "reset")):
            return False
        info = self.project.info(self.class_node, self.names) if self.class_node is not None else None
        if info is not None and self.inference.is_module(info.name):
            return True
        inside = [each for statement in node.body for each in nodes(statement)]
        return not any(isinstance(each, ast.Attribute) and each.attr in ("item", "backward") for each in inside)

    def _stop_gradients(self, node: ast.With) -> None:
        """No gradient flows through what was computed without one."""
        indent = self.file.text[
            self.file.line_span(self.file.line_of(self.file.start(node)))[0] : self.file.start(node)
        ]
        inside = [each for statement in node.body for each in nodes(statement)]
        if isinstance(node.body[-1], ast.Return):
            return
        loops = [name for each in inside if isinstance(each, ast.For) for name in nodes(each.target)]
        of_loops = {each.id for each in loops if isinstance(each, ast.Name)}
        names = dict.fromkeys(
            target.id
            for each in inside
            if isinstance(each, (ast.Assign, ast.AugAssign))
            for target in (each.targets if isinstance(each, ast.Assign) else [each.target])
            if isinstance(target, ast.Name) and self.inference.kind(target).is_tensor and target.id not in of_loops
        )
        behind = set(self._read_behind(node))
        for name in names:
            if name not in behind:
                continue
            text = self.write(f"{name} = ops.stop_gradient({name})")
            self.edits.insert(self.file.end(node.body[-1]), f"{self.file.newline}{indent.decode()}{text}")

    def _read_behind(self, node: ast.With) -> Iterator[str]:
        """The variables that are read behind a block, or anywhere in a loop around it."""
        loop = any(isinstance(each, (ast.For, ast.While)) for each in self.parents)
        for each in nodes(self.function or self.file.tree):
            if not isinstance(each, ast.Name) or not isinstance(each.ctx, ast.Load):
                continue
            if loop or each.lineno > (node.end_lineno or 0):
                yield each.id

    def _constant(self, node: ast.expr) -> bool | None:
        """The value of a call such as `torch.jit.is_scripting()`, which is always the same in MindSpore."""
        if isinstance(node, ast.Call) and (full := self._full(node.func)) is not None:
            return CONSTANTS.get(full)
        return None

    def conditional(self, node: ast.IfExp) -> None:
        """Rewrite `a if b else c`."""
        known = fold(node.test, self._constant)
        if known is None:
            self.children(node)
            return
        live = node.body if known else node.orelse
        self.visit(live)
        for call in nodes(node.test):
            if isinstance(call, ast.Call) and (full := self._full(call.func)):
                self.record(call, full, became=str(self._constant(call)))
        if known:
            self.edits.replace(self.file.end(node.body), self.file.end(node), "")
        else:
            self.edits.replace(self.file.start(node), self.file.start(node.orelse), "")
