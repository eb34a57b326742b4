"""Training: strategies, optimizer, the exact step, checkpoints, evaluation."""

from tfmlm.training.fit import run_training
from tfmlm.training.metrics import Evaluator, evaluate_model, unigram_loss
from tfmlm.training.optimizer import create_optimizer
from tfmlm.training.strategy import get_strategy
from tfmlm.training.trainer import MaskedLMTrainer

__all__ = [
    "Evaluator",
    "MaskedLMTrainer",
    "create_optimizer",
    "evaluate_model",
    "get_strategy",
    "run_training",
    "unigram_loss",
]
