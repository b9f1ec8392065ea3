"""Devices, settings of PyTorch's own, and what a process of several says to the others."""

from __future__ import annotations

from converter.rewriting import Row, call, value

_ALONE = "One process computes; mindspore.communication and msrun spread the data over several."
_TARGET = 'ms.get_context("device_target")'

_REDUCTIONS = ("SUM", "AVG", "MAX", "MIN")

ROWS: dict[str, Row] = {
    **{
        f"torch.{name}": value("")  # settings of PyTorch's kernels and of its messages: their statements go
        for name in (
            "use_deterministic_algorithms",
            "set_num_threads",
            "set_num_interop_threads",
            "set_printoptions",
            "set_float32_matmul_precision",
            "autograd.set_detect_anomaly",
            "set_flush_denormal",
            "cuda.reset_peak_memory_stats",
            "cuda.ipc_collect",
            "accelerator.synchronize",
            "accelerator.empty_cache",
            "mps.empty_cache",
            "mps.synchronize",
            "distributed.destroy_process_group",
            "multiprocessing.set_start_method",
            "multiprocessing.set_sharing_strategy",
            "backends.cuda.enable_flash_sdp",
            "backends.cuda.enable_mem_efficient_sdp",
            "backends.cuda.enable_math_sdp",
        )
    },
    "torch.accelerator.current_accelerator": call(
        "(check_available=False)", _TARGET, ignored="check_available", returns="other"
    ),
    "torch.accelerator.device_count": call("()", "1", returns="number"),
    "torch.accelerator.current_device_index": call("()", "0", returns="number"),
    "torch.cuda.current_device": call("()", "0", returns="number"),
    "torch.cuda.get_device_name": call("(device=None)", _TARGET, ignored="device", returns="string"),
    **{
        f"torch.cuda.{name}": call("(device=None)", "0", ignored="device", returns="number")
        for name in ("memory_allocated", "max_memory_allocated", "memory_reserved", "max_memory_reserved")
    },
    "torch.accelerator.set_device_index": call("(device)", f"ms.set_device({_TARGET}, {{device}})", returns="other"),
    **{f"torch.{name}": value("RuntimeError") for name in ("OutOfMemoryError", "cuda.OutOfMemoryError")},
    "torch.__version__": value('"2.9.0"', returns="string", note="The version whose meaning the calls keep."),
    "torch.serialization.safe_globals": call("(safe_globals)", "compat.no_grad()", ignored="safe_globals"),
    "torch.get_num_threads": call("()", "1", returns="number"),
    "torch.initial_seed": call("()", "ms.get_seed()", returns="number"),
    "torch.distributed.init_process_group": call(
        "(backend=None, init_method=None, timeout=None, world_size=-1, rank=-1, store=None, group_name='', "
        "pg_options=None, device_id=None)",
        "compat.init_process_group()",
        ignored="backend init_method timeout world_size rank store group_name pg_options device_id",
        returns="other",
        note="Start the processes with msrun, which tells each its rank.",
    ),
    "torch.distributed.get_rank": call("(group=None)", "compat.rank()", refused="group", returns="number"),
    "torch.distributed.get_world_size": call("(group=None)", "compat.processes()", refused="group", returns="number"),
    "torch.distributed.is_available": call("()", "True", returns="number"),
    "torch.distributed.is_initialized": call("()", "ms.communication.GlobalComm.INITED", returns="number"),
    "torch.distributed.barrier": call(
        "(group=None, async_op=False, device_ids=None)",
        "compat.barrier()",
        ignored="device_ids",
        refused="group async_op",
        returns="other",
    ),
    "torch.distributed.all_reduce": call(
        "(tensor, op='sum', group=None, async_op=False)",
        "compat.all_reduce({tensor}, {op})",
        refused="group async_op",
        returns="other",
    ),
    **{f"torch.distributed.ReduceOp.{name}": value(f'"{name.lower()}"', returns="string") for name in _REDUCTIONS},
    "torch.nn.parallel.data_parallel": call(
        "(module, inputs, device_ids=None, output_device=None, dim=0, module_kwargs=None)",
        "{module}({inputs})",
        ignored="device_ids output_device dim",
        refused="module_kwargs",
        note=_ALONE,
    ),
    "torch.utils.checkpoint.checkpoint": call(
        "(function, *args, use_reentrant=None, preserve_rng_state=True, determinism_check='default', debug=False, "
        "context_fn=None)",
        "{function}({*args})",
        ignored="use_reentrant preserve_rng_state determinism_check debug context_fn",
        returns="unknown",
        note="Nothing is computed again to save memory; recompute() of the Cell does so.",
    ),
}
