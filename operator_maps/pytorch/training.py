"""Training: optimizers, schedulers, gradients, datasets, files of weights."""

from __future__ import annotations

from converter.rewriting import Row, attribute, call, missing, value

_LOADER = (
    "(dataset, batch_size=1, shuffle=None, sampler=None, batch_sampler=None, num_workers=0, collate_fn=None, "
    "pin_memory=False, drop_last=False, timeout=0, worker_init_fn=None, multiprocessing_context=None, generator=None, "
    "*, prefetch_factor=None, persistent_workers=False, pin_memory_device='', in_order=True)"
)
_SPECTRAL = "(module, name='weight', n_power_iterations=1, eps=1e-12, dim=None)"
_LRS = {
    "StepLR": "optimizer, step_size, gamma=0.1, last_epoch=-1",
    "MultiStepLR": "optimizer, milestones, gamma=0.1, last_epoch=-1",
    "ExponentialLR": "optimizer, gamma, last_epoch=-1",
    "LambdaLR": "optimizer, lr_lambda, last_epoch=-1",
    "MultiplicativeLR": "optimizer, lr_lambda, last_epoch=-1",
    "LinearLR": "optimizer, start_factor=0.3333333333333333, end_factor=1.0, total_iters=5, last_epoch=-1",
    "PolynomialLR": "optimizer, total_iters=5, power=1.0, last_epoch=-1",
    "CosineAnnealingLR": "optimizer, T_max, eta_min=0.0, last_epoch=-1",
    "CosineAnnealingWarmRestarts": "optimizer, T_0, T_mult=1, eta_min=0, last_epoch=-1",
    "ConstantLR": "optimizer, factor=0.3333333333333333, total_iters=5, last_epoch=-1",
    "SequentialLR": "optimizer, schedulers, milestones, last_epoch=-1",
    "ReduceLROnPlateau": "optimizer, mode='min', factor=0.1, patience=10, threshold=0.0001, threshold_mode='rel', "
    "cooldown=0, min_lr=0, eps=1e-08",
    "OneCycleLR": "optimizer, max_lr, total_steps=None, epochs=None, steps_per_epoch=None, pct_start=0.3, "
    "anneal_strategy='cos', cycle_momentum=True, base_momentum=0.85, max_momentum=0.95, div_factor=25.0, "
    "final_div_factor=10000.0, three_phase=False, last_epoch=-1",
    "CyclicLR": "optimizer, base_lr, max_lr, step_size_up=2000, step_size_down=None, mode='triangular', gamma=1.0, "
    "scale_fn=None, scale_mode='cycle', cycle_momentum=True, base_momentum=0.8, max_momentum=0.9, last_epoch=-1",
}
_OPTIMIZERS = {
    "SGD": "lr=0.001, momentum=0, dampening=0, weight_decay=0, nesterov=False, *, maximize=False, foreach=None, "
    "differentiable=False, fused=None",
    "Adam": "lr=0.001, betas=(0.9, 0.999), eps=1e-08, weight_decay=0, amsgrad=False, *, foreach=None, maximize=False, "
    "capturable=False, differentiable=False, fused=None, decoupled_weight_decay=False",
    "AdamW": "lr=0.001, betas=(0.9, 0.999), eps=1e-08, weight_decay=0.01, amsgrad=False, *, maximize=False, "
    "foreach=None, capturable=False, differentiable=False, fused=None",
    "RMSprop": "lr=0.01, alpha=0.99, eps=1e-08, weight_decay=0, momentum=0, centered=False, capturable=False, "
    "foreach=None, maximize=False, differentiable=False",
    "Adagrad": "lr=0.01, lr_decay=0, weight_decay=0, initial_accumulator_value=0, eps=1e-10, foreach=None, *, "
    "maximize=False, differentiable=False, fused=None",
    "Adadelta": "lr=1.0, rho=0.9, eps=1e-06, weight_decay=0, foreach=None, *, capturable=False, maximize=False, "
    "differentiable=False",
    "Adamax": "lr=0.002, betas=(0.9, 0.999), eps=1e-08, weight_decay=0, foreach=None, *, maximize=False, "
    "differentiable=False, capturable=False",
    "NAdam": "lr=0.002, betas=(0.9, 0.999), eps=1e-08, weight_decay=0, momentum_decay=0.004, "
    "decoupled_weight_decay=False, *, foreach=None, maximize=False, capturable=False, differentiable=False",
    "RAdam": "lr=0.001, betas=(0.9, 0.999), eps=1e-08, weight_decay=0, decoupled_weight_decay=False, *, foreach=None, "
    "maximize=False, capturable=False, differentiable=False",
    "Rprop": "lr=0.01, etas=(0.5, 1.2), step_sizes=(1e-06, 50), *, capturable=False, foreach=None, maximize=False, "
    "differentiable=False",
    "ASGD": "lr=0.01, lambd=0.0001, alpha=0.75, t0=1000000.0, weight_decay=0, foreach=None, maximize=False, "
    "differentiable=False, capturable=False",
}


