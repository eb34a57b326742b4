"""The flags of PyTorch's `run_mlm.py` that `tfmlm train` has under another name, or not at all.

Each is translated, ignored with a line that says why it has no meaning here, or refused with what
to use instead. The names are those of transformers' TrainingArguments and of the script's own
arguments: https://huggingface.co/docs/transformers/main_classes/trainer
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tfmlm.errors import UserError


@dataclass(frozen=True)
class Translated:
    """What a flag comes to.

    Attributes:
        settings: values by the names of `TrainConfig`.
        environment: variables for this process, set before TensorFlow is imported.
        note: a line for the user, empty if there is nothing to say.
    """

    settings: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True)
class Foreign:
    """A flag of run_mlm.py.

    Attributes:
        names: without dashes; the first is the one to show.
        does: what it comes to here, in a few words, for the documentation.
        translate: its value as text ("true" for a bare switch), and the name it was given by, to
            what it comes to; raises `UserError` for what cannot be honoured.
        many: several values may follow it; each is translated.
    """

    names: tuple[str, ...]
    does: str
    translate: Callable[[str, str], Translated]
    many: bool = False


def _is_true(text: str) -> bool:
    return text.strip().lower() in ("true", "yes", "on", "1")


def _renamed(names: str, setting: str) -> Foreign:
    return Foreign(
        tuple(names.split()), f"`--{setting}`", lambda text, _: Translated({setting: text})
    )


def _ignored(names: str, why: str) -> Foreign:
    def translate(text: str, name: str) -> Translated:
        return Translated(note=f"--{name} is ignored: {why}")

    return Foreign(tuple(names.split()), f"ignored: {why}", translate)


def _implied(names: str, value: str, does: str, instead: str) -> Foreign:
    """A switch whose one value is what happens anyway; the other is refused."""

    def translate(text: str, name: str) -> Translated:
        if _is_true(text) == (value == "true"):
            return Translated()
        raise UserError(f"--{name} {text} is not possible here: {instead}")

    return Foreign(tuple(names.split()), does, translate)


def _refused(
    names: str, instead: str, harmless: tuple[str, ...] = (), many: bool = False
) -> Foreign:
    def translate(text: str, name: str) -> Translated:
        if text.strip().lower() in harmless:
            return Translated()
        raise UserError(f"--{name} is not available here: {instead}")

    return Foreign(tuple(names.split()), f"refused: {instead}", translate, many)


def _one_of(
    names: str, does: str, outcomes: Mapping[str, Translated | str], many: bool = False
) -> Foreign:
    """A flag with a few values; an outcome that is a string refuses the value with it."""

    def translate(text: str, name: str) -> Translated:
        found = outcomes.get(text.strip().lower(), outcomes.get("*"))
        if found is None:
            raise UserError(f"--{name} is {text!r}; choose from {', '.join(outcomes)}")
        if isinstance(found, str):
            raise UserError(f"--{name} {text} is not available here: {found}")
        return found

    return Foreign(tuple(names.split()), does, translate, many)


def _precision(names: str, precision: str) -> Foreign:
    def translate(text: str, name: str) -> Translated:
        return Translated({"mixed_precision": precision} if _is_true(text) else {})

    return Foreign(tuple(names.split()), f"`--mixed_precision {precision}`", translate)


def _token(text: str, name: str) -> Translated:
    if text.strip().lower() in ("true", "false", "none"):  # the stored token is used anyway
        return Translated()
    return Translated(environment={"HF_TOKEN": text})


def _on_cpu(text: str, name: str) -> Translated:
    return Translated(environment={"CUDA_VISIBLE_DEVICES": ""} if _is_true(text) else {})


_NOTHING = Translated()

FOREIGN: tuple[Foreign, ...] = (
    _implied("do_train", "true", "what the command does", "use tfmlm evaluate"),
    _implied(
        "do_eval",
        "true",
        "what the command does",
        "held-out text is always evaluated; --validation_split_percentage 0 without "
        "--validation_file holds none out, and --eval_strategy no evaluates at the end only",
    ),
    _refused("do_predict", "use tfmlm fill on texts with masks", ("false",)),
    _renamed("model_revision", "revision"),
    _renamed("evaluation_strategy", "eval_strategy"),
    _precision("fp16", "fp16"),
    _precision("bf16", "bf16"),
    _refused("fp16_full_eval bf16_full_eval", "evaluation uses --mixed_precision too", ("false",)),
    _one_of(
        "torch_dtype dtype",
        "weights are float32; `--mixed_precision` computes in half precision",
        {
            "auto": _NOTHING,
            "float32": _NOTHING,
            "*": "weights are kept in float32; use --mixed_precision bf16 or fp16",
        },
    ),
    _refused("adafactor", "use --optim adamw or stable_adamw", ("false",)),
    _one_of(
        "metric_for_best_model",
        "the held-out loss",
        {
            "loss": _NOTHING,
            "eval_loss": _NOTHING,
            "*": "the best model is the one of the lowest held-out loss",
        },
    ),
    _implied(
        "greater_is_better", "false", "false: a lower loss is better", "a lower loss is better"
    ),
    _one_of(
        "report_to",
        "TensorBoard's files are always written",
        {
            "tensorboard": _NOTHING,
            "all": _NOTHING,
            "none": Translated(
                note="--report_to none: TensorBoard's files are written to output_dir/logs anyway"
            ),
            "*": "the curves are in output_dir/logs for TensorBoard; for another service give a "
            "Keras callback to tfmlm.training.run_training",
        },
        many=True,
    ),
    _ignored("logging_dir", "TensorBoard's files are in output_dir/logs"),
    _ignored("run_name", "runs are told apart by their output_dir"),
    _ignored("logging_strategy logging_first_step", "the curve has a point every --logging_steps"),
    _ignored("log_level log_level_replica log_on_each_node", "use --verbose for more"),
    _ignored("logging_nan_inf_filter", "a loss that is not finite is shown as it is"),
    _ignored("preprocessing_num_workers", "all cores tokenize"),
    _ignored(
        "dataloader_num_workers dataloader_prefetch_factor dataloader_persistent_workers",
        "tf.data reads ahead with threads of its own",
    ),
    _ignored("dataloader_pin_memory", "TensorFlow moves batches to the device by itself"),
    _refused("dataloader_drop_last", "every block is trained on in every epoch", ("false",)),
    _ignored("low_cpu_mem_usage", "weights are read one by one"),
    _implied(
        "use_fast_tokenizer",
        "true",
        "always so",
        "tokenizers without a fast version cannot be used; choose one with --tokenizer_name",
    ),
    _implied(
        "trust_remote_code",
        "false",
        "false: code from the Hub is never run",
        "code from the Hub is never run; choose an architecture of transformers",
    ),
    _implied("save_safetensors", "true", "always so", "checkpoints are model.safetensors always"),
    _ignored("save_only_model", "step checkpoints hold what a resume needs"),
    _ignored("remove_unused_columns", "only the text is read"),
    _ignored(
        "prediction_loss_only eval_do_concat_batches eval_accumulation_steps",
        "evaluation keeps sums, no logits",
    ),
    _ignored(
        "include_num_input_tokens_seen include_tokens_per_second",
        "tokens per second are shown always",
    ),
    _renamed("push_to_hub_model_id", "hub_model_id"),
    _refused("push_to_hub_organization", "use --hub_model_id organization/model"),
    Foreign(
        ("token", "hub_token", "push_to_hub_token", "use_auth_token"),
        "`HF_TOKEN` of this process",
        _token,
    ),
    _one_of(
        "hub_strategy",
        "pushes beside training, and the end always",
        {
            "every_save": _NOTHING,
            "end": Translated(
                note="--hub_strategy end: saves are pushed on the way too, the last at the end"
            ),
            "*": "pushes hold the model, not the state of training; leave the flag out",
        },
    ),
    _ignored("hub_always_push", "the newest save is pushed when the one before has arrived"),
    Foreign(("use_cpu", "no_cuda"), "`CUDA_VISIBLE_DEVICES` empty", _on_cpu),
    _renamed("torch_compile", "jit_compile"),
    _ignored("torch_compile_backend torch_compile_mode", "--jit_compile uses XLA"),
    _ignored("tf32", "TensorFlow uses TF32 on devices that have it"),
    _ignored(
        "local_rank ddp_backend ddp_timeout ddp_find_unused_parameters "
        "ddp_bucket_cap_mb ddp_broadcast_buffers",
        "see --strategy for several devices",
    ),
    _refused("deepspeed fsdp fsdp_config", "use --strategy mirrored or multi_worker", ("",)),
    _refused("auto_find_batch_size", "choose --per_device_train_batch_size", ("false",)),
    _refused("label_smoothing_factor", "the loss is the plain cross-entropy", ("0", "0.0")),
    _refused("per_gpu_train_batch_size", "use --per_device_train_batch_size"),
    _refused("per_gpu_eval_batch_size", "use --per_device_eval_batch_size"),
    _ignored("data_seed", "--seed determines order and masks"),
    _ignored("full_determinism", "runs are functions of --seed"),
    _ignored("skip_memory_metrics", "memory is not measured"),
    _ignored("ignore_data_skip", "a resumed run knows its place in the data without reading it"),
    _ignored("torch_empty_cache_steps", "TensorFlow has no such cache"),
    _ignored("ray_scope", "there is no search over settings"),
    _ignored("gradient_checkpointing_kwargs", "there is one way to run a layer again"),
    _ignored("length_column_name", "lengths are those of the tokens"),
    _ignored("disable_tqdm", "the bar is shown on terminals only"),
    _refused("eval_delay", "use --eval_strategy no, or --eval_steps", ("0", "0.0")),
    _refused(
        "lr_scheduler_kwargs",
        "use --lr_end, --lr_power, --decay_steps and --decay_shape",
        ("", "{}"),
    ),
    _refused(
        "optim_args optim_target_modules", "use --adam_beta1, --adam_beta2, --adam_epsilon", ("",)
    ),
    _refused(
        "batch_eval_metrics include_for_metrics include_inputs_for_metrics label_names",
        "loss, perplexity and accuracies are computed always, others are not",
        ("false", "[]"),
        many=True,
    ),
    _refused("tpu_num_cores", "use --strategy tpu and --tpu_name", ("none",)),
    _ignored("average_tokens_across_devices", "the loss is a mean over the tokens of all devices"),
    _ignored("save_on_each_node", "one worker saves for all"),
    _ignored("restore_callback_states_from_checkpoint", "a resume restores them always"),
    _ignored(
        "accelerator_config eval_use_gather_object fp16_backend fp16_opt_level "
        "fsdp_min_num_params fsdp_transformer_layer_cls_to_wrap half_precision_backend "
        "jit_mode_eval liger_kernel_config mp_parameters parallelism_config past_index project "
        "torchdynamo tpu_metrics_debug trackio_space_id use_ipex use_legacy_prediction_loop "
        "use_liger_kernel use_mps_device",
        "it is about parts of PyTorch's trainer",
    ),
    _refused("neftune_noise_alpha", "it is a method for instruction tuning", ("none",)),
)


#: Values of settings that have another name there.
VALUES = {
    "lr_scheduler_type": {"constant_with_warmup": "constant", "warmup_stable_decay": "wsd"},
    "optim": dict.fromkeys(
        ("adamw_torch", "adamw_torch_fused", "adamw_torch_xla", "adamw_apex_fused", "adamw_hf"),
        "adamw",
    ),
}


def add_run_mlm_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the flags, unseen in `--help`; what is given is found by `take_run_mlm_flags`."""
    for flag in FOREIGN:
        values: dict[str, Any] = {"nargs": "+"} if flag.many else {"nargs": "?", "const": "true"}
        for name in flag.names:
            spellings = dict.fromkeys((f"--{name}", f"--{name.replace('_', '-')}"))
            parser.add_argument(
                *spellings,
                dest=name.replace("-", "_"),
                default=argparse.SUPPRESS,
                help=argparse.SUPPRESS,
                **values,
            )


