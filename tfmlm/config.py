"""Settings of `tfmlm train` and `tfmlm evaluate`: validated dataclasses, no TensorFlow.

Each field carries its help text, so that the command line's flags are made from the fields and
cannot drift from them. Names and defaults follow `run_mlm.py` where it has the setting.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from tfmlm.config_base import Config, read_config_file, require_range, setting
from tfmlm.config_recipe import RecipeConfig
from tfmlm.errors import UserError

__all__ = [
    "BlockConfig",
    "Config",
    "CorpusConfig",
    "DeviceConfig",
    "EvaluateConfig",
    "MaskingConfig",
    "TrainConfig",
    "read_config_file",
]

STRATEGIES = ("auto", "one_device", "mirrored", "multi_worker", "tpu")
MIXED_PRECISIONS = ("no", "fp16", "bf16")
HEADERS = ("auto", "yes", "no")
INTERVALS = ("no", "steps", "epoch")
#: Steps between evaluations with `eval_strategy steps` alone, as in run_mlm.py.
DEFAULT_EVAL_STEPS = 500
TOKENIZER_KINDS = ("wordpiece", "bpe", "unigram")


@dataclass(frozen=True, kw_only=True)
class CorpusConfig(Config):
    """Where text comes from."""

    train_file: tuple[str, ...] = setting(
        (),
        "training text: txt, csv, json, jsonl or parquet, also compressed; globs; may be repeated",
    )
    validation_file: tuple[str, ...] = setting(
        (), "validation text, in the same formats; without it a part of the corpus is kept apart"
    )
    validation_split_percentage: float = setting(
        5.0, "percentage of the corpus' blocks kept for validation if no validation text is given"
    )
    dataset_name: str | None = setting(None, "a data set of the Hub, or a local folder of one")
    dataset_config_name: str | None = setting(None, "configuration of the data set")
    dataset_split: str = setting("train", "split of the data set to train on")
    text_column: str | None = setting(
        None,
        "column with the text; dotted for nested columns (answers.text), lists are joined; "
        "default: 'text', else the first column of strings",
    )
    delimiter: str | None = setting(
        None,
        "what stands between two fields of csv and tsv files, or tab, comma, semicolon, pipe "
        "(default: found out)",
    )
    header: str = setting(
        "auto", "whether the first row of csv and tsv files names the columns", choices=HEADERS
    )
    streaming: bool = setting(
        False, "read and tokenize while training, without a pass over the corpus first"
    )
    streaming_buffer_size: int = setting(10_000, "blocks in the shuffle buffer of streaming")
    streaming_validation_texts: int = setting(
        1_000, "texts at the head of a streamed corpus kept for validation if none are given"
    )
    max_train_samples: int | None = setting(None, "use only this many texts of the corpus")
    max_eval_samples: int | None = setting(None, "use only this many validation blocks")
    cache_dir: str | None = setting(
        None, "where tokenized blocks are kept (default: $XDG_CACHE_HOME/tfmlm or ~/.cache/tfmlm)"
    )
    overwrite_cache: bool = setting(False, "tokenize again even if the blocks are in the cache")

    def check(self) -> None:
        super().check()
        if not 0 <= self.validation_split_percentage < 100:
            raise UserError(
                f"validation_split_percentage is {self.validation_split_percentage:g}; "
                "it must be at least 0 and below 100"
            )
        if self.train_file and self.dataset_name:
            raise UserError("give either train_file or dataset_name, not both")
        if self.dataset_config_name and not self.dataset_name:
            raise UserError("dataset_config_name needs dataset_name")
        for name in ("max_train_samples", "max_eval_samples", "streaming_buffer_size"):
            require_range(self, name, 1, float("inf"))
        require_range(self, "streaming_validation_texts", 0, float("inf"))


@dataclass(frozen=True, kw_only=True)
class BlockConfig(Config):
    """How text becomes token sequences."""

    max_seq_length: int | None = setting(
        None,
        "tokens of a block, special tokens included "
        "(default: what tokenizer and model allow, at most 512)",
    )
    line_by_line: bool = setting(False, "one sequence a line or text, instead of full blocks")
    packing: bool = setting(
        False,
        "several texts side by side in a row, each of which sees only itself: no padding as with "
        "line_by_line, no text cut in two as in full blocks",
    )
    pad_to_max_length: bool = setting(
        False, "with line_by_line, pad every sequence to max_seq_length, not to the longest"
    )

    @property
    def lengths_differ(self) -> bool:
        """Whether rows are as long as the longest of their batch, not all of one length."""
        return self.line_by_line and not self.packing and not self.pad_to_max_length

    def check(self) -> None:
        super().check()
        require_range(self, "max_seq_length", 4, float("inf"))


@dataclass(frozen=True, kw_only=True)
class MaskingConfig(Config):
    """Which tokens are hidden, and by what."""

    mlm_probability: float = setting(0.15, "share of the tokens to predict")
    mask_replace_prob: float = setting(0.8, "share of those replaced by the mask token")
    random_replace_prob: float = setting(0.1, "share of those replaced by a random token")
    whole_word_mask: bool = setting(False, "mask all pieces of a word together")
    span_masking: bool = setting(
        False, "mask spans of words of geometric length until the share is reached, as SpanBERT"
    )
    span_geometric_p: float = setting(0.2, "parameter of the spans' geometric length")
    max_span_length: int = setting(10, "longest span, in words")

    def check(self) -> None:
        super().check()
        require_range(self, "mlm_probability", 0, 1, open_low=True)
        require_range(self, "mask_replace_prob", 0, 1)
        require_range(self, "random_replace_prob", 0, 1)
        require_range(self, "span_geometric_p", 0, 1, open_low=True)
        require_range(self, "max_span_length", 1, float("inf"))
        if self.mask_replace_prob + self.random_replace_prob > 1 + 1e-9:
            total = self.mask_replace_prob + self.random_replace_prob
            raise UserError(
                f"mask_replace_prob + random_replace_prob is {total:g}; together at most 1"
            )
        if self.whole_word_mask and self.span_masking:
            raise UserError("give whole_word_mask or span_masking, not both (spans are of words)")


@dataclass(frozen=True, kw_only=True)
class DeviceConfig(Config):
    """What the computation runs on."""

    strategy: str = setting(
        "auto", "how the work is spread over devices and machines", choices=STRATEGIES
    )
    tpu_name: str | None = setting(None, "name or address of the TPU for strategy tpu")
    mixed_precision: str = setting(
        "no", "compute in half precision, weights in float32", choices=MIXED_PRECISIONS
    )
    worker_timeout: float = setting(
        300.0, "seconds to wait for the other workers at the start of a multi_worker run"
    )

    def check(self) -> None:
        super().check()
        require_range(self, "worker_timeout", 0, float("inf"), open_low=True)


@dataclass(frozen=True, kw_only=True)
class TrainConfig(CorpusConfig, BlockConfig, MaskingConfig, RecipeConfig, DeviceConfig):
    """All settings of a training run."""

    model_name_or_path: str | None = setting(
        None, "checkpoint to start from: a folder, or a name on the Hub"
    )
    revision: str | None = setting(None, "branch, tag or commit of the model on the Hub")
    model_type: str | None = setting(
        None, "train a new model of this architecture (bert, roberta, …)"
    )
    config_name: str | None = setting(
        None, "config of the new model, in place of model_type: a folder, or a name on the Hub"
    )
    config_overrides: str | None = setting(
        None, "changes to the new model's config: hidden_size=256,num_hidden_layers=4"
    )
    tokenizer_name: str | None = setting(
        None, "tokenizer, if it is not the model's: a folder, or a name on the Hub"
    )
    train_tokenizer: str | None = setting(
        None, "train a tokenizer of this kind on the corpus", choices=TOKENIZER_KINDS
    )
    vocab_size: int = setting(30_522, "entries of the trained tokenizer's vocabulary, at most")
    tokenizer_lowercase: bool = setting(
        True, "the trained wordpiece tokenizer lowercases and strips accents, as bert-base-uncased"
    )

    per_device_train_batch_size: int = setting(8, "sequences a device takes at once")
    per_device_eval_batch_size: int = setting(8, "sequences a device takes at once in evaluation")
    gradient_accumulation_steps: int = setting(
        1, "batches whose gradients are summed before the weights change"
    )
    group_by_length: bool = setting(
        False, "with line_by_line, sequences of similar length in a batch: less padding"
    )
    num_train_epochs: float = setting(3.0, "passes over the corpus")
    max_steps: int = setting(-1, "number of steps; overrides num_train_epochs if positive")
    seed: int = setting(42, "determines initial weights, order of blocks, masks and dropout")
    gradient_checkpointing: bool = setting(
        False, "layers keep their inputs only and run again in the backward pass: less memory"
    )
    jit_compile: bool = setting(False, "compile forward and backward pass with XLA")

    output_dir: str = setting("", "folder of the results")
    overwrite_output_dir: bool = setting(
        False, "delete a former run's results and checkpoints in output_dir"
    )
    resume_from_checkpoint: str | None = setting(
        None, "checkpoint folder to resume from (default: the newest whole one in output_dir)"
    )
    save_strategy: str = setting(
        "steps", "when checkpoints are saved; no: only when a run is stopped", choices=INTERVALS
    )
    save_steps: int = setting(500, "steps between checkpoints; 0: only when a run is stopped")
    save_total_limit: int = setting(2, "checkpoints that are kept")
    logging_steps: int = setting(10, "steps between points of the loss curve")
    eval_strategy: str | None = setting(
        None,
        "when the model is evaluated; no: at the end only (default: steps if eval_steps is given, "
        "else epoch)",
        choices=INTERVALS,
    )
    eval_steps: int = setting(0, "steps between evaluations; 0: after each epoch")
    eval_on_start: bool = setting(False, "evaluate once before training")
    early_stopping_patience: int = setting(
        0, "stop after this many evaluations without a lower loss; 0: never"
    )
    load_best_model_at_end: bool = setting(
        False, "keep the weights of the best evaluation, not the last (always with early stopping)"
    )

    push_to_hub: bool = setting(False, "push the results to the Hub")
    hub_model_id: str | None = setting(None, "name of the repository on the Hub: user/model")
    hub_private_repo: bool = setting(False, "make the repository private")
    hub_revision: str = setting("main", "branch to push to; it is created if need be")
    hub_timeout: float = setting(
        600.0, "give the Hub up when nothing has moved for so many seconds"
    )

    def check(self) -> None:
        super().check()
        self._check_sources()
        self._check_numbers()

    def _check_sources(self) -> None:
        if not self.output_dir:
            raise UserError("output_dir is missing: give the folder for the results")
        if not self.train_file and not self.dataset_name:
            raise UserError("no corpus: give train_file (a text file) or dataset_name")
        if self.model_name_or_path and self.model_type:
            raise UserError(
                "give model_name_or_path (start from a checkpoint) or model_type "
                "(a new model), not both"
            )
        if self.model_name_or_path and self.config_name not in (None, self.model_name_or_path):
            raise UserError(
                "config_name is for a new model; a checkpoint keeps its config: leave "
                "model_name_or_path or config_name out"
            )
        if not self.model_name_or_path and not self.is_new_model:
            raise UserError(
                "no model: give model_name_or_path (a checkpoint) or model_type (a new model, "
                "such as bert)"
            )
        if self.config_overrides and not self.is_new_model:
            raise UserError("config_overrides needs model_type: a checkpoint keeps its config")
        if self.tokenizer_name and self.train_tokenizer:
            raise UserError("give tokenizer_name or train_tokenizer, not both")
        if self.is_new_model and not self.tokenizer_name and not self.train_tokenizer:
            raise UserError(
                "a new model needs a tokenizer: give train_tokenizer (wordpiece, bpe or unigram) "
                "or tokenizer_name"
            )
        if self.model_name_or_path and self.train_tokenizer:
            raise UserError(
                "train_tokenizer needs model_type: a checkpoint's weights belong to its own "
                "tokenizer"
            )
        if self.decay_from and self.resume_from_checkpoint:
            raise UserError(
                "give decay_from (begin another run's fall) or resume_from_checkpoint (go on with "
                "this run), not both"
            )
        if self.streaming and self.max_steps <= 0 and not (self.decay_from or self.max_hours):
            raise UserError(
                "streaming needs max_steps or max_hours: the corpus' length is not known"
            )
        if self.max_hours and self.max_steps > 0:
            raise UserError("give max_steps or max_hours, not both: one of them ends the run")
        if self.push_to_hub and self.hub_model_id == "":
            raise UserError("hub_model_id is empty; give user/model")

        if self.eval_strategy == "epoch" and self.eval_steps:
            raise UserError("eval_steps needs eval_strategy steps; leave one of them out")

    @property
    def is_new_model(self) -> bool:
        """Whether the run starts from initial weights, not from a checkpoint."""
        return not self.model_name_or_path and bool(self.model_type or self.config_name)

    def evaluation_masking(self) -> MaskingConfig:
        """How held-out text is masked: as the corpus, at a rate of its own."""
        names = [field.name for field in fields(MaskingConfig)]
        values = {name: getattr(self, name) for name in names}
        return MaskingConfig(**{**values, "mlm_probability": self.eval_mlm_probability})

    def evaluation_interval(self, steps_per_epoch: int) -> int | None:
        """Steps between evaluations; None: only at the end."""
        if self.eval_strategy == "no":
            return None
        if self.eval_strategy == "steps":
            return self.eval_steps or DEFAULT_EVAL_STEPS
        return self.eval_steps or steps_per_epoch

    def saving_interval(self, steps_per_epoch: int) -> int | None:
        """Steps between checkpoints; None: only when the run is stopped."""
        if self.save_strategy == "epoch":
            return steps_per_epoch
        return self.save_steps or None if self.save_strategy == "steps" else None

    def _check_averaging(self) -> None:
        if self.load_best_model_at_end or self.early_stopping_patience:
            raise UserError(
                "give average_checkpoints (the mean of the last checkpoints) or "
                "load_best_model_at_end and early_stopping_patience (the best one), not both"
            )
        if self.save_strategy == "no" or (self.save_strategy == "steps" and not self.save_steps):
            raise UserError(
                "average_checkpoints needs checkpoints on the way: give save_steps, or "
                "save_strategy epoch"
            )

    def _check_numbers(self) -> None:
        infinity = float("inf")
        for name in (
            "per_device_train_batch_size",
            "per_device_eval_batch_size",
            "gradient_accumulation_steps",
            "logging_steps",
            "save_total_limit",
        ):
            require_range(self, name, 1, infinity)
        for name in ("save_steps", "eval_steps", "early_stopping_patience"):
            require_range(self, name, 0, infinity)
        require_range(self, "hub_timeout", 0, infinity, open_low=True)
        if self.average_checkpoints > 1:
            self._check_averaging()
        if self.batch_warmup_steps and self.gradient_accumulation_steps == 1:
            raise UserError(
                "batch_warmup_steps needs gradient_accumulation_steps over 1: the batch grows from "
                "one of the accumulated batches to all of them"
            )
        require_range(self, "seed", 0, 2**31 - 1)
        if self.max_steps <= 0:
            require_range(self, "num_train_epochs", 0, infinity, open_low=True)
        lowest = {"wordpiece": 100, "bpe": 261, "unigram": 100}
        if self.train_tokenizer and self.vocab_size < lowest[self.train_tokenizer]:
            raise UserError(
                f"vocab_size is {self.vocab_size}; a {self.train_tokenizer} tokenizer needs at "
                f"least {lowest[self.train_tokenizer]}"
            )


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig(BlockConfig, MaskingConfig, DeviceConfig):
    """All settings of an evaluation."""

    model_name_or_path: str = setting("", "checkpoint: a folder, or a name on the Hub")
    revision: str | None = setting(None, "branch, tag or commit of the model on the Hub")
    allow_untrained_head: bool = setting(
        False, "go on where the checkpoint lacks weights of its masked-LM head, with random ones"
    )
    validation_file: tuple[str, ...] = setting(
        (), "text: txt, csv, json, jsonl or parquet, also compressed; globs; may be repeated"
    )
    dataset_name: str | None = setting(None, "a data set of the Hub, or a local folder of one")
    dataset_config_name: str | None = setting(None, "configuration of the data set")
    dataset_split: str = setting("validation", "split of the data set")
    text_column: str | None = setting(None, "column with the text; dotted for nested columns")
    delimiter: str | None = setting(
        None, "what stands between two fields of csv and tsv files (default: found out)"
    )
    header: str = setting(
        "auto", "whether the first row of csv and tsv files names the columns", choices=HEADERS
    )
    max_eval_samples: int | None = setting(None, "use only this many blocks")
    per_device_eval_batch_size: int = setting(8, "sequences a device takes at once")
    seed: int = setting(42, "determines the masks")
    cache_dir: str | None = setting(None, "where tokenized blocks are kept")
    overwrite_cache: bool = setting(False, "tokenize again even if the blocks are in the cache")
    output_dir: str | None = setting(None, "folder for eval_results.json")

    def check(self) -> None:
        super().check()
        if not self.model_name_or_path:
            raise UserError("no model: give model_name_or_path")
        if not self.validation_file and not self.dataset_name:
            raise UserError("no text: give validation_file or dataset_name")
        if self.validation_file and self.dataset_name:
            raise UserError("give either validation_file or dataset_name, not both")
        require_range(self, "per_device_eval_batch_size", 1, float("inf"))
        require_range(self, "max_eval_samples", 1, float("inf"))
        require_range(self, "seed", 0, 2**31 - 1)
