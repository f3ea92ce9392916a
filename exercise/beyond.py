"""Word vectors, metrics for generated text, and how to train a model that generates text.

The functions leave their arguments as they are.
"""

import math
from collections import Counter
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional


def skip_gram_pairs(tokens: Sequence[int], window: int) -> Tensor:
    """Pair each token of a sentence with each of its neighbours.

    Args:
        tokens: the ids of the words in the sentence, in order.
        window: how many positions away a neighbour may be, to the left and to the right.

    Returns:
        The pairs (centre, context) of ids in any order, int64, shape (N, 2); (0, 2) if there are
        none. A pair that occurs twice in the sentence is listed twice.
    """
    raise NotImplementedError("Task skip_grams: write skip_gram_pairs in exercise/beyond.py")


def negative_sampling_loss(centre: Tensor, context: Tensor, negatives: Tensor) -> Tensor:
    """Compute the loss of skip-grams with negative sampling.

    For one pair, with s the sigmoid function and * the dot product of two vectors:

    loss = -log s(centre * context) - sum over K negatives of log s(-centre * negative)

    Args:
        centre: the vectors of the centre words, shape (B, F).
        context: the vectors of their neighbours, shape (B, F).
        negatives: for each pair, the vectors of K random words, shape (B, K, F).

    Returns:
        The mean over the B pairs, shape (). Gradients flow back to all three arguments. The loss
        is finite for scores of any size.
    """
    raise NotImplementedError("Task negative_sampling: write negative_sampling_loss in exercise/beyond.py")


def train_word_vectors(
    pairs: Tensor, n_words: int, size: int, epochs: int, n_negatives: int = 5
) -> Tensor:
    """Train a vector for each word, from pairs of neighbouring words.

    Each word has two vectors, one as a centre and one as a context; the first ones are the result.
    Initialise them with small numbers: normal with a standard deviation of 0.1. Batch size,
    optimizer and learning rate are your choice; related words must end up close together.

    Args:
        pairs: all pairs (centre, context) of ids from 0 to n_words - 1, int64, shape (N, 2).
        n_words: the number of different words, V.
        size: the features of a vector, F.
        epochs: how many times to loop over all pairs, in a new order each time.
        n_negatives: K, the number of random words per pair.

    Returns:
        The vectors of all words, float32, shape (V, F).
    """
    raise NotImplementedError("Task word2vec: write train_word_vectors in exercise/beyond.py")


def perplexity(logits: Tensor, targets: Tensor, padding: int) -> float:
    """Measure how surprised a language model is by the actual tokens.

    The perplexity is the exponential of the mean negative log-likelihood (in nats) over all real
    tokens of the batch: each token counts the same, whether its sentence is long or short.

    Args:
        logits: raw scores of the C possible tokens, without softmax, shape (B, T, C).
        targets: the ids of the actual tokens, int64, shape (B, T).
        padding: the id that fills the steps after the end of a sentence; these do not count.

    Returns:
        The perplexity: 1 for a model that is certain and right, C for one that gives all tokens
        the same probability. A model that is certain and wrong has far more.
    """
    raise NotImplementedError("Task perplexity: write perplexity in exercise/beyond.py")


def corpus_bleu(
    translations: Sequence[Sequence[str]], references: Sequence[Sequence[str]]
) -> float:
    """Compare a corpus of translations with one reference each: BLEU, as `sacrebleu` computes it.

    With n from 1 to 4, over all sentences together:

    p_n = n-grams of the translations that match their references / n-grams of the translations
    penalty = 1 if c > r, otherwise exp(1 - r / c)
    BLEU = 100 * penalty * (p_1 p_2 p_3 p_4) ** (1 / 4)

    An n-gram matches at most as often as it occurs in the reference; c and r are the numbers of
    tokens in all translations and in all references. Nothing is smoothed: BLEU is 0 if a p_n has no
    match, or no n-gram at all.

    Args:
        translations: the tokens of each translated sentence; one may be empty.
        references: the tokens of the reference translation of each sentence.

    Returns:
        BLEU, from 0 to 100.
    """
    raise NotImplementedError("Task bleu: write corpus_bleu in exercise/beyond.py")


def decode(
    step: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]],
    state: Tensor,
    targets: Tensor,
    start: int,
    ratio: float,
) -> Tensor:
    """Let a decoder generate a batch of sentences, with or without teacher forcing.

    The input of the first step is the token `start`. The input of each later step is the right
    token of the previous step with the probability `ratio`, and otherwise the decoder's own choice
    there, which is the token with the largest logit. A new random decision is made in every step,
    either for the whole batch or for each sentence.

    Args:
        step: the decoder: maps input tokens, int64 (B,), and a state (B, H) to the logits of the
            next tokens (B, C) and the new state (B, H).
        state: the final state of the encoder, shape (B, H).
        targets: the right tokens, int64, shape (B, T).
        start: the id of the token that starts every sentence.
        ratio: 1 always uses the right token (teacher forcing), 0 never.

    Returns:
        The logits of all T steps, shape (B, T, C).
    """
    raise NotImplementedError("Task teacher_forcing: write decode in exercise/beyond.py")


def train_on_text(
    model: nn.Module, optimizer: torch.optim.Optimizer, text: Tensor, chunk: int
) -> list[float]:
    """Train a language model on long texts, chunk by chunk (truncated back-propagation).

    At each character the model predicts the next one. The characters to predict are split into
    chunks of T = `chunk`, in order; the last chunk may be shorter. Each chunk is one step of the
    optimizer on its mean cross-entropy. The model starts a chunk from its state at the end of the
    previous one, but no gradient flows back into that one.

    Args:
        model: maps ids (B, T) and a state, None at the start of the texts, to logits (B, T, C) and
            the new state: a pair (h_n, c_n), like that of `nn.LSTM`.
        optimizer: has the parameters of the model.
        text: the ids of the characters of B texts, int64, shape (B, N), with N at least 2.
        chunk: the maximum number of characters to predict per step of the optimizer.

    Returns:
        The loss of each chunk, computed before its step.
    """
    raise NotImplementedError("Task truncated: write train_on_text in exercise/beyond.py")
