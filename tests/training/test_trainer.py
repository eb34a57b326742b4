"""The step: one exact loss over replicas, workers and micro-batches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from tests.training import small
from tests.training.processes import finish, start, tf_configs
from tfmlm.config import MaskingConfig
from tfmlm.data.masking import IGNORED
from tfmlm.errors import UserError
from tfmlm.training.trainer import MaskedLMTrainer


@pytest.fixture(scope="module")
def layouts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    """Weights and losses after 20 steps of 8 rows under each layout."""
    root = tmp_path_factory.mktemp("layouts")
    cache = root / "cache"
    small.blocks(cache, line_by_line=True)
    script = ["-m", "tests.training.steps"]
    local = ["one:one_device:8:1", "accumulated:one_device:2:4", "mirrored:mirrored:4:1"]
    local += ["weighted_one:one_device:8:1", "weighted_accumulated:one_device:2:4"]
    local += ["weighted_mirrored:mirrored:4:1"]
    processes = [start([*script, str(root / "local.npz"), str(cache), *local])]
    for index, config in enumerate(tf_configs(2)):
        out = str(root / f"worker{index}.npz")
        processes.append(
            start([*script, out, str(cache), f"worker{index}:multi_worker:4:1"], TF_CONFIG=config)
        )
    for process in processes:
        code, output = finish(process)
        assert code == 0, output[-3000:]
    result: dict[str, np.ndarray] = {}
    for file in root.glob("*.npz"):
        result |= dict(np.load(file))
    return result


def _weights(layouts: dict[str, np.ndarray], name: str) -> dict[str, np.ndarray]:
    prefix = f"{name}/weight/"
    return {k.removeprefix(prefix): v for k, v in layouts.items() if k.startswith(prefix)}


@pytest.mark.parametrize("name", ["accumulated", "mirrored", "worker0", "worker1"])
def test_weights_do_not_depend_on_the_layout(name: str, layouts: dict[str, np.ndarray]) -> None:
    expected, received = _weights(layouts, "one"), _weights(layouts, name)
    assert expected.keys() == received.keys()
    assert len(expected) > 20
    for weight, value in expected.items():
        np.testing.assert_allclose(received[weight], value, atol=1e-6, rtol=0, err_msg=weight)


@pytest.mark.parametrize("name", ["accumulated", "mirrored", "worker0", "worker1"])
def test_reported_losses_do_not_depend_on_the_layout(
    name: str, layouts: dict[str, np.ndarray]
) -> None:
    assert np.isfinite(layouts["one/losses"]).all()
    np.testing.assert_allclose(layouts[f"{name}/losses"], layouts["one/losses"], rtol=1e-6)


@pytest.mark.parametrize("name", ["weighted_accumulated", "weighted_mirrored"])
def test_weighted_steps_do_not_depend_on_the_layout(name: str, layouts) -> None:
    expected, received = _weights(layouts, "weighted_one"), _weights(layouts, name)
    for weight, value in expected.items():
        np.testing.assert_allclose(received[weight], value, atol=1e-6, rtol=0, err_msg=weight)
    np.testing.assert_allclose(layouts[f"{name}/losses"], layouts["weighted_one/losses"], rtol=1e-6)
    assert any((value != layouts[f"one/weight/{w}"]).any() for w, value in expected.items())


@pytest.mark.parametrize("name", ["mirrored", "weighted_mirrored"])
def test_the_copies_of_a_weight_stay_equal(name: str, layouts: dict[str, np.ndarray]) -> None:
    assert layouts[f"{name}/apart"].tolist() == []


@pytest.mark.parametrize("name", ["one", "accumulated", "mirrored", "worker0", "worker1"])
def test_no_variable_is_copied_when_read(name: str, layouts: dict[str, np.ndarray]) -> None:
    assert layouts[f"{name}/copied"].tolist() == []


def _batch(labels: np.ndarray) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
    ids = np.random.default_rng(0).integers(5, 100, labels.shape).astype(np.int32)
    features = {"input_ids": tf.constant(ids), "attention_mask": tf.ones_like(ids)}
    return features, tf.constant(labels, tf.int32)


def _labels(positions: list[tuple[int, int]], rows: int = 4) -> np.ndarray:
    labels = np.full((rows, 12), IGNORED, np.int32)
    for row, column in positions:
        labels[row, column] = 7
    return labels


def _trainer(dropout: float = 0.0, **options) -> MaskedLMTrainer:
    trainer = MaskedLMTrainer(small.model(dropout), **options)
    trainer.compile(tf.keras.optimizers.legacy.SGD(0.1))
    return trainer


def test_loss_and_update_are_those_of_the_mean_over_masked_tokens() -> None:
    features, labels = _batch(_labels([(0, 1), (0, 2), (0, 5), (3, 4)]))
    model = small.model()
    where = tf.where(labels != IGNORED)
    with tf.GradientTape() as tape:
        logits = tf.gather_nd(model(features).logits, where)
        loss = tf.reduce_mean(
            tf.nn.sparse_softmax_cross_entropy_with_logits(tf.gather_nd(labels, where), logits)
        )
    gradients = tape.gradient(loss, model.trainable_variables)
    expected = [
        v.numpy() - 0.1 * (0 if g is None else tf.convert_to_tensor(g).numpy())
        for v, g in zip(model.trainable_variables, gradients, strict=True)
    ]
    trainer = _trainer()
    logs = trainer.train_on_batch(features, labels, return_dict=True)
    assert logs["loss"] == pytest.approx(float(loss), rel=1e-6)
    for variable, value in zip(trainer.model.trainable_variables, expected, strict=True):
        np.testing.assert_allclose(variable.numpy(), value, atol=2e-6)


def test_step_without_a_masked_token_changes_nothing_and_is_no_nan() -> None:
    trainer = _trainer()
    before = [w.numpy() for w in trainer.model.weights]
    logs = trainer.train_on_batch(*_batch(_labels([])), return_dict=True)
    assert logs["loss"] == 0
    for weight, value in zip(trainer.model.weights, before, strict=True):
        np.testing.assert_array_equal(weight.numpy(), value)


def test_gradient_norm_is_limited() -> None:
    batch = _batch(_labels([(0, 1), (2, 3)]))
    free, limited = _trainer(), _trainer(max_grad_norm=1e-3)
    start_at = [w.numpy() for w in free.model.trainable_variables]
    free.train_on_batch(*batch)
    limited.train_on_batch(*batch)

    def moved(trainer: MaskedLMTrainer) -> float:
        weights = zip(trainer.model.trainable_variables, start_at, strict=True)
        return float(np.sqrt(sum(((w.numpy() - b) ** 2).sum() for w, b in weights)))

    assert moved(limited) == pytest.approx(0.1 * 1e-3, rel=1e-3)
    assert moved(free) > 10 * moved(limited)


def test_xla_gives_the_same_step() -> None:
    batch = _batch(_labels([(0, 1), (2, 3), (3, 7)]))
    plain, compiled = _trainer(), _trainer(jit_compile=True)
    for _ in range(2):
        expected = plain.train_on_batch(*batch, return_dict=True)["loss"]
        received = compiled.train_on_batch(*batch, return_dict=True)["loss"]
        assert received == pytest.approx(expected, rel=1e-5)
    for a, b in zip(plain.model.weights, compiled.model.weights, strict=True):
        np.testing.assert_allclose(a.numpy(), b.numpy(), atol=1e-5)


def test_dropout_is_a_function_of_seed_and_step() -> None:
    batch = _batch(_labels([(0, 1), (2, 3), (3, 7)]))

    def losses(seed: int, step: int) -> list[float]:
        trainer = _trainer(0.5, seed=seed)
        trainer.optimizer.learning_rate = 0.0
        trainer.global_step.assign(step)
        result = []
        for _ in range(2):
            trainer.reset_metrics()
            result.append(float(trainer.train_on_batch(*batch, return_dict=True)["loss"]))
        return result

    first = losses(1, 0)
    assert first[0] != first[1]
    assert losses(1, 0) == first
    assert losses(1, 1)[0] == first[1]
    assert losses(2, 0)[0] != first[0]


def test_keras_users_fit_it_on_a_prepared_dataset(tmp_path: Path, monkeypatch) -> None:
    import tfmlm

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    optimizer, _ = tfmlm.create_optimizer(5e-3, 60, num_warmup_steps=5)
    trainer = MaskedLMTrainer(small.model(initializer_range=0.02))
    trainer.compile(optimizer)
    data = tfmlm.prepare_dataset(
        trainer.model,
        small.tokenizer(),
        list(small.lines()),
        batch_size=16,
        max_length=24,
        masking=MaskingConfig(),
    )
    history = trainer.fit(data, epochs=3, validation_data=data.take(2), verbose=0).history
    assert history["loss"][-1] < history["loss"][0]
    assert np.isfinite(history["val_loss"]).all()


def _trained(*data, steps: int = 1, **fit) -> list[np.ndarray]:
    """Weights after a step on `data`, as `fit` takes it."""
    trainer = _trainer()
    trainer.compile(tf_keras.optimizers.legacy.SGD(0.5))
    before = [w.numpy() for w in trainer.model.weights]
    trainer.fit(*data, epochs=steps, batch_size=4, shuffle=False, verbose=0, **fit)
    after = [w.numpy() for w in trainer.model.weights]
    assert steps == 0 or any((a != b).any() for a, b in zip(before, after, strict=True))
    return after


def _equal(one: list[np.ndarray], other: list[np.ndarray]) -> None:
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6, rtol=0)


def test_fit_takes_what_transformers_own_fit_takes() -> None:
    from transformers import BatchEncoding

    features, labels = _batch(_labels([(0, 3), (1, 5), (3, 2)]))
    ids = features["input_ids"]
    expected = _trained(features, labels)
    for data in (
        (tf.data.Dataset.from_tensors((features, labels)),),
        (tf.data.Dataset.from_tensors({**features, "labels": labels}),),
        (tf.data.Dataset.from_tensors(({"input_ids": ids}, labels)),),
        (tf.data.Dataset.from_tensors((ids, {"labels": labels})),),
        ({**features, "labels": labels},),
        ({"input_ids": ids.numpy()}, labels.numpy()),
        (ids, labels),
        (BatchEncoding(features), labels),
        (BatchEncoding({**features, "labels": labels}),),
    ):
        _equal(_trained(*data), expected)


def test_weights_are_counts_of_rows_and_tokens() -> None:
    features, labels = _batch(_labels([(0, 3), (1, 5), (1, 7), (3, 2)]))
    rows = [0, 1, 1]
    kept = {name: tf.gather(value, rows) for name, value in features.items()}
    expected = _trained(kept, tf.gather(labels, rows))
    by_row = np.array([1, 2, 5, 0], np.float32)
    _equal(_trained(features, labels, sample_weight=by_row), expected)
    by_token = np.repeat(by_row[:, None], labels.shape[1], 1)
    _equal(_trained(features, labels, sample_weight=by_token), expected)
    by_token[1, 7] = 0
    other = labels.numpy()
    other[3, 2] = other[1, 7] = IGNORED
    two = {name: tf.gather(value, rows) for name, value in features.items()}
    _equal(
        _trained(features, labels, sample_weight=by_token),
        _trained(two, tf.gather(other, rows)),
    )
    # Small weights are weights, too.
    _equal(_trained(features, labels, sample_weight=by_row * 1e-4), expected)


def test_weights_of_0_move_nothing() -> None:
    from tfmlm.training import create_optimizer

    features, labels = _batch(_labels([(0, 3), (1, 5)]))
    trainer = _trainer()
    optimizer, _ = create_optimizer(1e-2, 10, weight_decay=0.1)
    trainer.compile(optimizer)
    trainer.fit(features, labels, verbose=0)  # Adam has a momentum from here on
    before = [w.numpy() for w in trainer.model.weights]
    history = trainer.fit(features, labels, sample_weight=np.zeros(4), verbose=0).history
    assert history["loss"] == [0.0]
    assert int(optimizer.iterations) == 2
    for was, weight in zip(before, trainer.model.weights, strict=True):
        np.testing.assert_array_equal(weight.numpy(), was)
    weight = np.array([0.5, 2, 0, 0])
    one = trainer.evaluate(features, labels, sample_weight=weight, verbose=0)
    alone = [trainer.evaluate(*_rows(features, labels, row), verbose=0) for row in (0, 1)]
    assert one == pytest.approx((0.5 * alone[0] + 2 * alone[1]) / 2.5, rel=1e-5)


def _rows(features, labels, row: int):
    return {name: value[row : row + 1] for name, value in features.items()}, labels[row : row + 1]


def test_what_the_step_cannot_honour_is_refused_by_name() -> None:
    features, labels = _batch(_labels([(0, 3)]))
    trainer = _trainer()
    for name in ("metrics", "weighted_metrics", "loss_weights"):
        with pytest.raises(UserError, match=f"takes no {name}"):
            trainer.compile("sgd", **{name: ["accuracy"]})
    for loss in ("mse", tf_keras.losses.SparseCategoricalCrossentropy()):
        with pytest.raises(UserError, match="leave loss out"):
            trainer.compile("sgd", loss)
    with pytest.raises(UserError, match="jit_compile to MaskedLMTrainer"):
        trainer.compile("sgd", jit_compile=True)
    trainer.compile("sgd", loss="auto_with_warning")
    for call in (trainer.fit, trainer.train_on_batch):
        with pytest.raises(UserError, match="takes no class_weight"):
            call(features, labels, class_weight={0: 1.0})
    with pytest.raises(UserError, match="there are no labels"):
        trainer.fit(features, verbose=0)
    with pytest.raises(UserError, match="labels are given twice"):
        trainer.fit({**features, "labels": labels}, labels, verbose=0)
    with pytest.raises(UserError, match=r"sample_weight has the shape \(None, 8, 1\)"):
        trainer.fit(features, labels, sample_weight=np.ones([4, 8, 1]), verbose=0)