def _scheduler(signature: str, name: str) -> Row:
    names = [part.split("=")[0].strip() for part in signature.split(",")]
    inside = ", ".join(f"{each}={{{each}}}" for each in names)
    return call(
        f"({signature}, verbose='deprecated')",
        f"compat.{name}({inside})",
        ignored="verbose",
        value=f"compat.{name}",
        returns="other",
    )


ROWS: dict[str, Row] = {
    **{
        f"torch.optim.{name}": call(
            f"(params, {signature})", f"compat.{name}(...)", value=f"compat.{name}", returns="other"
        )
        for name, signature in _OPTIMIZERS.items()
    },
    "torch.optim.LBFGS": call(
        "(params, lr=1, max_iter=20, max_eval=None, tolerance_grad=1e-07, tolerance_change=1e-09, history_size=100, "
        "line_search_fn=None)",
        "compat.LBFGS(...)",
        value="compat.LBFGS",
        refused="line_search_fn",
        returns="other",
    ),
    "torch.optim.Optimizer": value("compat.Optimizer"),
    **{f"torch.optim.lr_scheduler.{name}": _scheduler(signature, name) for name, signature in _LRS.items()},
    "torch.optim.lr_scheduler.LRScheduler": value("compat.LRScheduler"),
    "torch.optim.lr_scheduler._LRScheduler": value("compat.LRScheduler"),
    "torch.optim.lr_scheduler.ChainedScheduler": call(
        "(schedulers, optimizer=None)", "compat.ChainedScheduler(...)", returns="other"
    ),
    "torch.Tensor.backward": missing(
        "What computes the loss is not seen: compute it in a function, and call "
        "mindspore.value_and_grad(function, None, optimizer.parameters)."
    ),
    "torch.Tensor.grad": attribute("compat.gradient_of({self})", returns="tensor"),
    "torch.nn.utils.clip_grad_norm_": call(
        "(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None)", "compat.clip_grad_norm_(...)"
    ),
    "torch.nn.utils.clip_grad_value_": call(
        "(parameters, clip_value, foreach=None)", "compat.clip_grad_value_(...)", returns="other"
    ),
    **{
        name: call("(*args, **kwargs)", "compat.GradScaler()", ignored="args kwargs", returns="other")
        for name in ("torch.cuda.amp.GradScaler", "torch.amp.GradScaler")
    },
    **{
        f"{module}.SummaryWriter": call(
            "(log_dir=None, comment='', purge_step=None, max_queue=10, flush_secs=120, filename_suffix='')",
            "compat.SummaryWriter(...)",
            value="compat.SummaryWriter",
            returns="other",
            note="Scalars, histograms and images are written.",
        )
        for module in ("torch.utils.tensorboard", "torch.utils.tensorboard.writer")
    },
    "torch.utils.data.Dataset": value("compat.Dataset"),
    "torch.utils.data.DataLoader": call(
        _LOADER, "compat.DataLoader(...)", value="compat.DataLoader", returns="batches"
    ),
    "torch.utils.data.TensorDataset": call(
        "(*tensors)", "compat.TensorDataset(...)", value="compat.TensorDataset", returns="other"
    ),
    "torch.utils.data.IterableDataset": value("compat.Dataset"),
    "torch.utils.data.Sampler": value("compat.Sampler"),
    **{
        f"torch.utils.data.{name}": call(signature, f"compat.{name}(...)", value=f"compat.{name}", returns="other")
        for name, signature in (
            ("ConcatDataset", "(datasets)"),
            ("SequentialSampler", "(data_source)"),
            ("RandomSampler", "(data_source, replacement=False, num_samples=None, generator=None)"),
            ("SubsetRandomSampler", "(indices, generator=None)"),
            ("WeightedRandomSampler", "(weights, num_samples, replacement=True, generator=None)"),
            ("BatchSampler", "(sampler, batch_size, drop_last)"),
            (
                "DistributedSampler",
                "(dataset, num_replicas=None, rank=None, shuffle=True, seed=0, drop_last=False)",
            ),
        )
    },
    "torch.utils.data.default_collate": call("(batch)", "compat.default_collate(...)", value="compat.default_collate"),
    "torch.nn.utils.rnn.pad_sequence": call(
        "(sequences, batch_first=False, padding_value=0.0, padding_side='right')",
        "compat.pad_sequence({sequences}, {batch_first!}, {padding_value!})",
        refused="padding_side",
    ),
    "torch.nn.utils.rnn.pack_padded_sequence": call(
        "(input, lengths, batch_first=False, enforce_sorted=True)",
        "compat.pack_padded_sequence(input={input}, lengths={lengths}, batch_first={batch_first})",
        ignored="enforce_sorted",
        returns="packed",
    ),
    "torch.nn.utils.rnn.pack_sequence": call(
        "(sequences, enforce_sorted=True)",
        "compat.pack_sequence({sequences})",
        ignored="enforce_sorted",
        returns="packed",
    ),
    "torch.nn.utils.rnn.pad_packed_sequence": call(
        "(sequence, batch_first=False, padding_value=0.0, total_length=None)",
        "compat.pad_packed_sequence(...)",
        returns="tensors",
    ),
    **{
        f"torch.nn.utils.{name}": call(signature, f"compat.{became}(...)", returns="unknown")
        for name, signature, became in (
            ("spectral_norm", _SPECTRAL, "spectral_norm"),
            ("parametrizations.spectral_norm", _SPECTRAL, "parametrized_spectral_norm"),
            ("weight_norm", "(module, name='weight', dim=0)", "weight_norm"),
            ("parametrizations.weight_norm", "(module, name='weight', dim=0)", "weight_norm"),
            ("remove_spectral_norm", "(module, name='weight')", "remove_norm"),
            ("remove_weight_norm", "(module, name='weight')", "remove_norm"),
        )
    },
    "torch.autograd.grad": call(
        "(outputs, inputs, grad_outputs=None, retain_graph=None, create_graph=False, only_inputs=True, "
        "allow_unused=None, is_grads_batched=False, materialize_grads=False)",
        None,
        returns="tensors",
        remedy="What computes the outputs is not seen: call mindspore.grad of a function that does.",
    ),
    "torch.nn.utils.parametrize.register_parametrization": call(
        "(module, tensor_name, parametrization, *, unsafe=False)",
        "compat.register_parametrization(...)",
        returns="unknown",
    ),
    "torch.nn.utils.parametrize.is_parametrized": call(
        "(module, tensor_name=None)", "compat.is_parametrized(...)", returns="number"
    ),
    "torch.nn.utils.parametrize.remove_parametrizations": call(
        "(module, tensor_name, leave_parametrized=True)", "compat.remove_parametrizations(...)", returns="unknown"
    ),
    "torch.nn.utils.parametrize.cached": missing("Remove it: nothing is kept between two uses of a weight."),
    "torch.nn.utils.parametrizations.orthogonal": missing(
        "Write the Cell that makes the matrix orthogonal, and register it as a parametrization."
    ),
    **{
        f"torch.nn.modules.utils._{name}": call("(x)", f"compat.tuple_of({{x}}, {count})", returns="size")
        for name, count in (("single", 1), ("pair", 2), ("triple", 3), ("quadruple", 4))
    },
    "torch.nn.utils.vector_to_parameters": call(
        "(vec, parameters)", "compat.vector_to_parameters(...)", returns="other"
    ),
    "torch.nn.utils.parameters_to_vector": call("(parameters)", "compat.parameters_to_vector(...)"),
    "torch.utils.data.Subset": call("(dataset, indices)", "compat.Subset(...)", value="compat.Subset", returns="other"),
    "torch.utils.data.random_split": call(
        "(dataset, lengths, generator=None)", "compat.random_split(...)", returns="unknown"
    ),
    "torch.manual_seed": call("(seed)", "ms.set_seed({seed})", returns="other"),
    **{
        name: call("(seed)", "ms.set_seed({seed})", returns="other")
        for name in (
            "torch.cuda.manual_seed",
            "torch.cuda.manual_seed_all",
            "torch.mps.manual_seed",
            "torch.random.manual_seed",
        )
    },
    "torch.cuda.set_device": call(
        "(device)", 'ms.set_device(ms.get_context("device_target"), {device})', returns="other"
    ),
    "torch.nn.DataParallel": call(
        "(module, device_ids=None, output_device=None, dim=0)",
        "compat.data_parallel({module})",
        instance_of="compat.Parallel",
        ignored="device_ids output_device dim",
        returns="unknown",
        note="One process computes; mindspore.communication and msrun spread the data over several.",
    ),
    "torch.nn.parallel.DistributedDataParallel": call(
        "(module, device_ids=None, output_device=None, dim=0, broadcast_buffers=True, init_sync=True, "
        "process_group=None, bucket_cap_mb=None, find_unused_parameters=False, check_reduction=False, "
        "gradient_as_bucket_view=False, static_graph=False)",
        "compat.distributed_data_parallel({module})",
        instance_of="compat.Parallel",
        ignored="device_ids output_device dim broadcast_buffers init_sync bucket_cap_mb find_unused_parameters "
        "check_reduction gradient_as_bucket_view static_graph",
        refused="process_group",
        returns="unknown",
        note="Processes that msrun starts average the gradients; give all of them one seed, so that they begin alike.",
    ),
    "torch.set_grad_enabled": call("(mode)", "compat.no_grad()", ignored="mode", returns="other"),
    "torch.cuda.device_count": call("()", "1", returns="number"),
    "torch.cuda.empty_cache": value(""),
    "torch.cuda.synchronize": value(""),
    "torch.save": call(
        "(obj, f, pickle_module=None, pickle_protocol=2, _use_new_zipfile_serialization=True)",
        "compat.save({obj}, {f})",
        ignored="pickle_module pickle_protocol _use_new_zipfile_serialization",
        returns="other",
        note="The file holds arrays of NumPy, pickled; mindspore.save_checkpoint writes a checkpoint.",
    ),
    "torch.load": call(
        "(f, map_location=None, pickle_module=None, *, weights_only=True, mmap=None)",
        "compat.load({f})",
        ignored="map_location pickle_module weights_only mmap",
        returns="unknown",
        note="It reads what the converted torch.save wrote; PyTorch's own files become checkpoints with --weights.",
    ),
}
