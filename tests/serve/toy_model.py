"""A small SavedModel with the signatures of an export, made by hand.

Its answers depend on nothing but the row's own text, the position of the mask and the model's
`flavour`, so that a test can work out by itself what a server has to answer.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

MASK = "[MASK]"
WORDS = ["capital", "centre", "city", "heart", "largest", "name", "north", "pride", "soul", "south"]
DEFAULT_TOP_K = 5
MAX_TEXT_BYTES = 2000


def build_module(flavour: int = 0, work: int = 0, ballast_mib: int = 0):
    """A `tf.Module` and its signatures; `work` adds that many matrix products per batch, and
    `ballast_mib` so much memory of weights that are not used."""
    import tensorflow as tf

    words = tf.constant(WORDS)

    class Toy(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.flavour = tf.Variable(flavour, dtype=tf.int64, name="flavour")
            self.table = tf.lookup.StaticHashTable(
                tf.lookup.KeyValueTensorInitializer(words, tf.range(len(WORDS), dtype=tf.int32)), -1
            )
            if ballast_mib:
                self.ballast = tf.Variable(tf.ones([ballast_mib, 1 << 18]))
            if work:
                self.weights = tf.Variable(tf.random.stateless_normal([256, 256], [1, 2]) / 16)

        def scores(self, text: tf.Tensor, masks: tf.Tensor) -> tf.Tensor:
            """[batch, masks, vocabulary] probabilities from hashes of (text, mask, word)."""
            key = text + "|" + tf.strings.as_string(self.flavour) + "|"
            which = tf.strings.as_string(tf.range(masks)) + "|"
            key = (key[:, None] + which[None])[:, :, None] + words[None, None]
            logits = tf.cast(tf.strings.to_hash_bucket_fast(key, 1000), tf.float32) / 100.0
            if work:
                x = tf.ones([tf.shape(text)[0] * 16, 256]) * tf.reduce_sum(logits * 1e-9)
                x = tf.while_loop(
                    lambda i, _: i < work,
                    lambda i, x: (i + 1, tf.tanh(x @ self.weights)),
                    (0, x),
                )[1]
                logits += tf.reduce_sum(x) * 0.0
            return tf.nn.softmax(logits)

        def prepare(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
            long = tf.strings.length(text) > MAX_TEXT_BYTES
            ragged = tf.strings.split(tf.where(long, "", text), MASK)
            # tf.strings.split of "" gives no piece, where Python gives one
            pieces = ragged.to_tensor("")
            count = tf.maximum(tf.cast(ragged.row_lengths(), tf.int32) - 1, 0)
            count = tf.where(long, 0, count)
            masks = tf.reduce_max(tf.concat([count, [0]], 0))
            pieces = pieces[:, : masks + 1]
            status = tf.where(long, "too_long", tf.where(count > 0, "ok", "no_mask"))
            return {
                "text": text,
                "pieces": pieces,
                "count": count,
                "masks": masks,
                "status": status,
            }

        def answer(
            self, row: dict[str, tf.Tensor], score: tf.Tensor, token: tf.Tensor, wanted: tf.Tensor
        ):
            """Outputs from `score`, `token` and `wanted`, each [batch, masks, k]."""
            count, pieces = row["count"], row["pieces"]
            masks = row["masks"]
            there = (tf.range(masks)[None, :] < count[:, None])[:, :, None] & wanted
            k = tf.shape(score)[2]
            position = tf.range(masks + 1)
            used = position[None, :] < count[:, None]
            mask_after = tf.where(used, MASK, "")[:, None, :]
            j = tf.range(masks)[:, None]
            body = pieces[:, None, :]
            left = tf.where((position < j)[None], body + mask_after, "")
            left = tf.where((position == j)[None], tf.broadcast_to(body, tf.shape(left)), left)
            right = tf.where((position > j)[None], body + mask_after, "")
            left = tf.strings.reduce_join(left, axis=2)[:, :, None]
            right = tf.strings.reduce_join(right, axis=2)[:, :, None]
            word = tf.where(there, tf.gather(words, tf.maximum(token, 0)), "")
            sequence = tf.where(there, left + word + right, "")
            best = tf.cond(
                k > 0, lambda: word[:, :, 0], lambda: tf.zeros(tf.shape(word)[:2], tf.string)
            )
            best = tf.concat([best, tf.fill([tf.shape(best)[0], 1], "")], 1)
            filled = tf.strings.reduce_join(pieces + best, axis=1)
            return {
                "score": tf.where(there, score, 0.0),
                "token": tf.where(there, token, -1),
                "token_str": word,
                "sequence": sequence,
                "mask_count": count,
                "filled": tf.where(row["status"] == "ok", filled, row["text"]),
                "status": row["status"],
            }

        def fill_k(self, text: tf.Tensor, top_k: tf.Tensor):
            row = self.prepare(text)
            k = tf.clip_by_value(tf.reduce_max(tf.concat([top_k, [0]], 0)), 0, len(WORDS))
            score, token = tf.math.top_k(self.scores(text, row["masks"]), k)
            wanted = tf.range(k)[None, None, :] < top_k[:, None, None]
            return self.answer(row, score, token, tf.broadcast_to(wanted, tf.shape(score)))

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "text")])
        def serving_default(self, text: tf.Tensor):
            return self.fill_k(text, tf.fill(tf.shape(text), DEFAULT_TOP_K))

        @tf.function(
            input_signature=[
                tf.TensorSpec([None], tf.string, "text"),
                tf.TensorSpec([None], tf.int32, "top_k"),
            ]
        )
        def fill_mask_top_k(self, text: tf.Tensor, top_k: tf.Tensor):
            return self.fill_k(text, top_k)

        @tf.function(
            input_signature=[
                tf.TensorSpec([None], tf.string, "text"),
                tf.TensorSpec([None, None], tf.string, "targets"),
            ]
        )
        def fill_mask_targets(self, text: tf.Tensor, targets: tf.Tensor):
            row = self.prepare(text)
            ids = self.table.lookup(targets)  # [batch, n]
            scores = self.scores(text, row["masks"])
            known = ids >= 0
            ids3 = tf.broadcast_to(
                ids[:, None, :], [tf.shape(ids)[0], row["masks"], tf.shape(ids)[1]]
            )
            picked = tf.gather(scores, tf.maximum(ids3, 0), axis=2, batch_dims=2)
            picked = tf.where(known[:, None, :], picked, -1.0)
            order = tf.argsort(picked, direction="DESCENDING", stable=True)
            score = tf.gather(picked, order, batch_dims=2)
            token = tf.gather(ids3, order, batch_dims=2)
            out = self.answer(row, score, token, score >= 0)
            return out | {"target_exact": known}

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "text")])
        def tokenize(self, text: tf.Tensor):
            ids = self.table.lookup(tf.strings.split(text).flat_values)
            ragged = tf.strings.split(text).with_flat_values(ids)
            dense = ragged.to_tensor(0)
            return {
                "input_ids": dense,
                "attention_mask": tf.cast(tf.sequence_mask(ragged.row_lengths()), tf.int32),
            }

        @tf.function(
            input_signature=[
                tf.TensorSpec([None, None], tf.int32, "input_ids"),
                tf.TensorSpec([None, None], tf.int32, "attention_mask"),
            ]
        )
        def fill_mask_ids(self, input_ids: tf.Tensor, attention_mask: tf.Tensor):
            score, token = tf.math.top_k(tf.cast(input_ids * attention_mask, tf.float32), 1)
            position = tf.argmax(input_ids * attention_mask, 1, output_type=tf.int32)
            return {
                "score": score[:, None],
                "token": token[:, None],
                "mask_position": position[:, None],
            }

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "text")])
        def score_text(self, text: tf.Tensor):
            """A word of n characters has the score -n."""
            words = tf.strings.split(text)
            size = tf.cast(tf.strings.length(words.flat_values), tf.float32)
            score = words.with_flat_values(-size)
            count = tf.cast(words.row_lengths(), tf.int32)
            return {
                "token": words.with_flat_values(self.table.lookup(words.flat_values)).to_tensor(-1),
                "token_str": words.to_tensor(""),
                "score": score.to_tensor(0.0),
                "pseudo_log_likelihood": tf.reduce_sum(score, 1),
                "token_count": count,
                "status": tf.where(count > 0, "ok", "empty"),
            }

    module = Toy()
    names = ("serving_default", "fill_mask_top_k", "fill_mask_targets", "tokenize", "fill_mask_ids")
    names += ("score_text",)
    return module, {name: getattr(module, name) for name in names}


def save(
    base: str | os.PathLike[str],
    version: int = 1,
    *,
    flavour: int = 0,
    work: int = 0,
    ballast_mib: int = 0,
    warmup_texts: tuple[str, ...] = ("a [MASK] b",),
) -> Path:
    """Writes `base/version` under another name first, then renames it. Returns the folder."""
    import tensorflow as tf

    target = Path(base) / str(version)
    temporary = Path(base) / f".tmp-{version}"
    module, signatures = build_module(flavour, work, ballast_mib)
    tf.saved_model.save(module, str(temporary), signatures=signatures)
    extra = temporary / "assets.extra"
    extra.mkdir()
    write_warmup(extra / "tf_serving_warmup_requests", warmup_texts)
    temporary.rename(target)
    return target


def write_record(folder: Path) -> None:
    """Lets a version pass for an export: writes the facts that the server reads."""
    record = {
        "tokenizer": {"mask_token": MASK},
        "model": {"vocab_size": len(WORDS)},
        "defaults": {"max_length": 512, "top_k": DEFAULT_TOP_K},
    }
    (folder / "assets.extra" / "tfmlm.json").write_text(json.dumps(record))


def copy_version(source: Path, base: Path, version: int) -> Path:
    """A further version with the contents of `source`, put in place by a rename."""
    temporary = base / f".tmp-copy-{version}"
    shutil.copytree(source, temporary)
    return temporary.rename(base / str(version))


def write_warmup(path: Path, texts: tuple[str, ...]) -> None:
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

    with tf.io.TFRecordWriter(str(path)) as writer:
        for text in texts:
            request = predict_pb2.PredictRequest()
            request.model_spec.name = "mlm"
            request.inputs["text"].CopyFrom(tf.make_tensor_proto([text]))
            log = prediction_log_pb2.PredictionLog(
                predict_log=prediction_log_pb2.PredictLog(request=request)
            )
            writer.write(log.SerializeToString())