def take_run_mlm_flags(values: dict[str, Any]) -> Translated:
    """Takes the flags of run_mlm.py out of settings and translates them.

    Args:
        values: settings by name, as given; foreign names are removed and what they come to is put
            in.

    Returns:
        Variables for the environment, and a note of one line for each flag that is ignored.

    Raises:
        UserError: a flag that cannot be honoured, or that contradicts another.
    """
    environment: dict[str, str] = {}
    notes: list[str] = []
    for flag in FOREIGN:
        for name in (n.replace("-", "_") for n in flag.names):
            if name not in values:
                continue
            given = values.pop(name)
            for item in given if isinstance(given, list) else [given]:
                outcome = flag.translate("true" if item is True else str(item), name)
                for setting, value in outcome.settings.items():
                    if str(values.get(setting, value)) != str(value):
                        raise UserError(
                            f"--{name} means {setting} {value}, but {setting} is "
                            f"{values[setting]!r}"
                        )
                    values[setting] = value
                environment |= outcome.environment
                if outcome.note:
                    notes.append(outcome.note)
    for setting, renamed in VALUES.items():
        if setting in values:
            values[setting] = renamed.get(values[setting], values[setting])
    if str(values.get("resume_from_checkpoint")).strip().lower() == "true":
        del values["resume_from_checkpoint"]  # the newest checkpoint, as always
    _without_shares(values)
    return Translated(environment=environment, note="\n".join(notes))


def _without_shares(values: dict[str, Any]) -> None:
    """Numbers of steps below 1, which there are shares of the run.

    Raises:
        UserError: such a number of a setting that has no share here.
    """
    for setting in ("warmup_steps", "logging_steps", "save_steps", "eval_steps"):
        try:
            share = float(values.get(setting, 0))
        except (TypeError, ValueError):
            continue
        if not 0 < share < 1:
            continue
        if setting != "warmup_steps":
            raise UserError(
                f"--{setting} is {share:g}; give a number of steps, not a share of them"
            )
        del values[setting]
        values["warmup_ratio"] = share


def documentation_table() -> str:
    """The flags and what they come to, as a Markdown table."""
    rows = [
        f"| {', '.join(f'`--{name}`' for name in flag.names)} | {flag.does} |" for flag in FOREIGN
    ]
    for setting, values in VALUES.items():
        for value in dict.fromkeys(values.values()):
            theirs = ", ".join(f"`{name}`" for name, ours in values.items() if ours == value)
            rows.append(f"| `--{setting}` {theirs} | `--{setting} {value}` |")
    return "\n".join(["| flag of run_mlm.py | here |", "|---|---|", *rows])
